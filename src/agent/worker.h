/*
 * Threads for file operations, which may block on the disk or on their connection. A few live for ever,
 * so that a sandbox at its process limit can still be read and repaired; more come and go with the load.
 */
#ifndef ATOLL_AGENT_WORKER_H
#define ATOLL_AGENT_WORKER_H

#include "agent/request.h"

#include <pthread.h>
#include <stdbool.h>

/* One file operation. Owned by the pool once accepted. */
struct job {
    struct job *next;
    int fd;              /* the connection; blocking */
    unsigned char *head; /* what the request's texts point into */
    struct request request;
};

enum { WORKER_MAX = 64, WORKER_RESIDENT = 2 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first;
    struct job **last;
    unsigned queued_count;
    unsigned active_count;        /* jobs being run */
    unsigned count;               /* threads */
    void (*run)(struct job *job); /* does the operation and answers; the pool frees the job */
};

void workers_init(struct workers *workers, void (*run)(struct job *job));

/* Starts the resident threads as far as the system allows; call again until it returns true. */
bool workers_start_residents(struct workers *workers);

/* Returns 0 and owns the job, or EAGAIN when WORKER_MAX operations run or wait. */
int workers_submit(struct workers *workers, struct job *job);

/* Closes the connection and frees the job and its request. */
void job_free(struct job *job);

#endif
