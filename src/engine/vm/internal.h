/*
 * The vm engine's own structures; for the files of this directory.
 *
 * A *machine* is QEMU with its supervisor in one slot. Everything that a machine is made of lies in one
 * directory, <vm>/sandboxes/<id> (a spare's: <vm>/pool/<index>), root only:
 *
 *   about        what it was made of (about.h)
 *   layers       names of the disk's layers, base first (layers.h); the files of that name beside it
 *   memory.base  what its memory is a private copy of: the seed's, or an empty file of that size
 *   saved/       of a suspended one: memory, device
 *
 * All of these but the topmost layer are hard links to files that others may have, too, and that nobody
 * writes any more. A directory is made under another name and renamed: it is whole, or not there.
 */
#ifndef ATOLL_ENGINE_VM_INTERNAL_H
#define ATOLL_ENGINE_VM_INTERNAL_H

#include "engine/engine.h"
#include "engine/records.h"
#include "engine/slots.h"
#include "engine/syscall_filter.h"
#include "engine/vm/about.h"
#include "engine/vm/host_facts.h"
#include "engine/warm_budget.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VM_PATH_SIZE = 320,
    VM_OVERHEAD_BYTES = 256 * 1024 * 1024, /* of QEMU itself, mostly translated code */
    VM_PROCESSES_MAX = 256,                /* QEMU's threads, mostly for its disks */
    VM_PREPARING_MAX = 2,                  /* machines that start at once: each takes a CPU */
    VM_START_MAX_MS = 90 * 1000,     /* until a machine runs, booting under emulation included */
    VM_SEED_BOOT_MAX_MS = 60 * 1000, /* until the agent of a guest that boots answers */
    VM_JOB_MAX_MS = 120 * 1000,
};

#define VM_KVM_CPU "host,migratable=off"

struct vm_job;
struct vm_known;

/* What a launcher is to start. */
enum launch_kind {
    LAUNCH_SEED,     /* a guest that boots once and becomes a seed */
    LAUNCH_NEW,      /* a new sandbox, from its seed */
    LAUNCH_KEPT,     /* what a stop or a suspend left in the sandbox's directory */
    LAUNCH_SNAPSHOT, /* from a snapshot: a fork, or in place of what the directory has */
};

enum machine_state {
    MACHINE_PREPARING, /* its launcher makes it */
    MACHINE_PARKED,    /* a spare, or about to be a create's: its guest stands still */
    MACHINE_STARTING,  /* its launcher gives it an identity */
    MACHINE_RUNNING,
    MACHINE_SAVING, /* a job works on it, after which it runs on or ends */
    MACHINE_ENDING, /* killed; its processes are still ending */
    MACHINE_STATE_COUNT,
};

struct machine {
    struct engine *engine;
    int slot; /* SLOTS_VM_FIRST … SLOTS_ALL - 1 */
    enum machine_state state;
    enum launch_kind kind;
    struct vm_shape shape;        /* as this host makes it now */
    char key[ENGINE_DIGEST_SIZE]; /* of the shape */
    bool network;
    bool discard;   /* ENDING: its files go, too */
    bool asked;     /* its end was asked for: nobody is told that it ended */
    bool released;  /* ENDING: nothing of it lives; its id is free */
    bool deleting;  /* ENDING: its interface is being deleted */
    bool installed; /* its directory is the sandbox's */
    pid_t qemu_pid; /* on the host; 0 until it is known */
    char cgroup[CGROUP_NAME_SIZE];
    char interface[SLOT_INTERFACE_SIZE];
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    char directory[VM_PATH_SIZE];      /* a spare's, or the sandbox's */
    char seed_directory[VM_PATH_SIZE]; /* NEW: where from; SEED: what is made */
    struct record *record;
    struct event_source socket; /* to its launcher, until it runs */
    struct event_child process; /* the launcher, later the supervisor */
    struct event_timer timer;
    struct vm_pool *pool;      /* whose spare it is, or NULL */
    struct vm_seed *seed;      /* which it makes, or NULL */
    struct error error;        /* why it did not start */
    struct engine_create plan; /* id "": nobody's yet */
    struct engine_call *call;  /* the create in progress */
    bool resumed;
    bool cold;                     /* the create waited for a guest that booted */
    int64_t started_us;            /* of the create */
    int64_t prepared_us;           /* when its preparation began */
    int64_t parked_us;             /* when it was ready; 0: not yet */
    int64_t since_ms;              /* when the state that polls began */
    struct engine_call *end_calls; /* destroys that wait for the end */
};

/* A guest that boots to become a seed. Those that exist are only files. */
struct vm_seed {
    struct vm_shape shape;
    char key[ENGINE_DIGEST_SIZE];
    int attempts;
    struct machine *machine;
    struct vm_seed *next;
};

/* A create that waits for its seed, or (key "") for the end of what has its id. */
struct vm_pending {
    struct engine_create plan;
    struct engine_call *call;
    struct vm_shape shape;
    char key[ENGINE_DIGEST_SIZE]; /* of the seed */
    int64_t started_us;
    struct vm_pending *next;
};

struct vm_pool {
    struct engine_pool status;
    int64_t retry_ms; /* not before */
    struct vm_pool *next;
};

struct engine {
    struct engine_context context;
    char problem[ENGINE_REASON_SIZE];
    struct host_facts facts;
    struct cgroup_host cgroups;
    char cgroup_top[CGROUP_NAME_SIZE];
    struct records *records;
    struct seccomp_filter filter; /* of supervisors */
    char vm_path[VM_PATH_SIZE];   /* STATE/vm */
    char sandboxes_path[VM_PATH_SIZE];
    char snapshots_path[VM_PATH_SIZE];
    char pool_path[VM_PATH_SIZE];  /* directories of machines that are nobody's yet */
    char trash_path[VM_PATH_SIZE]; /* directories that nobody needs any more */
    char empty_path[VM_PATH_SIZE]; /* supervisors' root */
    char run_path[VM_PATH_SIZE];   /* per slot: its monitor's socket, its last words */
    char root_path[VM_PATH_SIZE];  /* what QEMU sees as / */
    char seeds_path[VM_PATH_SIZE];
    char images_path[VM_PATH_SIZE];
    char agent_path[VM_PATH_SIZE]; /* directory of the agents' sockets */
    struct machine *machines[SLOTS_VM];
    int next_slot;
    struct vm_pending *pending;
    struct vm_seed *seeds;
    struct vm_pool *pools;
    struct warm_pace pace; /* of refills */
    struct vm_job *jobs;
    struct vm_known *known;  /* files whose digests were found right */
    struct event_timer look; /* at the pools */
    struct event_child trash_helper;
    bool trash_waits; /* more came while the helper ran */
    bool closing, closing_everything;
    struct engine_call *close_call;
};

/* machine.c, machine_start.c: the life of a machine. */
struct machine *machine_new(struct engine *engine, enum launch_kind kind,
                            const struct vm_shape *shape, bool network, struct error *err);
struct machine *machine_find(const struct engine *engine, const char *id);
bool machine_alive(const struct machine *machine); /* RUNNING or SAVING */
void machine_move(struct machine *machine, enum machine_state state);
/* For adoption: an empty one in that slot; what follows from its record. */
struct machine *machine_at(struct engine *engine, int index);
void machine_names(struct machine *machine);
/* Forks its launcher. -1 with err: then it is to be ended. */
int machine_launch(struct machine *machine, struct error *err);
/* Hands a parked one to the create in machine->call. */
void machine_claim(struct machine *machine);
/* Its start failed with machine->error. */
void machine_fail(struct machine *machine);
/* Kills it; discard: its directory goes, too. Idempotent. */
void machine_end(struct machine *machine, bool discard);
/* A job ended QEMU: its end is not reported. call (may be NULL) is answered when its slot is clean. */
void machine_suspended(struct machine *machine, struct engine_call *call);
void machine_on_exit(void *owner, int wait_status);
/* Where its monitor listens, for qmp_open: one connection at a time. */
char *machine_qmp_path(const struct machine *machine, char path[ENGINE_SOCKET_PATH_SIZE]);
char *machine_words_path(const struct machine *machine, char path[VM_PATH_SIZE]);

/* clean.c: when its supervisor is gone, answers who waits and gives the slot back. */
void machine_clean(struct machine *machine);

/* words.c: why it ended, and its last console lines. */
void machine_describe_end(const struct machine *machine, int wait_status,
                          struct engine_ended *ended);

/* create.c */
void vm_create(struct engine *engine, const struct engine_create *plan, struct engine_call *call);
void vm_pending_finish(struct engine *engine, struct vm_pending *pending,
                       const struct error *error);
struct vm_pending *vm_pending_find(const struct engine *engine, const char *id);
/* What had that id is gone: a create that waited for it goes on. */
void vm_create_on_released(struct engine *engine, const char *id);
/* A seed was made or could not be: those that wait for it go on. */
void vm_create_on_seed(struct engine *engine, const char *key, const struct error *error);

/* seed.c */
char *seed_directory(const struct engine *engine, const char *key, char path[VM_PATH_SIZE]);
bool seed_exists(const struct engine *engine, const char *key);
/* Begins to make it, if nobody does. */
int seed_make(struct engine *engine, const struct vm_shape *shape, struct error *err);
/* error: NULL when it is there. */
void seed_done(struct engine *engine, struct vm_seed *seed, const struct error *error);
void seeds_free(struct engine *engine);
/* Unfinished ones, and, if the directory is this instance's own, those that nothing here would start from any more. */
void seeds_remove_old(struct engine *engine);

/* pool.c */
int vm_pool_set(struct engine *engine, const struct engine_shape *shape, int64_t wanted,
                struct error *err);
int vm_pool_status(struct engine *engine, struct engine_pool **ret_pools, size_t *ret_count,
                   struct error *err);
/* A ready machine for that plan, or NULL; counts a hit or a miss. */
struct machine *vm_pool_take(struct engine *engine, const struct engine_create *plan,
                             const char *key);
/* A create begins: refills wait for a moment. */
void vm_pool_expect_create(struct engine *engine);
void vm_pool_update(struct engine *engine);
void vm_pool_on_parked(struct machine *machine);
void vm_pool_on_failed(struct vm_pool *pool, const struct error *error);
void vm_pools_free(struct engine *engine);

/* facts.c: finds out what the host has; what a machine of that shape is, here and now. */
int facts_find(struct engine *engine, struct error *err);
void facts_set_accel(struct engine *engine, bool kvm);
int vm_shape_now(const struct engine *engine, const char *template_image, int64_t cpu_count,
                 int64_t memory_bytes, int64_t disk_bytes, struct vm_shape *ret_shape,
                 struct error *err);

/* probe.c: does KVM run guests here? Asks in the background when it is not known. */
void probe_start(struct engine *engine);

/* destroy.c, usage.c, sockets.c, adopt.c */
void vm_destroy(struct engine *engine, const char *id, bool keep_disk, struct engine_call *call);
int vm_usage(struct engine *engine, const char *id, struct engine_usage *ret_usage,
             struct error *err);
int vm_list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
            struct error *err);
int vm_sockets(struct engine *engine, const char *id, int family, int count, int *ret_fds,
               char address[46], struct error *err);
int vm_adopt(struct engine *engine, struct error *err);
int64_t machine_oom_kills(const struct machine *machine);

/* Saved state: snapshots and suspension. */
void vm_snapshot(struct engine *engine, const struct engine_snapshot *plan,
                 struct engine_call *call);
void vm_snapshot_remove(struct engine *engine, const char *snapshot_id, struct engine_call *call);
void vm_snapshot_check(struct engine *engine, const char *snapshot_id, const char *digest,
                       const char *template_image, struct engine_call *call);
int vm_snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                     struct error *err);
bool vm_snapshot_has(const struct engine *engine, const char *snapshot_id);
void vm_freeze(struct engine *engine, const char *id, struct engine_call *call);
void vm_thaw(struct engine *engine, const char *id, struct engine_call *call);

/* paths.c */
char *sandbox_directory(const struct engine *engine, const char *id, char path[VM_PATH_SIZE]);
char *snapshot_directory(const struct engine *engine, const char *snapshot_id,
                         char path[VM_PATH_SIZE]);
bool directory_exists(const char *path);
/* Makes the engine's directories. */
int paths_make(struct engine *engine, struct error *err);
/* Moves a directory out of the way at once; its files go later. 0 (also when there is none) or -1 errno. */
int trash_directory(struct engine *engine, const char *path);
/* Removes what is in the trash: in a helper; at once. */
void vm_trash_collect(struct engine *engine);
void vm_trash_empty(const struct engine *engine);

/* job.c: the machine ends: done will find it NULL. */
void vm_jobs_lose_machine(const struct machine *machine);
bool vm_job_works_on(const struct engine *engine, const char *id);

/* vm.c: a slot or a job is gone; the engine may now be closed. */
void vm_check_closed(struct engine *engine);

static inline void call_done(struct engine_call *call, const struct error *error)
{
    call->on_done(call, error);
}

#endif
