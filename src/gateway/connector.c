#include "gateway/connector.h"

#include "base/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Jobs of one kind and the threads that do them: a slow wake does not keep sockets waiting. */
struct queue {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct job *first, **last;
    bool stopping;
    pthread_t threads[CONNECTOR_THREADS];
    int thread_count;
    struct connector *connector;
};

struct connector {
    struct directory *directory;
    struct hostclient *host;
    struct queue queues[JOB_KIND_COUNT];
};

void job_free(struct job *job)
{
    if (!job) {
        return;
    }
    for (int i = 0; job->kind == JOB_SOCKETS && i < job->count; i++) {
        close_fd(job->fds[i]);
    }
    free(job->answer);
    free(job);
}

static void run(struct connector *connector, struct job *job)
{
    if (job->kind == JOB_WAKE) {
        if (directory_wake(connector->directory, job->answer, &job->error) == 0) {
            job->error.code = ERR_NONE;
        }
        return;
    }
    if (host_sockets(connector->host, job->sandbox_id, job->family, job->count, job->fds,
                     job->address, &job->error) == 0) {
        job->error.code = ERR_NONE;
    } else {
        job->count = 0;
    }
}

static struct job *next_job(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    while (!queue->first && !queue->stopping) {
        pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    struct job *job = queue->stopping ? NULL : queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first) {
            queue->last = &queue->first;
        }
    }
    pthread_mutex_unlock(&queue->mutex);
    return job;
}

static void *work(void *argument)
{
    struct queue *queue = argument;
    struct job *job;
    pthread_setname_np(pthread_self(), "gateway-connect");
    while ((job = next_job(queue))) {
        run(queue->connector, job);
        job->done(job->owner, job);
    }
    return NULL;
}

void connector_submit(struct connector *connector, struct job *job)
{
    struct queue *queue = &connector->queues[job->kind];
    job->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    *queue->last = job;
    queue->last = &job->next;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

static int start_queue(struct connector *connector, struct queue *queue, int threads)
{
    queue->connector = connector;
    queue->last = &queue->first;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, NULL);
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&queue->threads[i], NULL, work, queue) != 0) {
            return -1;
        }
        queue->thread_count++;
    }
    return 0;
}

struct connector *connector_start(struct directory *directory, struct hostclient *host,
                                  struct error *err)
{
    struct connector *connector = calloc(1, sizeof(*connector));
    if (!connector) {
        error_set(err, ERR_INTERNAL, ENOMEM, "start the gateway's connector");
        return NULL;
    }
    connector->directory = directory;
    connector->host = host;
    bool failed = start_queue(connector, &connector->queues[JOB_SOCKETS], CONNECTOR_THREADS) != 0;
    failed = start_queue(connector, &connector->queues[JOB_WAKE], CONNECTOR_WAKERS) != 0 || failed;
    if (failed) {
        error_set(err, ERR_INTERNAL, EAGAIN, "start a thread of the gateway's connector");
        return connector_stop(connector);
    }
    return connector;
}

static void stop_queue(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    for (int i = 0; i < queue->thread_count; i++) {
        pthread_join(queue->threads[i], NULL);
    }
    while (queue->first) {
        struct job *job = queue->first;
        queue->first = job->next;
        job->count = 0; /* nothing was fetched yet */
        job_free(job);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
}

struct connector *connector_stop(struct connector *connector)
{
    if (connector) {
        for (int kind = 0; kind < JOB_KIND_COUNT; kind++) {
            stop_queue(&connector->queues[kind]);
        }
        free(connector);
    }
    return NULL;
}
