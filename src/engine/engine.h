/*
 * The contract of an isolation engine: it makes one kind of sandbox and says honestly what it can do.
 *
 * Everything runs in the thread of the event loop and returns at once; a call that takes time
 * completes later through its struct engine_call, whose memory the caller keeps until on_done. A call
 * may complete before the function that started it returns.
 */
#ifndef ATOLL_ENGINE_ENGINE_H
#define ATOLL_ENGINE_ENGINE_H

#include "base/error.h"
#include "base/ids.h"
#include "base/settings.h"
#include "linux/event_loop.h"
#include "linux/resolvers.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct engine;

enum {
    ENGINE_TEMPLATE_SIZE = 65,
    ENGINE_HOSTNAME_SIZE = 64,
    ENGINE_SOCKET_PATH_SIZE = 108, /* sockaddr_un */
    ENGINE_REASON_SIZE = 200,
    ENGINE_BOOT_PATH_SIZE = 16,
    ENGINE_CONSOLE_SIZE = 2048,
    ENGINE_DIGEST_SIZE = 65, /* SHA-256 in hexadecimal digits */
};

enum engine_network { ENGINE_NETWORK_NONE, ENGINE_NETWORK_EGRESS };

enum engine_state {
    ENGINE_STATE_RUNNING,
    ENGINE_STATE_FROZEN,
    ENGINE_STATE_STOPPED,
    ENGINE_STATE_SUSPENDED, /* stopped, with its processes on disk */
};

/* What sandboxes that are made ahead are alike in. */
struct engine_shape {
    char template_image[ENGINE_TEMPLATE_SIZE];
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t process_limit;
    enum engine_network network;
};

struct engine_pool {
    struct engine_shape shape;
    int64_t wanted, ready, preparing;
    int64_t hits, misses;        /* creates that claimed one; that found none */
    int64_t refills, refill_us;  /* made ready so far; the time that all of these took */
    char problem[ENGINE_REASON_SIZE]; /* why the last refill failed, or "" */
};

/* A complete, validated plan of a sandbox. */
struct engine_create {
    char id[ID_SIZE];
    char template_image[ENGINE_TEMPLATE_SIZE];
    char hostname[ENGINE_HOSTNAME_SIZE];
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t process_limit;
    enum engine_network network;
    /* Continue what destroy(keep_disk) or a freeze to SUSPENDED left; saved memory that cannot be used here any
     * more is given up, then it starts anew on its files. */
    bool keep_disk;
    /* "": none. The disk is a copy of that snapshot; with keep_disk it replaces the one that was left. */
    char snapshot_id[ID_SIZE];
    char snapshot_digest[ENGINE_DIGEST_SIZE]; /* "": the one it was made with */
    bool files_only; /* the snapshot's memory is left alone: new processes on its files, in any shape */
};

/* A complete, validated plan of a snapshot. */
struct engine_snapshot {
    char id[ID_SIZE]; /* the sandbox's */
    char snapshot_id[ID_SIZE];
    char template_image[ENGINE_TEMPLATE_SIZE];
};

struct engine_created {
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    char boot_path[ENGINE_BOOT_PATH_SIZE];
    int64_t boot_us;
    bool resumed; /* its processes are those that were saved */
};

struct engine_saved {
    int64_t disk_bytes;
    int64_t stored_bytes;
    int64_t memory_bytes; /* of stored_bytes; 0: files only */
    int64_t pause_us; /* how long the source's processes stood still */
    char digest[ENGINE_DIGEST_SIZE];
};

struct engine_usage {
    int64_t cpu_us;
    int64_t memory_bytes;
    int64_t memory_peak_bytes;
    int64_t process_count;
    int64_t oom_kills;
    int64_t disk_used_bytes;
    int64_t net_rx_bytes;
    int64_t net_tx_bytes;
};

struct engine_sandbox {
    char id[ID_SIZE];
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    enum engine_state state;
    int64_t oom_kills;
};

struct engine_ended {
    char id[ID_SIZE];
    char reason[ENGINE_REASON_SIZE];
    char console[ENGINE_CONSOLE_SIZE]; /* its last lines, printable ASCII and newlines, or "" */
    int64_t oom_kills;
};

/* One asynchronous call. error is NULL on success; the call is free for reuse when on_done begins. */
struct engine_call {
    void (*on_done)(struct engine_call *call, const struct error *error);
    void *owner;
    struct engine_created created; /* result of create */
    struct engine_saved saved;     /* result of snapshot */
    enum engine_state state;       /* result of freeze: FROZEN or SUSPENDED */
    char memory_problem[ENGINE_REASON_SIZE]; /* result of snapshot_check: why memory is not usable, or "" */
    struct engine_call *next;      /* the engine's */
};

/* What the instance gives its engine; all of it outlives the engine. */
struct engine_context {
    const struct settings *settings;
    struct event_loop *loop;
    int instance;                 /* N: unique on the machine */
    uid_t user_id;                /* of atolld: owns the way to the agents' sockets */
    gid_t group_id;
    struct resolvers resolvers;
    char network_problem[ENGINE_REASON_SIZE]; /* why there is no egress, or "" */
    /* A sandbox ended by itself. Its files are kept until destroy. */
    void (*on_ended)(void *owner, const struct engine_ended *ended);
    void *owner;
};

struct engine_probe {
    const char *name;      /* "container" */
    const char *isolation; /* a sentence */
    const char *cgroup_mode;
    char problem[ENGINE_REASON_SIZE]; /* why it cannot run here, or "" */
    const char *accel;                /* "kvm", "tcg", "none": no virtual machine */
    bool memory_snapshots;            /* snapshots and pauses keep memory */
    char memory_problem[ENGINE_REASON_SIZE]; /* why not, or "" */
};

struct engine_operations {
    const char *name; /* "container" */

    /* Finds out what the host can do and sets the engine up; nothing runs yet. A host that lacks
     * something needed still gives an engine, whose probe and create say so. NULL with err. */
    struct engine *(*open)(const struct engine_context *context, struct error *err);

    void (*probe)(const struct engine *engine, struct engine_probe *ret_probe);

    /* Takes over what outlived an earlier process, undoes what it left half made, and starts to
     * prepare spares. */
    int (*adopt)(struct engine *engine, struct error *err);

    /* The sandbox runs, or nothing of it is left but the disk that was kept. ERR_CONFLICT: the id exists.
     * ERR_NOT_RESTORABLE: its snapshot is missing or damaged, or its template's image is not here. */
    void (*create)(struct engine *engine, const struct engine_create *plan,
                   struct engine_call *call);

    /* Ends the sandbox; without keep_disk its files, too. Succeeds on an unknown id. */
    void (*destroy)(struct engine *engine, const char *id, bool keep_disk,
                    struct engine_call *call);

    /* Does the engine have anything of that sandbox, that snapshot? Fast. */
    bool (*has)(const struct engine *engine, const char *id);
    bool (*snapshot_has)(const struct engine *engine, const char *snapshot_id);

    /* Writes the files to disk and stops every process; where the engine can, saves them to disk (SUSPENDED:
     * create with keep_disk brings them back) / lets frozen ones run on. Idempotent. */
    void (*freeze)(struct engine *engine, const char *id, struct engine_call *call);
    void (*thaw)(struct engine *engine, const char *id, struct engine_call *call);

    /* Keeps wanted sandboxes of that shape ready; 0 removes them. 0, or -1 with err: ERR_CAPACITY. NULL where the
     * engine has no pools. */
    int (*pool_set)(struct engine *engine, const struct engine_shape *shape, int64_t wanted,
                    struct error *err);
    /* *ret_pools is the caller's to free(). */
    int (*pool_status)(struct engine *engine, struct engine_pool **ret_pools, size_t *ret_count,
                       struct error *err);

    /* Saves the state of a running, frozen or stopped sandbox, which goes on as it was, whatever comes of
     * it. What is saved besides files is the engine's. It is whole and durable, or nothing of it is left.
     * ERR_CONFLICT: the snapshot exists, or the sandbox is changing its state. */
    void (*snapshot)(struct engine *engine, const struct engine_snapshot *plan,
                     struct engine_call *call);

    /* Succeeds on an unknown one. */
    void (*snapshot_remove)(struct engine *engine, const char *snapshot_id,
                            struct engine_call *call);

    /* Is it whole, and what it was when it had that digest ("": not asked)? ERR_NOT_RESTORABLE. What a create of that
     * template would check, without its effects. */
    void (*snapshot_check)(struct engine *engine, const char *snapshot_id, const char *digest,
                           const char *template_image, struct engine_call *call);

    /* The ids of all snapshots, in order. *ret_ids is the caller's to free(). */
    int (*snapshot_list)(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                         struct error *err);

    /* Makes count TCP sockets inside the sandbox's network; address gets where a server inside is
     * reached from them. The descriptors are the caller's. ERR_NOT_RUNNING. */
    int (*sockets)(struct engine *engine, const char *id, int family, int count, int *ret_fds,
                   char address[46], struct error *err);

    int (*usage)(struct engine *engine, const char *id, struct engine_usage *ret_usage,
                 struct error *err);

    /* All sandboxes in the order of their ids, kept disks as stopped. *ret_list is the caller's to
     * free(). */
    int (*list)(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
                struct error *err);

    /* Removes the spares (and, with everything, all sandboxes, keeping their files), then calls
     * on_done. Calls that wait get ERR_SHUTTING_DOWN. */
    void (*close)(struct engine *engine, bool everything, struct engine_call *call);

    /* After close. Accepts NULL. */
    void (*free)(struct engine *engine);
};

extern const struct engine_operations container_engine;
extern const struct engine_operations vm_engine;

/* The IPv4 range of an instance's sandboxes, "100.64.0.0/20". */
char *engine_network_of(int instance, char text[32]);

#endif
