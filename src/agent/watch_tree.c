#include "agent/watch_tree.h"

#include "agent/path.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum {
    MASK = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK,
    VISITS_A_CHECK = 256,
};

static struct watch_node **bucket_of(struct watch_tree *tree, int wd)
{
    return &tree->by_wd[(unsigned)wd % WATCH_BUCKETS];
}

struct watch_node *watch_tree_find(const struct watch_tree *tree, int wd)
{
    struct watch_node *node = tree->by_wd[(unsigned)wd % WATCH_BUCKETS];
    while (node && node->wd != wd) {
        node = node->next_of_wd;
    }
    return node;
}

struct watch_node *watch_tree_child(const struct watch_node *directory, const char *name)
{
    struct watch_node *child = directory->children;
    while (child && strcmp(child->name, name) != 0) {
        child = child->next;
    }
    return child;
}

/* --- nodes --- */

static void attach(struct watch_node *node, struct watch_node *directory)
{
    node->parent = directory;
    node->previous = NULL;
    node->next = directory ? directory->children : NULL;
    if (node->next) {
        node->next->previous = node;
    }
    if (directory) {
        directory->children = node;
    }
}

static void detach(struct watch_node *node)
{
    if (node->previous) {
        node->previous->next = node->next;
    } else if (node->parent) {
        node->parent->children = node->next;
    }
    if (node->next) {
        node->next->previous = node->previous;
    }
}

/* A node that is to be visited. */
static struct watch_node *node_new(struct watch_tree *tree, struct watch_node *directory,
                                   const char *name)
{
    size_t size = strlen(name) + 1;
    if (tree->count >= WATCH_DIRECTORIES_MAX) {
        errno = ENOSPC;
        return NULL;
    }
    struct watch_node *node = calloc(1, sizeof(*node) + size);
    if (!node) {
        return NULL;
    }
    node->wd = -1;
    memcpy(node->name, name, size);
    attach(node, directory);
    tree->count++;
    *tree->visit_end = node;
    tree->visit_end = &node->next_to_visit;
    return node;
}

static void enter_wd(struct watch_tree *tree, struct watch_node *node, int wd)
{
    struct watch_node **bucket = bucket_of(tree, wd);
    node->wd = wd;
    node->next_of_wd = *bucket;
    *bucket = node;
}

static void leave_wd(struct watch_tree *tree, struct watch_node *node)
{
    if (node->wd >= 0) {
        struct watch_node **link = bucket_of(tree, node->wd);
        while (*link != node) {
            link = &(*link)->next_of_wd;
        }
        *link = node->next_of_wd;
    }
}

/* One without children that is not waiting to be visited. */
static void node_free(struct watch_tree *tree, struct watch_node *node)
{
    assert(!node->children);
    leave_wd(tree, node);
    detach(node);
    tree->count--;
    free(node);
}

void watch_tree_remove(struct watch_tree *tree, struct watch_node *node)
{
    struct watch_node *end = node->parent;
    while (node != end) {
        while (node->children) {
            node = node->children;
        }
        struct watch_node *parent = node->parent;
        bool is_top = parent == end;
        inotify_rm_watch(tree->fd, node->wd); /* of one that is gone: nothing happens */
        node_free(tree, node);
        if (is_top) {
            return;
        }
        node = parent;
    }
}

struct watch_node *watch_tree_move(struct watch_tree *tree, struct watch_node *node,
                                   struct watch_node *directory, const char *name)
{
    struct watch_node *replaced = watch_tree_child(directory, name);
    if (replaced && replaced != node) {
        watch_tree_remove(tree, replaced);
    }
    size_t size = strlen(name) + 1;
    struct watch_node *moved = calloc(1, sizeof(*moved) + size);
    if (!moved) {
        watch_tree_remove(tree, node);
        return NULL;
    }
    memcpy(moved->name, name, size);
    attach(moved, directory);
    moved->children = node->children;
    node->children = NULL;
    for (struct watch_node *child = moved->children; child; child = child->next) {
        child->parent = moved;
    }
    int wd = node->wd;
    node_free(tree, node);
    enter_wd(tree, moved, wd);
    tree->count++;
    return moved;
}

bool watch_tree_path(const struct watch_tree *tree, const struct watch_node *directory,
                     const char *name, char path[AGENT_PATH_MAX])
{
    /* From the end to the beginning, then to its place. */
    size_t at = AGENT_PATH_MAX - 1;
    size_t root_length = strlen(tree->path);
    path[at] = '\0';
    for (const char *part = name;; part = directory->name, directory = directory->parent) {
        size_t length = part ? strlen(part) : 0;
        if (length + 1 > at) {
            return false;
        }
        if (part) {
            at -= length;
            memcpy(path + at, part, length);
            path[--at] = '/';
        }
        if (!directory->parent) {
            break;
        }
    }
    bool is_slash = root_length == 1 && path[at] == '/';
    size_t kept = is_slash ? 0 : root_length;
    if (kept > at) {
        return false;
    }
    memmove(path + kept, path + at, AGENT_PATH_MAX - at);
    memcpy(path, tree->path, kept);
    return true;
}

/* --- visiting --- */

/* The errors that mean that the directory is not there (any more), or nobody's to see. */
static bool is_harmless(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == EACCES ||
           errnum == EEXIST || errnum == ENAMETOOLONG;
}

static int add_watch(struct watch_tree *tree, int dir_fd)
{
    char opened[32];
    snprintf(opened, sizeof(opened), "/proc/self/fd/%d", dir_fd);
    return inotify_add_watch(tree->fd, opened, MASK | IN_MASK_CREATE);
}

static bool entry_is_directory(int dir_fd, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int read_entries(struct watch_tree *tree, struct watch_node *node, DIR *directory)
{
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            continue;
        }
        bool is_directory = entry_is_directory(dirfd(directory), entry);
        if (tree->on_entry) {
            tree->on_entry(tree->context, node, name, is_directory);
        }
        if (is_directory && tree->recursive && !node_new(tree, node, name)) {
            return -1;
        }
    }
    return 0;
}

/* Watches one directory, then looks what is in it: nothing that happens meanwhile is missed. */
static int visit(struct watch_tree *tree, struct watch_node *node)
{
    char path[AGENT_PATH_MAX];
    if (!watch_tree_path(tree, node, NULL, path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = path_open(path, O_RDONLY | O_DIRECTORY | (node->parent ? O_NOFOLLOW : 0));
    int wd = fd < 0 ? -1 : add_watch(tree, fd);
    if (wd < 0) {
        close_fd(fd);
        return -1;
    }
    enter_wd(tree, node, wd);
    if (!tree->recursive && !tree->on_entry) {
        close_fd(fd);
        return 0;
    }
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close_fd(fd);
        return -1;
    }
    int result = read_entries(tree, node, directory);
    closedir(directory);
    return result;
}

static struct watch_node *next_to_visit(struct watch_tree *tree)
{
    struct watch_node *node = tree->visit_first;
    if (node) {
        tree->visit_first = node->next_to_visit;
        tree->visit_end = tree->visit_first ? tree->visit_end : &tree->visit_first;
        node->next_to_visit = NULL;
    }
    return node;
}

/* 0, or -1 with errno; then the tree is only good for being closed. */
static int visit_all(struct watch_tree *tree)
{
    struct watch_node *node;
    for (unsigned visits = 1; (node = next_to_visit(tree)); visits++) {
        if (visits % VISITS_A_CHECK == 0 && reply_cancelled(tree->connection_fd)) {
            errno = ECANCELED;
            return -1;
        }
        if (visit(tree, node) == 0) {
            continue;
        }
        if (!node->parent || !is_harmless(errno)) {
            return -1;
        }
        node_free(tree, node);
    }
    return 0;
}

int watch_tree_add(struct watch_tree *tree, struct watch_node *directory, const char *name)
{
    if (watch_tree_child(directory, name)) {
        return 0;
    }
    return node_new(tree, directory, name) ? visit_all(tree) : -1;
}

int watch_tree_open(struct watch_tree *tree)
{
    tree->count = 0;
    tree->visit_first = NULL;
    tree->visit_end = &tree->visit_first;
    tree->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (tree->fd < 0) {
        return -1;
    }
    tree->root = node_new(tree, NULL, "");
    return tree->root ? visit_all(tree) : -1;
}

void watch_tree_close(struct watch_tree *tree)
{
    int saved = errno;
    tree->fd = close_fd(tree->fd); /* with all its watches */
    while (tree->root) {
        struct watch_node *node = tree->root;
        while (node->children) {
            node = node->children;
        }
        tree->root = node == tree->root ? NULL : tree->root;
        node_free(tree, node);
    }
    errno = saved;
}
