/* The API daemon's side of the host protocol: typed calls to atoll-host. Any thread; calls run side by
 * side, each on a connection of its own from a small pool, reconnecting when atoll-host came back. */
#ifndef ATOLL_HOSTCLIENT_HOSTCLIENT_H
#define ATOLL_HOSTCLIENT_HOSTCLIENT_H

#include "base/error.h"
#include "wire/host_protocol.h"

#include <stdbool.h>
#include <stdint.h>

struct hostclient;

/* Longest path of an agent's socket, with its NUL (sockaddr_un). */
enum { HOST_SOCKET_PATH_SIZE = 108 };

/* The host's engines; a name is "container" or "vm". */
enum { HOST_ENGINES_MAX = 4 };

struct host_engine {
    char name[16];
    char isolation[160];
    char accel[16];    /* "kvm", "tcg" (emulation), "none" */
    char problem[200]; /* "" when usable */
    bool memory_snapshots;
    char memory_problem[200]; /* why there are none, or "" */
};

struct host_info {
    char version[32];
    char cgroup_mode[16];
    char network_problem[200]; /* "" when sandboxes can have egress */
    int64_t cpu_count;
    struct host_engine engines[HOST_ENGINES_MAX];
    size_t engine_count;
};

/* What pooled sandboxes are alike in; the same members as in host_create. */
struct host_shape {
    char engine[16];
    char template_image[65];
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t process_limit;
    enum host_network network;
};

struct host_pool {
    struct host_shape shape;
    int64_t wanted, ready, preparing;
    int64_t hits, misses;
    int64_t refills, refill_us; /* made ready so far, and how long these took together */
    char problem[200];          /* why the last refill failed, or "" */
};

struct host_create {
    const char *id;
    const char *engine;
    const char *template_image;
    const char *hostname;
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t process_limit;
    enum host_network network;
    bool keep_disk; /* start from the disk that host_destroy(keep_disk) left */
    /* NULL: none. The disk becomes a copy of that snapshot, which must have that digest (NULL: the one that
     * it was made with), disk_bytes and template_image. With keep_disk it takes the place of the kept disk,
     * which stays as it is when that fails; without, the sandbox is a fork with an identity of its own. */
    const char *snapshot;
    const char *snapshot_digest;
    bool files_only; /* the snapshot's memory is left alone: new processes, in any shape */
};

struct host_created {
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    char boot_path[16];
    char accel[16];
    int64_t boot_us;
    bool resumed; /* its processes are those that were saved, not new ones */
};

/* What was saved. Saved files are in STATE/snapshots/<snapshot id>/disk.img; nothing but atoll-host reads
 * them. */
struct host_snapshot {
    int64_t disk_bytes;   /* the size of the disk, as in host_create */
    int64_t stored_bytes; /* what it takes on the host's disk */
    int64_t memory_bytes; /* of these; 0: its processes are not in it */
    int64_t pause_us;     /* how long the source's processes stood still; 0: none ran */
    char digest[65];      /* SHA-256, hexadecimal digits */
};

struct host_snapshot_id {
    char id[32];
};

struct host_usage {
    int64_t cpu_us;
    int64_t memory_bytes;
    int64_t memory_peak_bytes;
    int64_t process_count;
    int64_t oom_kills;
    int64_t disk_used_bytes;
    int64_t net_rx_bytes;
    int64_t net_tx_bytes;
};

struct host_sandbox {
    char id[32];
    char engine[16];
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    enum host_state state;
    int64_t oom_kills;
};

struct host_ended {
    char id[32];
    char reason[200];
    char console[2048]; /* a machine's last lines, or "" */
    int64_t oom_kills;
};

/* socket_path is copied. Connects lazily. NULL on ENOMEM. */
struct hostclient *hostclient_new(const char *socket_path);

/* Closes the pool; no call may be in flight. Accepts NULL; returns NULL. */
struct hostclient *hostclient_free(struct hostclient *client);

/* Each returns 0, or -1 with the error that atoll-host gave, ERR_HOST_UNAVAILABLE when it cannot be
 * reached. A call that was sent and lost its connection is not repeated: the caller reconciles. */
int host_hello(struct hostclient *client, struct host_info *ret_info, struct error *err);
int host_create(struct hostclient *client, const struct host_create *request,
                struct host_created *ret_created, struct error *err);
int host_destroy(struct hostclient *client, const char *id, bool keep_disk, struct error *err);
/* *ret_state: HOST_STATE_FROZEN, or HOST_STATE_SUSPENDED when host_create(keep_disk) is to bring it back. */
int host_freeze(struct hostclient *client, const char *id, enum host_state *ret_state,
                struct error *err);
int host_thaw(struct hostclient *client, const char *id, struct error *err);
int host_usage(struct hostclient *client, const char *id, struct host_usage *ret_usage,
               struct error *err);

/* Saves the files of a running, frozen or stopped sandbox, which goes on as it was, also after every
 * failure. template_image: what the sandbox was created with. The snapshot is on the host's disk, or there is
 * none. Takes time in proportion to the files. ERR_CONFLICT: snapshot_id exists, or the sandbox is changing its
 * state; ERR_CAPACITY: no room; ERR_NOT_FOUND: no such sandbox. */
int host_snapshot(struct hostclient *client, const char *id, const char *snapshot_id,
                  const char *template_image, struct host_snapshot *ret_snapshot,
                  struct error *err);

/* Could host_create start from it, with that digest (NULL: the one that it was made with) and template? 0, or -1 with ERR_NOT_RESTORABLE and the reason.
 * memory_problem: why its processes could not be brought back here, or "" (also when it has none). */
int host_snapshot_check(struct hostclient *client, const char *snapshot_id, const char *digest,
                        const char *template_image, char memory_problem[200], struct error *err);

/* Keeps wanted sandboxes of that shape ready for host_create; 0: none. atoll-host forgets it when it ends. */
int host_pool(struct hostclient *client, const struct host_shape *shape, int64_t wanted,
              struct error *err);
/* *ret_pools is the caller's to free(). */
int host_pool_status(struct hostclient *client, struct host_pool **ret_pools, size_t *ret_count,
                     struct error *err);

/* Succeeds on an unknown snapshot. Sandboxes made from it are not affected. */
int host_snapshot_remove(struct hostclient *client, const char *snapshot_id, struct error *err);

/* All snapshots that atoll-host has, in order of their ids. *ret_ids is the caller's to free(). */
int host_snapshot_list(struct hostclient *client, struct host_snapshot_id **ret_ids,
                       size_t *ret_count, struct error *err);

/* Makes count (≤ HOST_SOCKETS_MAX) TCP sockets inside the running sandbox's network: non-blocking, close-on-exec,
 * not connected, the caller's. family: AF_INET or AF_INET6. address[46] gets where a server inside is to be
 * reached, one that listens on the sandbox's loopback included. An open socket keeps the sandbox's network
 * alive: do not hoard them. ERR_NOT_RUNNING, ERR_HOST_UNSUPPORTED (no IPv6). */
int host_sockets(struct hostclient *client, const char *id, int family, int count, int *ret_fds,
                 char address[46], struct error *err);

/* All sandboxes that atoll-host knows. *ret_sandboxes is the caller's to free(). */
int host_list(struct hostclient *client, struct host_sandbox **ret_sandboxes, size_t *ret_count,
              struct error *err);

/* Opens a watch connection; *ret_fd is the caller's (poll it, then host_watch_next). */
int host_watch(struct hostclient *client, int *ret_fd, struct error *err);

/* Receives one event from a watch descriptor. Returns 1, or -1 when the connection is over. */
int host_watch_next(int fd, struct host_ended *ret_ended);

#endif
