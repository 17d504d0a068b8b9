/* Runs one job many times from several threads and collects how long each took. */
#ifndef ATOLL_BENCH_WORK_H
#define ATOLL_BENCH_WORK_H

#include "http.h"

#include <jansson.h>
#include <pthread.h>

enum { WORK_IDS_MAX = 4096, WORK_ID_SIZE = 64, TIMINGS_MAX = 24, BOOT_PATHS_MAX = 8 };

struct work;

/* What one thread owns. */
struct worker {
    struct work *work;
    struct http_connection connection;
    struct http_reply reply;
    char path[512];
};

struct work {
    const struct http_target *target;
    int count;
    int concurrency;
    int pause_ms;   /* before each job */
    double seconds; /* stop then, whatever count says; 0: never */
    bool keep;      /* leave sandboxes that jobs made */
    size_t bytes;   /* of a transfer */
    char *payload;
    char sandbox_id[WORK_ID_SIZE]; /* the one that jobs share */

    /* one row a job; set by its thread, read after the join */
    double *first_ms; /* what the scenario is about */
    double *total_ms; /* with what follows, or 0 */
    char (*ids)[WORK_ID_SIZE];
    bool *done;

    pthread_mutex_t mutex; /* guards what follows */
    int next;
    int failures;
    char failure[512]; /* the first one */
    struct {
        char name[48];
        double *values;
        int count;
    } timings[TIMINGS_MAX]; /* what the server said about its own steps */
    struct {
        char path[16];
        int count;
    } boots[BOOT_PATHS_MAX]; /* how sandboxes were started */
    int64_t start_ns;
    double elapsed_ms;
};

/* One job: fills work->first_ms[index] (and total_ms, ids). 0, or -1 after work_fail. */
typedef int work_job(struct worker *worker, int index);

int work_init(struct work *work);
void work_free(struct work *work);

/* Runs work->count jobs. */
void work_run(struct work *work, work_job *job);

/* Notes a failure: what was done and what came back. Returns -1. */
int work_fail(struct worker *worker, const char *what);

/* Remembers one of the server's own step times. */
void work_timing(struct work *work, const char *name, double ms);

/* Counts a sandbox that was started in that way. */
void work_boot(struct work *work, const char *path);

/* The measurement as JSON; a new reference. */
json_t *work_json(struct work *work);

#endif
