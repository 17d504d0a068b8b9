#include "api/exec_live.h"

#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One a connection, and connections are bounded; this keeps one sandbox's flood from taking them all. */
enum { LIVE_MAX = 2048 };

struct live {
    struct live *next;
    char exec_id[ID_SIZE];
    char sandbox_id[ID_SIZE];
    struct exec_input *input;
};

/* Streams belong to connections, which belong to the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct live *all;
static int count;

int exec_live_add(const char *sandbox_id, struct exec_input *input, const char *exec_id,
                  struct error *err)
{
    struct live *live = calloc(1, sizeof(*live));
    if (!live) {
        return error_set(err, ERR_INTERNAL, 0, "no memory for a command stream");
    }
    snprintf(live->exec_id, sizeof(live->exec_id), "%s", exec_id);
    snprintf(live->sandbox_id, sizeof(live->sandbox_id), "%s", sandbox_id);
    pthread_mutex_lock(&lock);
    if (count == LIVE_MAX) {
        pthread_mutex_unlock(&lock);
        free(live);
        return error_set(err, ERR_AGENT_BUSY, 0, "more than %d command streams at once", LIVE_MAX);
    }
    live->input = exec_input_ref(input);
    live->next = all;
    all = live;
    count++;
    pthread_mutex_unlock(&lock);
    return 0;
}

void exec_live_remove(const char *exec_id)
{
    struct live *found = NULL;
    pthread_mutex_lock(&lock);
    for (struct live **at = &all; *at && !found;) {
        if (strcmp((*at)->exec_id, exec_id) == 0) {
            found = *at;
            *at = found->next;
            count--;
        } else {
            at = &(*at)->next;
        }
    }
    assert(count >= 0);
    pthread_mutex_unlock(&lock);
    if (found) {
        exec_input_unref(found->input);
        free(found);
    }
}

struct exec_input *exec_live_find(const char *sandbox_id, const char *exec_id, struct error *err)
{
    struct exec_input *input = NULL;
    pthread_mutex_lock(&lock);
    for (struct live *live = all; live && !input; live = live->next) {
        if (strcmp(live->exec_id, exec_id) == 0 && strcmp(live->sandbox_id, sandbox_id) == 0) {
            input = exec_input_ref(live->input);
        }
    }
    pthread_mutex_unlock(&lock);
    if (!input) {
        error_set(err, ERR_NOT_FOUND, 0, "no running command stream with this exec_id");
        error_hint(err, "Use the exec_id of the stream's 'started' event while the command runs.");
    }
    return input;
}

void exec_live_end_all(int64_t grace_ms)
{
    int64_t end_time_ms = clock_monotonic_ms() + grace_ms;
    pthread_mutex_lock(&lock);
    for (struct live *live = all; live; live = live->next) {
        exec_input_set_end(live->input, end_time_ms);
    }
    pthread_mutex_unlock(&lock);
}
