/* The directories that a file watch covers, each with its inotify watch. One thread a tree. */
#ifndef ATOLL_AGENT_WATCH_TREE_H
#define ATOLL_AGENT_WATCH_TREE_H

#include "wire/agent_protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    WATCH_BUCKETS = 4096,
    WATCH_DIRECTORIES_MAX = 100000, /* some 200 bytes each here, and 1 KiB in the kernel */
};

struct watch_node {
    int wd; /* -1: not watched yet */
    struct watch_node *parent, *children, *previous, *next;
    struct watch_node *next_of_wd, *next_to_visit;
    char name[];
};

struct watch_tree {
    int fd;            /* inotify, not blocking; -1: closed */
    int connection_fd; /* closed by the daemon: looking through a large tree ends */
    bool recursive;
    unsigned count;
    struct watch_node *root;
    struct watch_node *visit_first, **visit_end;
    struct watch_node *by_wd[WATCH_BUCKETS];
    char path[AGENT_PATH_MAX]; /* of the root, as it was asked for */
    /* Told of each entry below a directory that is added, its watch being in place. NULL: nobody. */
    void (*on_entry)(void *context, struct watch_node *directory, const char *name,
                     bool is_directory);
    void *context;
};

/* Watches path (a directory) and, when recursive, all below it; symbolic links are not followed. connection_fd,
 * recursive and path are set. 0, or -1 with errno: ENOENT, ENOTDIR, ENOSPC (of the kernel's watches or
 * WATCH_DIRECTORIES_MAX), EMFILE (of its instances), ECANCELED. */
int watch_tree_open(struct watch_tree *tree);

/* Accepts one that is not open. */
void watch_tree_close(struct watch_tree *tree);

/* NULL: not watched (any more). */
struct watch_node *watch_tree_find(const struct watch_tree *tree, int wd);
struct watch_node *watch_tree_child(const struct watch_node *directory, const char *name);

/* Adds a directory that has come into being, with all below it, telling on_entry. One that is gone again
 * or known already is left out. 0, or -1 with errno as above. */
int watch_tree_add(struct watch_tree *tree, struct watch_node *directory, const char *name);

/* Stops to watch a directory and all below it. Not the root. */
void watch_tree_remove(struct watch_tree *tree, struct watch_node *node);

/* Its name or place has changed. Returns the node, which may be another one; NULL: no memory, and it is
 * not watched any more. */
struct watch_node *watch_tree_move(struct watch_tree *tree, struct watch_node *node,
                                   struct watch_node *directory, const char *name);

/* The path of a directory, or of an entry in it (name). false: longer than a path may be. */
bool watch_tree_path(const struct watch_tree *tree, const struct watch_node *directory,
                     const char *name, char path[AGENT_PATH_MAX]);

#endif
