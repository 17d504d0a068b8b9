/* Inside sandbox/: the hidden sandboxes that show snapshots' files. */
#ifndef ATOLL_SANDBOX_BROWSERS_H
#define ATOLL_SANDBOX_BROWSERS_H

#include "base/error.h"
#include "base/ids.h"
#include "hostclient/hostclient.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct sandboxes;

enum browser_state {
    BROWSER_STARTING,
    BROWSER_READY,
    BROWSER_FAILED, /* nothing of it is left but the reason, for whoever asks next */
    BROWSER_ENDING, /* nobody finds it any more */
};

/* Under browsers.mutex. */
struct browser {
    struct browser *next;
    char id[ID_SIZE]; /* at atoll-host */
    char snapshot_id[ID_SIZE], tenant_id[ID_SIZE];
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    char workdir[256];
    enum browser_state state;
    int uses;        /* views, and those that wait for it */
    bool doomed;     /* ended by the last one who uses it */
    int64_t used_ms; /* monotonic */
    struct error problem;
};

struct browsers {
    pthread_mutex_t mutex; /* never held while atoll-host or an agent is asked */
    pthread_cond_t changed;
    struct browser *first;
    int starting; /* threads at work */
    int64_t count;
    bool closing;
};

void browsers_init(struct browsers *browsers);
/* Ends all; nobody uses one any more. */
void browsers_close(struct sandboxes *sandboxes);

/* Is that a hidden sandbox, which reconcile has to leave alone? */
bool browsers_know(struct sandboxes *sandboxes, const char *sandbox_id);

/* Those that run. */
int64_t browsers_count(struct sandboxes *sandboxes);

/* Ends those that nobody has used for a while. Timer thread. */
void browsers_expire(struct sandboxes *sandboxes);

/* The snapshot is gone: so is what shows it, at the latest when its last view ends. */
void browsers_drop(struct sandboxes *sandboxes, const char *snapshot_id);

/* --- for snapshot_view.c; mutex held --- */

struct browser *browser_find(struct browsers *browsers, const char *snapshot_id);

/* Adds one that is starting, in the place of an idle one where there is no room (the mutex is given up meanwhile).
 * NULL with err: ERR_CAPACITY. */
struct browser *browser_add(struct sandboxes *sandboxes, const char *tenant_id,
                            const char *snapshot_id, struct error *err);

/* Ends it at atoll-host and forgets it; the mutex is given up meanwhile. uses is 0. */
void browser_end(struct sandboxes *sandboxes, struct browser *browser);

/* Forgets it. */
void browser_remove(struct browsers *browsers, struct browser *browser);

#endif
