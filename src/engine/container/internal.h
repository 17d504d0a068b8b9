/* The container engine's own structures; for the files of this directory. */
#ifndef ATOLL_ENGINE_CONTAINER_INTERNAL_H
#define ATOLL_ENGINE_CONTAINER_INTERNAL_H

#include "engine/container/agent_call.h"
#include "engine/container/plan.h"
#include "engine/engine.h"
#include "engine/records.h"
#include "engine/slots.h"
#include "engine/syscall_filter.h"
#include "engine/warm_budget.h"
#include "linux/cgroup.h"
#include "linux/event_loop.h"

#include <sys/stat.h>

enum {
    CONTAINER_PATH_SIZE = 320,
    SLOT_COUNT = SLOTS_CONTAINER,
    /* Preparations at once: they mostly wait for the kernel, but must leave it to running work. */
    PREPARING_MAX = 6,
    /* A parked or starting process that says nothing for so long is taken for stuck. */
    SLOT_SILENCE_MAX_MS = 30 * 1000,
    KNOWN_IMAGES_MAX = 64,
};

/* The life of a slot; see slot_move for the allowed transitions. */
enum slot_state {
    SLOT_PREPARING, /* namespaces, cgroup, disk are being made */
    SLOT_PARKED,    /* spare: its process waits for a plan */
    SLOT_STARTING,  /* its process carries out a plan */
    SLOT_WARMING,   /* the same, for nobody yet: see warm.h */
    SLOT_WARM,      /* its agent runs and waits to be claimed */
    SLOT_CLAIMING,  /* its agent is told whose it is */
    SLOT_RUNNING,
    SLOT_FREEZING,
    SLOT_FROZEN,
    SLOT_SNAPSHOTTING, /* its files are being copied; afterwards it is what it was before */
    SLOT_ENDING,       /* killed; its processes are still ending */
    SLOT_CLEANING,     /* no process is left; cgroups and interface are going */
    SLOT_STATE_COUNT,
};

/* A template's root directory as it is now; a rebuilt one is another. inode 0: none. */
struct template_root {
    char image[ENGINE_TEMPLATE_SIZE];
    ino_t inode;
};

/* An image that was read and had the digest that it should have. */
struct known_image {
    struct stat file;
    char digest[ENGINE_DIGEST_SIZE];
};

/* A copy of a snapshot's files that becomes a sandbox's disk. */
struct pending_snapshot {
    bool wanted;
    bool known;   /* its digest need not be computed again */
    int image_fd; /* the snapshot's */
    int copy_fd;  /* disks/<id>.tmp; -1 once it has become the disk */
    char digest[ENGINE_DIGEST_SIZE];
    struct snapshot_report *report;
};

/* A create that waits for a slot or for its disk. */
struct pending_create {
    struct engine_create plan;
    struct engine_call *call;
    int64_t started_us;
    bool disk_ready; /* disks/<id>.img exists and can be mounted */
    struct template_root root;
    struct engine *engine;
    struct event_child helper;      /* makes the disk */
    struct pending_snapshot source; /* when it is made from a snapshot */
    struct pending_create *next;
};

/* Sandboxes of one shape that are kept ready; wanted 0: none any more. */
struct warm_pool {
    struct engine_shape shape;
    int64_t wanted;
    int64_t hits, misses;
    int64_t refills, refill_us;
    int64_t retry_ms; /* not before */
    char problem[ENGINE_REASON_SIZE];
};

struct slot {
    struct engine *engine;
    int index;
    enum slot_state state;
    bool network;
    char cgroup[CGROUP_NAME_SIZE];
    char interface[SLOT_INTERFACE_SIZE];
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    struct record *record;
    struct template_root root;  /* whose tree is mounted ahead */
    int64_t disk_bytes;         /* of the disk made ahead */
    struct event_source socket; /* to its parked process, until the agent runs */
    struct event_child process; /* the parked process, later the agent */
    struct event_timer timer;   /* by state: silence, freeze poll, clean-up poll */
    int disk_fd;                /* of the disk's file system, to shut it down; -1 after adoption */
    struct error error;         /* why preparing or starting failed */
    bool executing;
    bool written_back;       /* CLEANING: the write-back of a stop has begun */
    bool disk_released;      /* CLEANING: its image may be used again */
    int64_t since_ms;        /* when the state that polls began */
    struct warm_pool *pool;  /* it is made for, until it is claimed; or NULL */
    struct agent_call agent; /* WARMING: its first command; then the connection for the claim */
    struct engine_create plan;
    struct engine_call *call; /* create, freeze or thaw in progress */
    int64_t started_us;
    struct event_child helper;     /* writes the disk back after a freeze, or closes it */
    struct engine_call *end_calls; /* destroys that wait for the end */
};

struct engine {
    struct engine_context context;
    char problem[ENGINE_REASON_SIZE];
    struct cgroup_host cgroups;
    char cgroup_top[CGROUP_NAME_SIZE];
    struct records *records;
    char images_path[CONTAINER_PATH_SIZE];
    char disks_path[CONTAINER_PATH_SIZE];
    char snapshots_path[CONTAINER_PATH_SIZE];
    char agent_path[CONTAINER_PATH_SIZE]; /* directory of the agents' sockets */
    char stage_path[CONTAINER_PATH_SIZE]; /* empty directory to mount on */
    int agent_fd;                         /* sealed copy of the agent's binary */
    struct cgroup_limits spare_limits;
    /* What the last sandbox was made of: the next one is likely to be alike. */
    struct template_root spare_root;
    int64_t spare_disk_bytes;
    struct seccomp_filter filter;
    struct slot *slots[SLOT_COUNT];
    int next_index;
    struct pending_create *pending;
    struct pending_create
        *cancelled; /* answered; their helpers have been killed, but not ended yet */
    struct snapshot_job *snapshots; /* in the making */
    struct snapshot_check *checks;  /* of snapshots, under way */
    struct known_image known_images[KNOWN_IMAGES_MAX];
    int next_known_image;
    struct event_timer refill;
    struct warm_pool pools[WARM_POOLS_MAX];
    size_t next_pool;
    struct event_timer warm_timer;
    struct warm_pace warm_pace; /* of refills */
    struct event_timer trash_timer;
    struct event_child trash_helper;
    bool trash_waits; /* more came while the helper ran */
    bool closing, closing_everything;
    struct engine_call *close_call;
};

/* slot.c: a slot from preparation to the end of its processes. */
struct slot *slot_find(const struct engine *engine, const char *id);
struct slot *slot_new(struct engine *engine, int index, bool network);
void slot_move(struct slot *slot, enum slot_state state);
int slot_prepare(struct slot *slot, const struct template_root *root, int64_t disk_bytes,
                 struct error *err);
void slot_start(struct slot *slot, struct pending_create *pending);
/* The steps of a start that warm_slot.c shares. */
void slot_record_creating(struct slot *slot, bool keep_disk);
int slot_set_limits(const struct slot *slot, struct error *err);
int slot_send_plan(struct slot *slot, enum disk_source disk, bool root_ready, struct error *err);
void slot_run(struct slot *slot, const char *boot_path);
/* The address that its host name has in its /etc/hosts. */
char *slot_hosts_address(const struct slot *slot, char text[INET_ADDRSTRLEN]);
/* Does its sandbox exist, running or not for the moment? */
bool slot_alive(const struct slot *slot);

bool template_root_equal(const struct template_root *a, const struct template_root *b);

/* pool.c: keeps spares, hands them to creates. */
void pool_serve(struct engine *engine);       /* hands parked slots to waiting creates */
void pool_update(struct engine *engine);      /* the same, and prepares what is missing */
void pool_update_soon(struct engine *engine); /* the same, from the event loop */
/* Longest unused first: what the kernel still cleans up of a slot must be gone when it comes again.
 * -1: none. */
int pool_free_index(struct engine *engine);
void pool_slot_failed(struct engine *engine, bool network, const struct error *error);

/* create.c */
/* -1 with err when the image is not built. */
int template_find(const struct engine *engine, const char *image, struct template_root *ret_root,
                  struct error *err);
void container_create(struct engine *engine, const struct engine_create *plan,
                      struct engine_call *call);
/* Starts to make or check disks/<id>.img for it. */
int pending_prepare_disk(struct pending_create *pending, struct error *err);
void pending_finish(struct pending_create *pending, const struct error *error);
/* Takes it out of the queue; its memory is the caller's. */
void pending_take(struct pending_create *pending);
void pending_free(struct pending_create *pending);
bool pending_has(const struct engine *engine, const char *id);

/* destroy.c: ends slots. */
void container_destroy(struct engine *engine, const char *id, bool keep_disk,
                       struct engine_call *call);
/* Kills the slot's processes; discard: its disk goes, too. Then it is cleaned. Idempotent. */
void slot_end(struct slot *slot, bool discard_disk);
void slot_on_process_exit(void *owner, int wait_status);

/* clean.c: when no process is left, answers who waits for the end and gives the slot back. */
void slot_clean(struct slot *slot);
void slot_helper_done(void *owner, int wait_status);
/* The slot of an ended sandbox whose image may still be mounted somewhere, or NULL. */
struct slot *slot_holding_disk(struct engine *engine, const char *id);

/* freeze.c */
void container_freeze(struct engine *engine, const char *id, struct engine_call *call);
void container_thaw(struct engine *engine, const char *id, struct engine_call *call);

/* sockets.c */
int container_sockets(struct engine *engine, const char *id, int family, int count, int *ret_fds,
                      char address[46], struct error *err);

/* snapshot_start.c */
/* Is there one with that id, or one in the making? */
bool container_snapshot_has(const struct engine *engine, const char *snapshot_id);
void container_snapshot(struct engine *engine, const struct engine_snapshot *plan,
                        struct engine_call *call);

/* snapshot.c */
/* Is the kept disk of that sandbox being copied? */
bool snapshot_copies_disk(const struct engine *engine, const char *id);
/* The slot ends: whatever is copying its files gives up. */
void snapshot_lose_slot(struct slot *slot);
/* Gives up the one in the making with that id, or all (NULL). Its source runs on. */
void snapshot_cancel(struct engine *engine, const char *snapshot_id);
void snapshot_jobs_free(struct engine *engine);

/* snapshot_check.c */
void container_snapshot_check(struct engine *engine, const char *snapshot_id, const char *digest,
                              const char *template_image, struct engine_call *call);
/* Answers all that are under way. */
void snapshot_checks_cancel(struct engine *engine);

/* snapshot_list.c */
bool snapshot_exists(const struct engine *engine, const char *snapshot_id);
void container_snapshot_remove(struct engine *engine, const char *snapshot_id,
                               struct engine_call *call);
int container_snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                            struct error *err);
/* What an earlier atoll-host did not finish. */
void snapshots_remove_unfinished(struct engine *engine);
/* Takes long: for helpers. */
void snapshots_remove_dead(const struct engine *engine);

/* snapshot_restore.c: the disk of a create that names a snapshot. */
/* Opens and checks what can be checked at once. */
int snapshot_source_open(struct pending_create *pending, struct error *err);
/* The helper's part: checks the digest and fills the copy. */
int snapshot_source_copy(const struct pending_create *pending, struct error *err);
/* Names the copy, in place of a kept disk if there is one. */
int snapshot_source_install(struct pending_create *pending, struct error *err);
/* Removes what was not installed. */
void snapshot_source_free(struct pending_create *pending);

/* usage.c */
bool container_has(const struct engine *engine, const char *id);
int container_usage(struct engine *engine, const char *id, struct engine_usage *ret_usage,
                    struct error *err);
int container_list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
                   struct error *err);
int64_t slot_oom_kills(const struct slot *slot);

/* adopt.c */
int container_adopt(struct engine *engine, struct error *err);

/* parked.c: the code of the slot's process. Never returns. */
void parked_run(const struct engine *engine, const struct slot *slot, int socket_fd)
    __attribute__((noreturn));

/* disk.c */
char *disk_path(const struct engine *engine, const char *id, char path[CONTAINER_PATH_SIZE]);
bool disk_exists(const struct engine *engine, const char *id);
/* Makes sure that the image of that size is there from which disk_copy_blank copies. These block for
 * some milliseconds: for start-up and helpers. */
int disk_make_blank(const struct engine *engine, int64_t bytes, struct error *err);
/* Fills an empty file with a disk of that size. directory_fd: of the disks. */
int disk_copy_blank(int directory_fd, int64_t bytes, int image_fd, struct error *err);
/* disk_copy.c */
/* The same from any image, sharing its blocks where the file system can; otherwise only as long as the
 * host's disk keeps its reserve (ERR_CAPACITY). */
int disk_copy(const struct engine *engine, int from, int to, struct error *err);
/* Makes an earlier copy of an image that was written to meanwhile the same again. */
int disk_copy_again(int from, int to, struct error *err);
/* Copies what is not a hole. 0, or -1 errno. */
int disk_copy_data(int from, int to, off_t length);
/* Does the host's disk have its reserve? ERR_CAPACITY. */
int disk_check_space(const struct engine *engine, struct error *err);
/* Was the machine stopped while the disk was mounted? Then it is to be checked before its next use. */
bool disk_needs_check(const struct engine *engine, const char *id);
int disk_check(const struct engine *engine, const char *id, struct error *err);
/* The same for any image that is not mounted; what it does not use becomes holes. ERR_NOT_RESTORABLE. */
int disk_repair(const char *path, struct error *err);
/* Waits until the host's disk has the image. 0 or -1. */
int disk_write_back(const struct engine *engine, const char *id);
/* The mounted disk is to be discarded: what was not written yet need not be. root_fd may be -1. */
void disk_drop_writes(int root_fd);
/* Is a blank image of that size kept? */
bool disk_size_usual(int64_t bytes);
/* Makes disks/<id>.img. */
int disk_make(const struct engine *engine, const char *id, int64_t bytes, struct error *err);

/* trash.c: gets rid of images without making anybody wait. */
void trash_collect(struct engine *engine);
/* The same at once, waiting for it. */
void trash_empty(struct engine *engine);
/* An image that no loop device holds. */
void trash_disk(struct engine *engine, const char *id);
/* The same for any file in the directory of the disks. */
void trash_file(struct engine *engine, const char *path);
/* The slot's image, by its present name, until the slot's loop device has let go. */
void trash_slot_disk(const struct slot *slot, const char *id);
bool trash_holds_slot_disk(const struct slot *slot);
void trash_release_slot_disk(struct slot *slot);

/* container.c: a slot was given back; the engine may now be closed. */
void container_check_closed(struct engine *engine);

static inline void call_done(struct engine_call *call, const struct error *error)
{
    call->on_done(call, error);
}

#endif
