#include "work.h"

#include "stats.h"

#include <stdlib.h>
#include <string.h>

int work_init(struct work *work)
{
    size_t count = (size_t)work->count;
    work->first_ms = calloc(count, sizeof *work->first_ms);
    work->total_ms = calloc(count, sizeof *work->total_ms);
    work->ids = calloc(count, sizeof *work->ids);
    work->done = calloc(count, sizeof *work->done);
    work->payload = work->bytes ? malloc(work->bytes) : NULL;
    pthread_mutex_init(&work->mutex, NULL);
    if (work->payload) {
        memset(work->payload, 'a', work->bytes);
    }
    return work->first_ms && work->total_ms && work->ids && work->done &&
                   (!work->bytes || work->payload)
               ? 0
               : -1;
}

void work_free(struct work *work)
{
    free(work->first_ms);
    free(work->total_ms);
    free(work->ids);
    free(work->done);
    free(work->payload);
    for (int i = 0; i < TIMINGS_MAX; i++) {
        free(work->timings[i].values);
    }
    pthread_mutex_destroy(&work->mutex);
}

static int take_index(struct work *work)
{
    pthread_mutex_lock(&work->mutex);
    bool over = work->seconds > 0 && ms_since(work->start_ns) > work->seconds * 1000;
    int index = over || work->next >= work->count ? -1 : work->next++;
    pthread_mutex_unlock(&work->mutex);
    return index;
}

struct thread {
    pthread_t id;
    struct work *work;
    work_job *job;
    pthread_barrier_t *start;
};

/* Each thread is connected before the first job starts, so that connecting is not measured. */
static void *run_thread(void *context)
{
    struct thread *thread = context;
    struct worker worker = {.work = thread->work};
    bool open = http_open(&worker.connection, thread->work->target) == 0;
    pthread_barrier_wait(thread->start);
    pthread_barrier_wait(thread->start);
    int index;
    while ((index = take_index(thread->work)) >= 0) {
        pause_for_ms(thread->work->pause_ms);
        if (!open) {
            work_fail(&worker, "connect");
            continue;
        }
        thread->work->done[index] = thread->job(&worker, index) == 0;
    }
    buffer_free(&worker.reply.body);
    http_close(&worker.connection);
    return NULL;
}

void work_run(struct work *work, work_job *job)
{
    pthread_barrier_t start;
    struct thread *threads = calloc((size_t)work->concurrency, sizeof *threads);
    if (!threads) {
        abort();
    }
    pthread_barrier_init(&start, NULL, (unsigned)work->concurrency + 1);
    for (int i = 0; i < work->concurrency; i++) {
        threads[i] = (struct thread){.work = work, .job = job, .start = &start};
        if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i])) {
            abort();
        }
    }
    pthread_barrier_wait(&start);
    work->start_ns = now_ns();
    pthread_barrier_wait(&start);
    for (int i = 0; i < work->concurrency; i++) {
        pthread_join(threads[i].id, NULL);
    }
    work->elapsed_ms = ms_since(work->start_ns);
    pthread_barrier_destroy(&start);
    free(threads);
}

int work_fail(struct worker *worker, const char *what)
{
    struct work *work = worker->work;
    pthread_mutex_lock(&work->mutex);
    if (work->failures++ == 0) {
        snprintf(work->failure, sizeof work->failure, "%s: status %d %.300s", what,
                 worker->reply.status, worker->reply.body.data ? worker->reply.body.data : "");
    }
    pthread_mutex_unlock(&work->mutex);
    return -1;
}

void work_timing(struct work *work, const char *name, double ms)
{
    pthread_mutex_lock(&work->mutex);
    for (int i = 0; i < TIMINGS_MAX; i++) {
        if (!*work->timings[i].name) {
            snprintf(work->timings[i].name, sizeof work->timings[i].name, "%s", name);
            work->timings[i].values = calloc((size_t)work->count, sizeof(double));
        }
        if (strcmp(work->timings[i].name, name) == 0) {
            if (work->timings[i].values && work->timings[i].count < work->count) {
                work->timings[i].values[work->timings[i].count++] = ms;
            }
            break;
        }
    }
    pthread_mutex_unlock(&work->mutex);
}

void work_boot(struct work *work, const char *path)
{
    pthread_mutex_lock(&work->mutex);
    for (int i = 0; i < BOOT_PATHS_MAX; i++) {
        if (!*work->boots[i].path) {
            snprintf(work->boots[i].path, sizeof work->boots[i].path, "%s", path);
        }
        if (strcmp(work->boots[i].path, path) == 0) {
            work->boots[i].count++;
            break;
        }
    }
    pthread_mutex_unlock(&work->mutex);
}

/* The successful rows of values; the caller frees. */
static double *successful(const struct work *work, const double *values, size_t *ret_count)
{
    double *kept = calloc((size_t)work->count, sizeof *kept);
    *ret_count = 0;
    for (int i = 0; kept && i < work->next; i++) {
        if (work->done[i]) {
            kept[(*ret_count)++] = values[i];
        }
    }
    return kept;
}

static json_t *timings_json(struct work *work)
{
    json_t *timings = json_object();
    for (int i = 0; i < TIMINGS_MAX && *work->timings[i].name; i++) {
        json_object_set_new(timings, work->timings[i].name,
                            stats_json(work->timings[i].values, (size_t)work->timings[i].count));
    }
    return timings;
}

static json_t *boots_json(const struct work *work)
{
    json_t *boots = json_object();
    for (int i = 0; i < BOOT_PATHS_MAX && *work->boots[i].path; i++) {
        json_object_set_new(boots, work->boots[i].path, json_integer(work->boots[i].count));
    }
    return boots;
}

json_t *work_json(struct work *work)
{
    size_t count;
    double *first = successful(work, work->first_ms, &count);
    double *total = successful(work, work->total_ms, &count);
    json_t *result = json_object();
    json_object_set_new(result, "concurrency", json_integer(work->concurrency));
    json_object_set_new(result, "pause_ms", json_integer(work->pause_ms));
    json_object_set_new(result, "failures", json_integer(work->failures));
    if (work->failures) {
        json_object_set_new(result, "first_failure", json_string(work->failure));
    }
    json_object_set_new(result, "elapsed_ms", json_real(work->elapsed_ms));
    json_object_set_new(result, "per_second", json_real((double)count * 1000 / work->elapsed_ms));
    json_object_set_new(result, "ms", stats_json(first, count));
    if (count > 0 && total[count - 1] > 0) {
        json_object_set_new(result, "total_ms", stats_json(total, count));
    }
    json_object_set_new(result, "server_ms", timings_json(work));
    json_object_set_new(result, "boot_paths", boots_json(work));
    free(first);
    free(total);
    return result;
}
