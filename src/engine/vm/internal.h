/*
 * The vm engine's own structures; for the files of this directory.
 *
 * A *machine* is QEMU with its supervisor in one slot. Everything that a machine is made of lies in one
 * directory, <vm>/sandboxes/<id> (a spare's: <vm>/pool/<index>), root only:
 *
 *   about        what it was made of (state.h)
 *   layers       names of the disk's layers, base first (layers.h); the files of that name beside it
 *   root.ext4    the template's file system, read-only
 *   memory.base  what its memory is a private copy of: the seed's, or an empty file of that size
 *   saved/       of a suspended one: memory, device
 *
 * All of these but the topmost layer are hard links to files that others may have, too, and that nobody
 * writes any more. A directory is made under another name and renamed: it is whole, or not there.
 */
#ifndef ATOLL_ENGINE_VM_INTERNAL_H
#define ATOLL_ENGINE_VM_INTERNAL_H

#include "engine/container/records.h"
#include "engine/engine.h"
#include "engine/slots.h"
#include "engine/vm/host_facts.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VM_PATH_SIZE = 320,
    VM_SLOTS = SLOTS_ALL - SLOTS_CONTAINER,
    VM_OVERHEAD_BYTES = 256 * 1024 * 1024, /* of QEMU itself, mostly translated code */
    VM_PREPARING_MAX = 2,                  /* machines that start at once: each takes a CPU */
    VM_START_MAX_MS = 90 * 1000, /* until a machine runs, booting under emulation included */
    VM_JOB_MAX_MS = 120 * 1000,
};

struct vm_job;

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
    int slot; /* SLOTS_CONTAINER … SLOTS_ALL - 1 */
    enum machine_state state;
    bool network;
    bool discard;   /* ENDING: its files go, too */
    bool removing;  /* ENDING: a job removes its directory */
    bool quit;      /* its end was asked for */
    pid_t qemu_pid; /* on the host; 0 until it is known */
    char cgroup[CGROUP_NAME_SIZE];
    char interface[SLOT_INTERFACE_SIZE];
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    char directory[VM_PATH_SIZE];
    struct record *record;
    struct event_source socket; /* to its launcher, until it runs */
    struct event_child process; /* the launcher, later the supervisor */
    struct event_timer timer;
    struct vm_pool *pool; /* whose spare it is */
    struct vm_seed *seed; /* which it makes */
    struct error error;
    struct engine_create plan;
    struct engine_call *call; /* the create in progress */
    bool resumed;
    char boot_path[ENGINE_BOOT_PATH_SIZE];
    int64_t started_us;  /* of the create */
    int64_t prepared_us; /* when its preparation began */
    struct vm_job *job;  /* SAVING */
    struct engine_call *end_calls;
};

/* A create that waits for its seed or a slot. */
struct vm_pending {
    struct engine_create plan;
    struct engine_call *call;
    int64_t started_us;
    bool waited; /* for its seed */
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
    struct host_facts facts; /* QEMU, kernel, CPU, accel */
    bool probing;            /* KVM is being tried; TCG until then */
    struct cgroup_host cgroups;
    char cgroup_top[CGROUP_NAME_SIZE];
    struct records *records;
    char vm_path[VM_PATH_SIZE]; /* STATE/vm */
    char sandboxes_path[VM_PATH_SIZE];
    char snapshots_path[VM_PATH_SIZE];
    char pool_path[VM_PATH_SIZE];  /* spares' directories */
    char trash_path[VM_PATH_SIZE]; /* directories that nobody needs any more */
    char run_path[VM_PATH_SIZE];   /* per slot: monitors' sockets, last words */
    char root_path[VM_PATH_SIZE];  /* what QEMU sees as / */
    char seeds_path[VM_PATH_SIZE];
    char images_path[VM_PATH_SIZE];
    char agent_path[VM_PATH_SIZE]; /* directory of the agents' sockets */
    struct machine *machines[VM_SLOTS];
    int next_slot;
    struct vm_pending *pending;
    struct vm_seed *seeds;
    struct vm_pool *pools;
    struct vm_job *jobs;
    struct event_timer retry;
    bool closing, closing_everything;
    struct engine_call *close_call;
};

/* machine.c: the life of a machine. */
struct machine *machine_new(struct engine *engine, bool network);
struct machine *machine_find(const struct engine *engine, const char *id);
bool machine_alive(const struct machine *machine); /* RUNNING or SAVING */
void machine_move(struct machine *machine, enum machine_state state);
/* Kills it; discard: its directory goes, too. Idempotent. */
void machine_end(struct machine *machine, bool discard);
void machine_on_exit(void *owner, int wait_status);
/* Where its monitor listens: connect with qmp_open. Another's connection must have been closed. */
char *machine_qmp_path(const struct machine *machine, char path[VM_PATH_SIZE]);

/* paths */
char *sandbox_directory(const struct engine *engine, const char *id, char path[VM_PATH_SIZE]);
char *snapshot_directory(const struct engine *engine, const char *snapshot_id,
                         char path[VM_PATH_SIZE]);
bool directory_exists(const char *path);
/* Moves a directory out of the way at once; the files go later. 0 (also when there is none) or -1 errno. */
int trash_directory(struct engine *engine, const char *path);
void trash_empty_soon(struct engine *engine);

static inline void call_done(struct engine_call *call, const struct error *error)
{
    call->on_done(call, error);
}

#endif
