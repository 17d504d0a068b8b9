#include "agent/worker.h"

#include "base/cleanup.h"

#include <errno.h>

/* Enough for a path or two in a frame; untouched pages cost nothing. */
enum { STACK_BYTES = 256 * 1024 };

void workers_init(struct workers *workers, void (*run)(struct job *job))
{
    *workers = (struct workers){.run = run};
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
}

void job_free(struct job *job)
{
    request_free(&job->request);
    free(job->head);
    close_fd(job->fd);
    free(job);
}

static struct job *take_job(struct workers *workers)
{
    struct job *job = workers->first;
    if (job) {
        workers->first = job->next;
        workers->queued_count--;
        workers->active_count++;
        if (!workers->first) {
            workers->last = &workers->first;
        }
    }
    return job;
}

/* Waits for a job; NULL tells a thread beyond the residents to end. Holds the lock. */
static struct job *wait_for_job(struct workers *workers)
{
    struct job *job;
    while (!(job = take_job(workers)) && workers->count <= WORKER_RESIDENT) {
        pthread_cond_wait(&workers->work, &workers->lock);
    }
    return job;
}

static void *worker_main(void *argument)
{
    struct workers *workers = argument;
    struct job *job;
    pthread_mutex_lock(&workers->lock);
    while ((job = wait_for_job(workers))) {
        pthread_mutex_unlock(&workers->lock);
        workers->run(job);
        job_free(job);
        pthread_mutex_lock(&workers->lock);
        workers->active_count--;
    }
    workers->count--;
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Holds the lock. */
static void start_thread(struct workers *workers)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, worker_main, workers) == 0) {
        workers->count++;
    }
    pthread_attr_destroy(&attributes);
}

bool workers_start_residents(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    for (unsigned i = workers->count; i < WORKER_RESIDENT; i++) {
        start_thread(workers);
    }
    bool complete = workers->count >= WORKER_RESIDENT;
    pthread_mutex_unlock(&workers->lock);
    return complete;
}

int workers_submit(struct workers *workers, struct job *job)
{
    int result = EAGAIN;
    pthread_mutex_lock(&workers->lock);
    bool has_free_thread = workers->count - workers->active_count > workers->queued_count;
    if (!has_free_thread && workers->count < WORKER_MAX) {
        start_thread(workers);
    }
    /* When the process limit forbids another thread, the residents take the queue in turn. */
    if (workers->count > 0 && workers->active_count + workers->queued_count < WORKER_MAX) {
        job->next = NULL;
        *workers->last = job;
        workers->last = &job->next;
        workers->queued_count++;
        pthread_cond_signal(&workers->work);
        result = 0;
    }
    pthread_mutex_unlock(&workers->lock);
    return result;
}
