/* Reading a snapshot's files for a request. */
#ifndef ATOLL_API_SNAPSHOT_LOOK_H
#define ATOLL_API_SNAPSHOT_LOOK_H

#include "agentclient/agentclient.h"
#include "api/api.h"
#include "sandbox/snapshot_view.h"

/* A request's hold on a snapshot's files. Zero-initialise. */
struct snapshot_look {
    struct sandboxes *sandboxes; /* NULL: holds nothing */
    struct snapshot_view view;
    bool broken;
    char path[AGENT_PATH_MAX]; /* that the request asks for, absolute */
};

/* Takes hold of what the request's {snapshot_id} and ?path name. 1; 0: the snapshot is being made ready; -1 with
 * err. look_end is due in any case. */
int snapshot_look_begin(struct snapshot_look *look, struct request *request, struct error *err);
void snapshot_look_end(struct snapshot_look *look);

#define auto_snapshot_look __attribute__((cleanup(snapshot_look_end)))

/* Remembers that the agent is gone. Returns -1. */
int snapshot_look_failed(struct snapshot_look *look, const struct error *err);

/* 202: ask again. */
void snapshot_look_respond_warming(struct request *request);

/* Is that a directory whose contents no snapshot holds, as every run gets them anew (/proc and its like)? */
bool snapshot_look_is_of_run(const char *path);

/* --- snapshot_walk.c --- */

enum {
    SNAPSHOT_WALK_ENTRIES_MAX = 50000,
    SNAPSHOT_WALK_DIRECTORIES_MAX = 5000,
};
static const int64_t snapshot_walk_bytes_max = 1 << 30;

/* A file, directory or symlink below the one that was asked for, or itself. */
struct snapshot_item {
    char *path; /* absolute */
    char *link; /* a symlink's target, or NULL */
    enum agent_file_type type;
    int64_t mode, uid, gid, size, modified_ms; /* size: of a file, else 0 */
};

struct snapshot_walk {
    struct snapshot_item *items; /* parents before their children */
    size_t count, capacity;
    int64_t directories, bytes;
    bool no_memory;
};

/* Collects what lies in the directory of look->path (its stat is top), which nobody changes. Other kinds of files
 * (devices, sockets, pipes) are left out. ERR_TOO_LARGE. Free it in any case. */
int snapshot_walk(struct snapshot_look *look, const struct agent_stat *top,
                  struct snapshot_walk *walk, struct error *err);
void snapshot_walk_free(struct snapshot_walk *walk);

/* --- snapshot_archive.c --- */

/* Answers with what walk holds as a .tar. Takes both. */
void snapshot_archive_respond(struct request *request, struct snapshot_look *look,
                              struct snapshot_walk *walk);

#endif
