#include "agent/file_watch.h"

#include "agent/path.h"
#include "agent/reply.h"
#include "agent/watch_state.h"
#include "base/cleanup.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

enum {
    STACK_BYTES = 256 * 1024,
    EVENTS_BYTES = 16 * 1024,
    /* Both halves of a rename are told at once; the second one of a move out of the tree never comes. */
    MOVE_WAIT_MS = 20,
};

static void deleted(struct file_watch *watch, struct watch_node *directory,
                    const struct inotify_event *event)
{
    struct watch_node *child = watch_tree_child(directory, event->name);
    if (child && event->mask & IN_ISDIR) {
        watch_tree_remove(&watch->tree, child);
    }
    watch_tell_entry(watch, AGENT_CHANGE_DELETED, directory, event->name, event->mask & IN_ISDIR);
}

static int on_name(struct file_watch *watch, struct watch_node *directory,
                   const struct inotify_event *event)
{
    const char *name = event->name;
    if (event->mask & IN_MOVED_TO) {
        return watch_moved_to(watch, directory, event,
                              seen_names_take(&watch->seen, event->wd, name));
    }
    watch_moves_expire_of(watch, event->wd, name);
    if (event->mask & IN_MOVED_FROM) {
        seen_names_take(&watch->seen, event->wd, name);
        return watch_moved_from(watch, directory, event);
    }
    if (watch_name_hidden(name)) {
        return 0;
    }
    if (event->mask & IN_CREATE) {
        return seen_names_take(&watch->seen, event->wd, name)
                   ? 0
                   : watch_tell_created(watch, directory, name, event->mask & IN_ISDIR);
    }
    if (event->mask & IN_DELETE) {
        seen_names_take(&watch->seen, event->wd, name);
        deleted(watch, directory, event);
    } else if (event->mask & (IN_CLOSE_WRITE | IN_ATTRIB)) {
        watch_tell_entry(watch, AGENT_CHANGE_MODIFIED, directory, name, event->mask & IN_ISDIR);
    }
    return 0;
}

/* Changes were lost: nothing that is known of the tree is certain. */
static int start_again(struct file_watch *watch)
{
    watch_moves_drop(watch);
    seen_names_clear(&watch->seen);
    watch->tree.on_entry = NULL;
    watch_tree_close(&watch->tree);
    if (watch_tree_open(&watch->tree) < 0) {
        return -1;
    }
    watch->tree.on_entry = watch_tell_found;
    watch_tell_lost(watch); /* only now: what happens while the client looks again is told */
    return 0;
}

static int on_event(struct file_watch *watch, const struct inotify_event *event)
{
    watch_moves_expire_around(watch, watch_tree_find(&watch->tree, event->wd));
    struct watch_node *node = watch_tree_find(&watch->tree, event->wd);
    if (event->len > 0) {
        bool wanted = node && (!watch->only || event->mask & (IN_MOVED_FROM | IN_MOVED_TO) ||
                               strcmp(event->name, watch->only) == 0);
        return wanted ? on_name(watch, node, event) : 0;
    }
    bool is_end = event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED);
    if (node && is_end && node == watch->tree.root) {
        errno = ENOENT;
        return -1;
    }
    if (node && event->mask & (IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)) {
        watch_tree_remove(&watch->tree, node);
    }
    return 0;
}

/* 1 when something was read, 0 when there is nothing, -1 with errno when it is over. */
static int read_events(struct file_watch *watch)
{
    char data[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got = read(watch->tree.fd, data, sizeof(data));
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const void *)(data + at);
        at += (ssize_t)(sizeof(*event) + event->len);
        if (event->mask & IN_Q_OVERFLOW) {
            return start_again(watch) < 0 ? -1 : 1;
        }
        if (on_event(watch, event) < 0) {
            return -1;
        }
    }
    watch_moves_expire(watch, true);
    return 1;
}

/* -1 with errno when it is over. */
static int wait_for_events(struct file_watch *watch)
{
    struct pollfd polled[] = {{.fd = watch->tree.fd, .events = POLLIN},
                              {.fd = watch->fd, .events = POLLRDHUP}};
    int ready = poll(polled, 2, watch->move_count > 0 ? MOVE_WAIT_MS : -1);
    if (ready < 0 && errno != EINTR) {
        return -1;
    }
    if (ready == 0) {
        watch_moves_expire(watch, false);
    }
    if (ready > 0 && polled[1].revents) {
        errno = ECANCELED;
        return -1;
    }
    return 0;
}

static int follow(struct file_watch *watch)
{
    for (;;) {
        int result = read_events(watch);
        if (result < 0) {
            return -1;
        }
        if (result == 0) {
            /* Whatever happened before the last scan has been read. */
            seen_names_clear(&watch->seen);
            if (watch->output_length == 0 && !watch->is_lost && wait_for_events(watch) < 0) {
                return -1;
            }
        }
        if (result == 0 || watch->output_length > WATCH_OUTPUT_BYTES / 2) {
            if (watch->is_lost) {
                watch_tell_lost(watch);
            }
            watch_flush(watch);
        }
        if (watch->is_left) {
            errno = ECANCELED;
            return -1;
        }
    }
}

/* A file is watched through its directory, because most programs replace a file that they write. */
static int choose_root(struct file_watch *watch, const char *path)
{
    struct stat st;
    path_copy(watch->tree.path, path);
    if (path_stat(path, true, &st) < 0) {
        return -1;
    }
    if (!S_ISDIR(st.st_mode)) {
        watch->only = path_base(path);
        watch->tree.recursive = false;
        path_parent(watch->tree.path, path);
    }
    return 0;
}

static int run(struct file_watch *watch, const struct request *request)
{
    unsigned char frame[FRAME_HEADER_BYTES];
    watch->tree.recursive = request->recursive;
    watch->tree.connection_fd = watch->fd;
    watch->tree.context = watch;
    if (choose_root(watch, request->path) < 0 || watch_tree_open(&watch->tree) < 0) {
        return -1;
    }
    watch->tree.on_entry = watch_tell_found;
    frame_header_encode((struct frame_header){0, AGENT_FRAME_CAUGHT_UP}, frame);
    return reply_send(watch->fd, frame, sizeof(frame)) < 0 ? -1 : follow(watch);
}

static void watch_files(const struct request *request, int fd)
{
    auto_free unsigned char *output = malloc(WATCH_OUTPUT_BYTES);
    auto_free struct file_watch *watch = calloc(1, sizeof(*watch));
    if (!output || !watch) {
        reply_error(fd, ENOMEM, "watch");
        return;
    }
    watch->fd = fd;
    watch->tree.fd = -1;
    watch->output = output;
    if (run(watch, request) < 0 && errno != ECANCELED) {
        int errnum = errno;
        watch_flush(watch);
        reply_error(fd, errnum, "watch");
    }
    watch_moves_drop(watch);
    seen_names_clear(&watch->seen);
    watch_tree_close(&watch->tree);
}

static atomic_uint watch_count;

static void *thread_main(void *argument)
{
    struct job *job = argument;
    watch_files(&job->request, job->fd);
    job_free(job);
    atomic_fetch_sub(&watch_count, 1);
    return NULL;
}

int file_watch_submit(struct job *job)
{
    if (atomic_fetch_add(&watch_count, 1) >= AGENT_WATCHES_MAX) {
        atomic_fetch_sub(&watch_count, 1);
        return EMFILE;
    }
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int problem = pthread_create(&thread, &attributes, thread_main, job);
    pthread_attr_destroy(&attributes);
    if (problem) {
        atomic_fetch_sub(&watch_count, 1);
        return EAGAIN;
    }
    return 0;
}
