/* One file watch at work; for the files that make it up. */
#ifndef ATOLL_AGENT_WATCH_STATE_H
#define ATOLL_AGENT_WATCH_STATE_H

#include "agent/watch_names.h"
#include "agent/watch_tree.h"

#include <stdint.h>
#include <sys/inotify.h>

enum { WATCH_OUTPUT_BYTES = 32 * 1024, WATCH_MOVES_MAX = 64 };

/* The first half of a rename. */
struct watch_move {
    uint32_t cookie;
    int wd, child_wd; /* of its directory; of a directory that moved, or -1 */
    bool is_directory;
    bool is_old; /* pending since an earlier read */
    char *path;
};

struct file_watch {
    int fd; /* the connection */
    struct watch_tree tree;
    const char *only; /* the one name to tell of, when a file is watched; else NULL */
    struct seen_names seen;
    struct watch_move moves[WATCH_MOVES_MAX];
    size_t move_count;
    bool is_left;          /* the daemon closed the connection */
    bool is_lost;          /* an overflow is to be told */
    unsigned char *output; /* WATCH_OUTPUT_BYTES */
    size_t output_length;
};

/* --- watch_tell.c: what the daemon is told --- */

void watch_flush(struct file_watch *watch);
void watch_tell(struct file_watch *watch, enum agent_change change, const char *path,
                const char *target, bool is_directory);
/* Changes may have been lost: the tree is to be read again. */
void watch_tell_lost(struct file_watch *watch);
/* Of an entry of a directory. */
void watch_tell_entry(struct file_watch *watch, enum agent_change change,
                      const struct watch_node *directory, const char *name, bool is_directory);
/* An entry appeared, with all that is in it. 0, or -1 with errno. */
int watch_tell_created(struct file_watch *watch, struct watch_node *directory, const char *name,
                       bool is_directory);
/* For watch_tree.on_entry (context: the struct file_watch): an entry of a directory that is new. Its
 * creation may be told by an event, too, which is dropped then. */
void watch_tell_found(void *context, struct watch_node *directory, const char *name,
                      bool is_directory);

/* --- watch_moves.c: the two halves of renames --- */

/* Each 0, or -1 with errno. is_told: the entry was told of as a new one. */
int watch_moved_from(struct file_watch *watch, struct watch_node *directory,
                     const struct inotify_event *event);
int watch_moved_to(struct file_watch *watch, struct watch_node *directory,
                   const struct inotify_event *event, bool is_told);
/* Those without a second half have left the tree. only_old: that waited for more than one read. */
void watch_moves_expire(struct file_watch *watch, bool only_old);
/* Something else happens under the old name: its departure comes first. */
void watch_moves_expire_of(struct file_watch *watch, int wd, const char *name);
/* Something happens inside of a directory that is on its way: it has left, with all that is in it. */
void watch_moves_expire_around(struct file_watch *watch, const struct watch_node *node);
void watch_moves_drop(struct file_watch *watch);

#endif
