#include "agent/watch_state.h"

#include "agent/path.h"

#include <stdlib.h>
#include <string.h>

/* Is the name one that is told of? */
static bool is_wanted(const struct file_watch *watch, const char *name)
{
    return watch->only ? strcmp(name, watch->only) == 0 : !watch_name_hidden(name);
}

static void drop_move(struct file_watch *watch, struct watch_move *move)
{
    free(move->path);
    size_t left = watch->move_count - (size_t)(move - watch->moves) - 1;
    memmove(move, move + 1, left * sizeof(*move));
    watch->move_count--;
}

/* It left the tree. */
static void moved_away(struct file_watch *watch, struct watch_move *move)
{
    struct watch_node *child = watch_tree_find(&watch->tree, move->child_wd);
    if (child && child->parent) {
        watch_tree_remove(&watch->tree, child);
    }
    if (is_wanted(watch, path_base(move->path))) {
        watch_tell(watch, AGENT_CHANGE_DELETED, move->path, NULL, move->is_directory);
    }
    drop_move(watch, move);
}

void watch_moves_expire(struct file_watch *watch, bool only_old)
{
    for (size_t i = 0; i < watch->move_count;) {
        if (!only_old || watch->moves[i].is_old) {
            moved_away(watch, &watch->moves[i]);
        } else {
            watch->moves[i++].is_old = true;
        }
    }
}

void watch_moves_expire_of(struct file_watch *watch, int wd, const char *name)
{
    for (size_t i = 0; i < watch->move_count;) {
        struct watch_move *move = &watch->moves[i];
        if (move->wd == wd && strcmp(path_base(move->path), name) == 0) {
            moved_away(watch, move);
        } else {
            i++;
        }
    }
}

/* The directory that moved, if node is it or lies in it. */
static struct watch_move *find_around(struct file_watch *watch, const struct watch_node *node)
{
    for (; node; node = node->parent) {
        for (size_t i = 0; i < watch->move_count; i++) {
            if (watch->moves[i].child_wd == node->wd) {
                return &watch->moves[i];
            }
        }
    }
    return NULL;
}

void watch_moves_expire_around(struct file_watch *watch, const struct watch_node *node)
{
    struct watch_move *move = watch->move_count > 0 ? find_around(watch, node) : NULL;
    if (move) {
        moved_away(watch, move);
    }
}

int watch_moved_from(struct file_watch *watch, struct watch_node *directory,
                     const struct inotify_event *event)
{
    char path[AGENT_PATH_MAX];
    struct watch_node *child = watch_tree_child(directory, event->name);
    if (!watch_tree_path(&watch->tree, directory, event->name, path)) {
        watch_tell_lost(watch);
        return 0;
    }
    if (watch->move_count == WATCH_MOVES_MAX) {
        moved_away(watch, &watch->moves[0]);
    }
    struct watch_move move = {
        .cookie = event->cookie,
        .wd = event->wd,
        .child_wd = child ? child->wd : -1,
        .is_directory = event->mask & IN_ISDIR,
        .path = strdup(path),
    };
    if (!move.path) {
        return -1;
    }
    watch->moves[watch->move_count++] = move;
    return 0;
}

static struct watch_move *find_move(struct file_watch *watch, uint32_t cookie)
{
    for (size_t i = 0; i < watch->move_count; i++) {
        if (watch->moves[i].cookie == cookie) {
            return &watch->moves[i];
        }
    }
    return NULL;
}

/* A file that took a name without being renamed inside what is watched. */
static int replaced(struct file_watch *watch, struct watch_node *directory, const char *name,
                    struct watch_move *move)
{
    bool is_directory = move->is_directory;
    bool is_new = !watch_name_replaces(path_base(move->path));
    drop_move(watch, move);
    if (is_new && !watch->only) {
        return watch_tell_created(watch, directory, name, is_directory);
    }
    watch_tell_entry(watch, AGENT_CHANGE_MODIFIED, directory, name, is_directory);
    return 0;
}

static int moved_inside(struct file_watch *watch, struct watch_node *directory, const char *name,
                        struct watch_move *move)
{
    char path[AGENT_PATH_MAX];
    struct watch_node *child = watch_tree_find(&watch->tree, move->child_wd);
    bool knows_path = watch_tree_path(&watch->tree, directory, name, path);
    if (child && child->parent) {
        child = watch_tree_move(&watch->tree, child, directory, name);
    }
    if (knows_path) {
        watch_tell(watch, AGENT_CHANGE_RENAMED, move->path, path, move->is_directory);
    } else {
        watch_tell_lost(watch);
    }
    bool is_unknown = move->is_directory && !child;
    drop_move(watch, move);
    return is_unknown && watch->tree.recursive ? watch_tree_add(&watch->tree, directory, name) : 0;
}

int watch_moved_to(struct file_watch *watch, struct watch_node *directory,
                   const struct inotify_event *event, bool is_told)
{
    const char *name = event->name;
    struct watch_move *move = find_move(watch, event->cookie);
    bool shows_name = is_wanted(watch, name);
    if (!move) {
        return shows_name && !is_told
                   ? watch_tell_created(watch, directory, name, event->mask & IN_ISDIR)
                   : 0;
    }
    if (!shows_name) {
        moved_away(watch, move);
        return 0;
    }
    if (is_wanted(watch, path_base(move->path))) {
        return moved_inside(watch, directory, name, move);
    }
    /* The agent's own file operations write beside a file and rename; that is one change. */
    if (is_told) {
        drop_move(watch, move);
        return 0;
    }
    return replaced(watch, directory, name, move);
}

void watch_moves_drop(struct file_watch *watch)
{
    while (watch->move_count > 0) {
        drop_move(watch, &watch->moves[0]);
    }
}
