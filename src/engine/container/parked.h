/* A slot's process before it becomes the agent: what it has prepared, and the steps.
 * Runs outside of atoll-host's process; blocks as it likes; errors go up the slot's socket. */
#ifndef ATOLL_ENGINE_CONTAINER_PARKED_H
#define ATOLL_ENGINE_CONTAINER_PARKED_H

#include "engine/container/internal.h"

struct parked {
    const struct engine *engine; /* as they were when the process was forked */
    const struct slot *slot;
    uid_t uid_base;
    int socket;    /* to atoll-host */
    int listener;  /* the agent's socket */
    int counter;   /* OOM kills, or /dev/null */
    int cgroup;    /* the delegated directory, or /dev/null */
    int userns;
    int agent;     /* the sealed binary */
    int disks;     /* directory of the disks */
    int dev;       /* the host's /dev */
    int disk_root; /* the mounted disk */
    int loop_number;
};

/* parked_prepare.c: all that can be done before the plan is there. */
int parked_prepare(struct parked *parked, struct error *err);

/* parked_disk.c: mounts the slot's own disk at /disk; or replaces it by the sandbox's existing one;
 * or renames it to be the sandbox's. */
int parked_disk_prepare(struct parked *parked, struct error *err);
int parked_disk_claim(struct parked *parked, const struct slot_plan *plan, struct error *err);

/* parked_mounts.c: a small root with everything that does not depend on the sandbox; later the
 * sandbox's own root. */
int parked_mounts_prepare(struct parked *parked, struct error *err);
/* Mounts a template's tree with the mounted disk above it, and takes that away again. */
int parked_root_mount(struct parked *parked, const char *image, struct error *err);
int parked_root_unmount(struct error *err);
int parked_mounts_enter(struct parked *parked, const struct slot_plan *plan, struct error *err);

#endif
