/*
 * The process tree of one command: a cgroup below the directory that the sandbox was given, so that all
 * of it can be killed whatever it did with sessions and parents. Without such a directory: the command's
 * session and descendants as /proc shows them.
 */
#ifndef ATOLL_AGENT_TREE_H
#define ATOLL_AGENT_TREE_H

#include <stdbool.h>
#include <sys/types.h>

struct tree {
    struct tree *next; /* in trees' lists */
    int dir_fd;
    unsigned number; /* the directory is cmd-<number> */
    bool killed;
};

struct trees {
    int dir_fd; /* of the delegated cgroup v2 directory; -1: none */
    unsigned last_number;
    struct tree *spare; /* empty cgroups for the next commands */
    unsigned spare_count;
    struct tree *lingering; /* of ended commands that left processes behind */
};

/* Takes dir_fd if it is a directory, else closes it. */
void trees_init(struct trees *trees, int dir_fd);

/* An empty tree for a command, or NULL when there is no cgroup to be had. */
struct tree *trees_take(struct trees *trees);

/* Gives the tree of an ended command back; accepts NULL. What still runs in it goes on. */
void trees_release(struct trees *trees, struct tree *tree);

/* Reuses or removes the cgroups of background processes that have ended since. */
void trees_sweep(struct trees *trees);

/* Sends SIGKILL to every process. leader: the command's first process, or 0 when it was reaped (its
 * number may belong to another one by now). tree may be NULL. */
void tree_kill(struct tree *tree, pid_t leader);

/* Sends a signal to every process; leader as for tree_kill. */
void tree_signal(const struct tree *tree, pid_t leader, int number);

/* Is no process of the tree left? Without a cgroup: of the session that leader began. */
bool tree_is_empty(const struct tree *tree, pid_t leader);

#endif
