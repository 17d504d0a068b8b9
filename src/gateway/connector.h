/*
 * Threads that do what blocks: ask atoll-host for sockets inside a sandbox, wake a sandbox.
 */
#ifndef ATOLL_GATEWAY_CONNECTOR_H
#define ATOLL_GATEWAY_CONNECTOR_H

#include "base/error.h"
#include "gateway/directory.h"
#include "hostclient/hostclient.h"

#include <stdint.h>

enum { JOB_SOCKETS_MAX = 16, CONNECTOR_THREADS = 4, CONNECTOR_WAKERS = 4 };

enum job_kind { JOB_SOCKETS, JOB_WAKE, JOB_KIND_COUNT };

/* One thing to do. Made by a loop, done by a thread of the connector, given back through done(owner, job). */
struct job {
    struct job *next;
    enum job_kind kind;
    void (*done)(void *owner, struct job *job);
    void *owner;
    uint64_t number; /* by which the owner knows it */
    char sandbox_id[ID_SIZE];
    int family;
    int count;
    struct directory_answer *answer; /* JOB_WAKE: the job's to free() */
    /* results */
    int fds[JOB_SOCKETS_MAX]; /* count of them */
    char address[46];
    struct error error; /* code ERR_NONE: it worked */
};

struct connector;

struct connector *connector_start(struct directory *directory, struct hostclient *host,
                                  struct error *err);

/* Takes the job; its done() is called in another thread, unless the connector ends first. */
void connector_submit(struct connector *connector, struct job *job);

/* Closes its sockets and frees it. Accepts NULL. */
void job_free(struct job *job);

/* Waits for running jobs, frees those that wait. Accepts NULL; returns NULL. */
struct connector *connector_stop(struct connector *connector);

#endif
