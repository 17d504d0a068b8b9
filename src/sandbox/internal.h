/*
 * Inside sandbox/: a sandbox in memory, how one is found, and how its state changes.
 *
 * Locks, in the order in which they are taken: registry, one sandbox's mutex, the store's or one of the
 * small ones (views, starts, holds). A sandbox's
 * mutex is never held while atoll-host or an agent is asked: the one thread that has it "busy" works
 * then, and others wait for `changed`.
 */
#ifndef ATOLL_SANDBOX_INTERNAL_H
#define ATOLL_SANDBOX_INTERNAL_H

#include "sandbox/browsers.h"
#include "sandbox/sandbox.h"
#include "store/store_sandboxes.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CHANGE_WAIT_MS = 30 * 1000, /* how long a change waits for another one of the same sandbox */
    AGENT_READY_MS = 10 * 1000, /* how long a new sandbox's agent may take to answer */
    TENANT_BUCKETS = 256,
    ID_BUCKETS = 8192,
};

struct snapshot_hold;

struct tenant {
    struct tenant *next; /* in its bucket */
    char id[ID_SIZE];
    struct sandbox *newest; /* list of its sandboxes, newest first */
    atomic_llong living;    /* those that count for max_sandboxes, reserved ones included */
};

struct sandbox {
    /* under the registry's lock */
    struct sandbox *next_in_bucket;
    struct sandbox *newer, *older; /* of the same tenant */
    struct tenant *tenant;

    char id[ID_SIZE]; /* never changes: can be read without the mutex */
    atomic_int references;

    /* under mutex; written only by the thread that is busy with it */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* busy or state changed; CLOCK_MONOTONIC */
    struct sandbox_record record;
    enum sandbox_state state;
    bool busy;       /* a change is under way */
    bool unresolved; /* a change lost atoll-host in the middle: reconcile decides */
    bool counted;    /* in tenant->living: it has, or may have, something on the host */
    char ended[200]; /* why it ended by itself during a change; "" otherwise */
    char ended_console[2048]; /* what its machine said last then */
    bool resumed; /* the latest start brought saved processes back */
    int64_t uses;    /* operations in flight */
    uint64_t run;    /* another for each start of its processes */
    int64_t run_since_ms; /* as in struct sandbox_view */
    int64_t last_activity_ms, timer_started_ms, retry_after_ms; /* monotonic */
    uint64_t sequence; /* of the latest change: tells reconcile that its list is older */

    atomic_int_fast64_t touched_ms; /* monotonic: activity that nobody locked the mutex for */

    /* under views_lock: what sandbox_peek gives, and its place among the slugs */
    struct sandbox_view view;
    struct sandbox *next_by_slug;
    bool has_slug;

    /* under starts.mutex */
    struct sandbox *next_start;
    bool start_queued;

    bool expiring;               /* under mutex: its timeout is being carried out */
    struct sandbox *next_expiry; /* under expiries.mutex */
};

enum { START_THREADS = 8 }; /* apps and services of so many sandboxes are started at once */

/* Sandboxes that wait for the listener of sandboxes_on_start; each holds a reference. */
struct starts {
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    struct sandbox *first, *last;
    sandbox_start_listener *on_start; /* NULL: nobody listens */
    void *context;
    pthread_t threads[START_THREADS];
    int thread_count, idle_count, running_count;
    bool closing;
};

/* Since this process began; for snapshots_counts. */
struct snapshot_totals {
    atomic_int_fast64_t taken, failed, deleted, restored, restore_failed, forked, pauses, pause_us;
};

enum { EXPIRY_THREADS = 4 }; /* timeouts of so many sandboxes are carried out at once */

/* Sandboxes that are due; each holds a reference. */
struct expiries {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct sandbox *first, *last;
    pthread_t threads[EXPIRY_THREADS];
    int thread_count, idle_count;
    bool closing;
};

struct sandboxes {
    const struct settings *settings;
    struct store *store;
    struct events *events; /* NULL in tests: nobody listens */
    struct hostclient *host;
    const struct catalogue *catalogue;
    atomic_int gateway_port; /* 0: what settings say */

    pthread_rwlock_t registry_lock;
    struct sandbox *by_id[ID_BUCKETS];
    struct tenant *tenants[TENANT_BUCKETS];

    pthread_rwlock_t views_lock; /* taken last, and never while waiting for anything */
    struct sandbox *by_slug[ID_BUCKETS];
    struct preview_domain *preview_domains[TENANT_BUCKETS]; /* under views_lock */
    struct starts starts;
    struct expiries expiries;
    struct browsers browsers;

    atomic_uint_fast64_t sequence;
    atomic_int_fast64_t created_total, create_failed_total, destroyed_total, timeouts_total,
        ended_by_itself_total;
    atomic_int_fast64_t starts_total[SANDBOX_ENGINE_COUNT][SANDBOX_BOOT_COUNT];

    pthread_mutex_t host_mutex;
    struct host_info host_info; /* under host_mutex */
    bool first_round_done;      /* under host_mutex */
    pthread_cond_t first_round;
    atomic_bool host_connected;
    struct store_claim *claims; /* of requests that a crash cut short; watch thread only */
    size_t claim_count;

    pthread_mutex_t holds_mutex;
    struct snapshot_hold *holds; /* under holds_mutex: snapshots that are in use */
    struct snapshot_totals snapshot_totals;
    int64_t expiry_ms;           /* timer thread: when to look for expired snapshots again */

    pthread_mutex_t warm_mutex; /* one change of the warm pools at a time */

    atomic_bool closing;
    int watch_wake_fd; /* eventfd */
    pthread_t watch_thread;

    pthread_mutex_t timer_mutex;
    pthread_cond_t timer_wake;
    int64_t timer_next_ms; /* monotonic; when the thread will look again */
    pthread_t timer_thread;
    bool watch_started, timer_started;
};

/* --- preview_domains.c --- */
void preview_domains_clear(struct sandboxes *sandboxes);

/* --- registry.c --- */

/* Counts one more living sandbox of the tenant, or ERR_SANDBOX_LIMIT. */
int registry_reserve(struct sandboxes *sandboxes, const char *tenant_id, struct error *err);
void registry_release(struct sandboxes *sandboxes, const char *tenant_id);

/* Makes a sandbox from the record (whose JSON references it takes) with one reference, not yet
 * findable. state is record's. NULL on ENOMEM (then nothing was taken). */
struct sandbox *sandbox_new(struct sandbox_record *record, enum sandbox_state state);
struct sandbox *sandbox_ref(struct sandbox *sandbox);
void sandbox_unref(struct sandbox *sandbox);

/* Makes it findable, in the place that was reserved; the registry has a reference of its own. */
void registry_add(struct sandboxes *sandboxes, struct sandbox *sandbox);
/* As registry_add for one that was loaded: counts it, over any limit. */
int registry_restore(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err);
/* Forgets all; no other thread is left. */
void registry_clear(struct sandboxes *sandboxes);
/* Forgets it. Its mutex must not be held. */
void registry_remove(struct sandboxes *sandboxes, struct sandbox *sandbox);

/* A new reference, or NULL. tenant_id NULL: any tenant's. */
struct sandbox *registry_find(struct sandboxes *sandboxes, const char *tenant_id, const char *id);

/* References to all that select accepts, at most max (0: all); *ret_found is free()d by the caller
 * after sandbox_unref of each. select runs with the sandbox's mutex held. -1 on ENOMEM. */
int registry_select(struct sandboxes *sandboxes, const char *tenant_id,
                    bool (*select)(const struct sandbox *sandbox, void *context), void *context,
                    size_t max, struct sandbox ***ret_found, size_t *ret_count);

size_t registry_hash(const char *text);

/* --- view.c --- */

/* Shows others what the record says now. Mutex held, or the sandbox is not shared yet. */
void view_publish(struct sandboxes *sandboxes, struct sandbox *sandbox);
void view_remove(struct sandboxes *sandboxes, struct sandbox *sandbox);
/* The latest activity, monotonic. Mutex held. */
int64_t sandbox_last_activity_ms(const struct sandbox *sandbox);

/* --- starts.c --- */

void starts_init(struct starts *starts);
/* Joins its threads; the listener's calls must have come to their end. */
void starts_close(struct starts *starts);
/* Runs the listener for a sandbox whose start is pending. Mutex held. */
void starts_request(struct sandboxes *sandboxes, struct sandbox *sandbox);
/* Its processes were started just now. */
void start_run(struct sandboxes *sandboxes, struct sandbox *sandbox);

/* What start_pending becomes when processes are started. */
int64_t start_pending_of(const struct sandbox_record *record, bool created);

/* --- resume.c, wake.c --- */

int resume_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
                struct error *err);
/* Back to paused after a resume that did not happen. */
void undo_resuming(struct sandboxes *sandboxes, struct sandbox *sandbox);
/* Would sandbox_wake have something to wait for or to do? Mutex held. */
bool wake_needed(const struct sandbox *sandbox);
/* sandbox_wake of one that the caller holds a reference to. */
int wake_found(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err);
bool sandbox_is_starting(const struct sandbox *sandbox);
/* Why commands and files are out of reach. Mutex held. -1. */
int refuse_use(const struct sandbox *sandbox, struct error *err);

/* --- states.c --- */

enum sandbox_state sandbox_state_parse(const char *name); /* SANDBOX_STATE_COUNT when unknown */
bool sandbox_state_may_follow(enum sandbox_state from, enum sandbox_state to);
/* Asserts what must hold for a record in that state. */
void sandbox_state_check(const struct sandbox_record *record, enum sandbox_state state);

/* --- engines.c --- */

/* Do snapshots and pauses with that engine keep processes, on this host? */
bool engine_saves_memory(struct sandboxes *sandboxes, const char *engine);
enum sandbox_engine engine_of(const struct sandbox_record *record);
/* Counts a start of its processes. */
void engine_count_start(struct sandboxes *sandboxes, const struct sandbox_record *record);
/* Fills isolation from the record's engine. */
void engine_describe(struct sandboxes *sandboxes, struct sandbox_record *record);

/* --- change.c, change_host.c --- */

/* Finds the tenant's sandbox and becomes the one that changes it. On success *ret_sandbox is
 * referenced, busy and its mutex is held. ERR_NOT_FOUND, ERR_CONFLICT. */
int change_begin(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 struct sandbox **ret_sandbox, struct error *err);

/* As change_begin for a sandbox that the caller holds a reference to; waits at most wait_ms. */
int change_begin_found(struct sandboxes *sandboxes, struct sandbox *sandbox, int64_t wait_ms,
                       struct error *err);

/* ERR_HOST_UNAVAILABLE when atoll-host is known to be away: refusing at once changes nothing, so that an
 * outage leaves no half-done changes behind. */
int change_need_host(const struct sandboxes *sandboxes, struct error *err);

/* Ends the change: called with the mutex held; gives back mutex and one reference. */
void change_end(struct sandboxes *sandboxes, struct sandbox *sandbox);

/*
 * One transition: writes next and its event, then makes it the sandbox's record. Called by the busy
 * thread with the mutex held. JSON members of next that differ from the record's are new references,
 * which this takes in any case. source (or NULL) says who asked. On -1 nothing changed.
 */
int change_commit(struct sandboxes *sandboxes, struct sandbox *sandbox, struct sandbox_record *next,
                  enum sandbox_state state, const char *source, struct error *err);

/* As change_commit without a change of state, event type "updated". */
int change_commit_fields(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         struct sandbox_record *next, struct error *err);
/* The same for what nobody is told: no event. */
int change_commit_quietly(struct sandboxes *sandboxes, struct sandbox *sandbox,
                          struct sandbox_record *next, struct error *err);

/* Calls of the busy thread to atoll-host: each gives up the mutex meanwhile. */
int change_host_destroy(struct sandboxes *sandboxes, struct sandbox *sandbox, bool keep_disk,
                        struct error *err);
int change_host_freeze(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       enum host_state *ret_state, struct error *err);
int change_host_thaw(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err);
int change_host_snapshot(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         const char *snapshot_id, struct host_snapshot *ret_snapshot,
                         struct error *err);

/* What a sandbox is started on: a new disk, its kept one, or a copy of a snapshot, which takes the place of
 * the kept one. */
struct disk_source {
    bool keep;
    const char *snapshot_id, *digest; /* NULL: none */
    bool files_only;                  /* the snapshot's processes are left alone */
    bool memory;                      /* they go on, or nothing is started */
};

/* A snapshot's processes cannot go on here. -1 with ERR_NOT_RESTORABLE. */
int refuse_memory(const char *problem, struct error *err);

/* Starts it and waits until its agent answers; fills next's agent_socket, boot fields and, for new processes,
 * start_pending; sandbox->resumed says whether they are new. On -1 with
 * another code than ERR_HOST_UNAVAILABLE nothing of the attempt is left on the host (but the disk, when it
 * is kept). */
int change_host_create(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       struct sandbox_record *next, struct disk_source disk, struct error *err);

/* --- what timers and reconcile share with the API calls; mutex held, sandbox busy --- */

/* What the record of a paused one says of its processes: in memory (frozen), on disk (suspended), or gone. */
void paused_as(struct sandbox_record *next, enum host_state state);
int pause_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
               struct error *err);
int destroy_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
                 struct error *err);
/* Ends the processes and keeps the files: paused. */
int stop_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
              struct error *err);
/* To state error: the reason becomes last_error. files: a disk is kept for it on the host. */
int fail_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *reason, bool files,
              struct error *err);
/* Running or paused, and its processes are gone: applies what watch.c learned. */
void ended_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *reason);

/* --- read.c --- */

/* A record that only the store has; ERR_NOT_FOUND when it is not the tenant's. Clear it. */
int find_destroyed(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   struct sandbox_record *ret_record, struct error *err);

/* --- expiries.c --- */

void expiries_init(struct expiries *expiries);
/* Pauses or destroys what is due, in a thread of its own. Takes the reference. Timer thread only. */
void expiries_request(struct sandboxes *sandboxes, struct sandbox *sandbox);
/* Joins its threads, which may have something to end. */
void expiries_close(struct expiries *expiries);

/* --- timers.c --- */

int timers_start(struct sandboxes *sandboxes, struct error *err);
void timers_stop(struct sandboxes *sandboxes);
/* A deadline at that time (monotonic) came into being. */
void timers_note(struct sandboxes *sandboxes, int64_t deadline_ms);
/* When the sandbox is due, monotonic; INT64_MAX: never. Mutex held. *ret_source: "timeout" or
 * "idle_timeout". */
int64_t sandbox_deadline_ms(const struct sandbox *sandbox, const char **ret_source);
/* Milliseconds until timeout_sec is over, or -1 when no such clock runs. Mutex held. */
int64_t sandbox_timeout_remaining_ms(const struct sandbox *sandbox);

/* --- watch.c, claims.c, reconcile.c --- */

int watcher_start(struct sandboxes *sandboxes, struct error *err);
void watcher_stop(struct sandboxes *sandboxes);
void watch_request_reconcile(struct sandboxes *sandboxes);

/* Stores the replies that such requests would have had, or lets go of what they did not finish. *ret_again becomes
 * true when something could not be settled yet. */
void claims_settle(struct sandboxes *sandboxes, bool *ret_again);

/* Brings store and host together. *ret_again: something could not be settled yet. */
int reconcile(struct sandboxes *sandboxes, bool *ret_again, struct error *err);

/* --- object.c --- */

/* The API's object. sandbox NULL: of a record that is only in the store. Otherwise mutex held. */
json_t *sandbox_object(struct sandboxes *sandboxes, const struct sandbox_record *record,
                       const struct sandbox *sandbox);

/* A caller's metadata without the members that atoll itself adds to what it shows (last_error,
 * last_pause), which a client may send back. New reference. */
json_t *metadata_without_own(json_t *metadata);

#endif
