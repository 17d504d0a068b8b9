/*
 * Looking into a snapshot without restoring it: its files are shown by a hidden sandbox that is made of them, without
 * network and without their processes. It belongs to nobody's list and counts for nobody's limit; it has no record,
 * so that after a crash it is ended as one that nobody knows. It is kept for the next look for a while
 * (setting snapshot_view_sec). Any thread.
 */
#ifndef ATOLL_SANDBOX_SNAPSHOT_VIEW_H
#define ATOLL_SANDBOX_SNAPSHOT_VIEW_H

#include "sandbox/sandbox.h"

enum {
    SNAPSHOT_VIEWS_MAX = 8, /* hidden sandboxes at once: each has a copy of a snapshot's disk */
    SNAPSHOT_VIEWS_TENANT_MAX = 4, /* of these for one tenant */
};

/* A borrowed right to read files through the agent of the hidden sandbox. */
struct snapshot_view {
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    char workdir[256];
    struct browser *browser; /* internal */
};

/* 1: *ret_view is to be ended. 0: it is being made ready and was not within wait_ms; ask again. -1: ERR_NOT_FOUND,
 * ERR_SNAPSHOT_NOT_READY, ERR_NOT_RESTORABLE, ERR_CAPACITY (all are in use), or why it could not be made. */
int snapshot_view_begin(struct sandboxes *sandboxes, const struct principal *principal,
                        const char *snapshot_id, int64_t wait_ms, struct snapshot_view *ret_view,
                        struct error *err);

/* broken: its agent did not answer, the next look gets another one. Accepts a zeroed one. */
void snapshot_view_end(struct sandboxes *sandboxes, struct snapshot_view *view, bool broken);

#endif
