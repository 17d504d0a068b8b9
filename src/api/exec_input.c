#include "api/exec_input.h"

#include "base/buffer.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* How often a producer that waits looks whether its client is still there. */
enum { CLIENT_LOOK_MS = 500, SIGNALS_MAX = 16 };

struct exec_input {
    pthread_mutex_t lock;
    pthread_cond_t moved;  /* room came, or it was closed */
    struct buffer waiting; /* bytes from offset on */
    size_t offset;
    size_t max;
    int signals[SIGNALS_MAX];
    int signal_count;
    int wake_fd;
    int references;
    int64_t end_time_ms; /* 0: the service does not stop */
    bool takes_bytes;
    bool ended; /* end of input was asked for */
    bool end_taken;
    bool closed;
};

struct exec_input *exec_input_new(size_t max, bool takes_bytes, struct error *err)
{
    struct exec_input *input = calloc(1, sizeof(*input));
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!input || wake_fd < 0) {
        error_set(err, ERR_INTERNAL, errno, "make a command's input queue");
        close_fd(wake_fd);
        free(input);
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&input->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&input->lock, NULL);
    input->waiting = BUFFER_INIT(max);
    input->max = max;
    input->wake_fd = wake_fd;
    input->references = 1;
    input->takes_bytes = takes_bytes;
    return input;
}

struct exec_input *exec_input_ref(struct exec_input *input)
{
    pthread_mutex_lock(&input->lock);
    assert(input->references > 0);
    input->references++;
    pthread_mutex_unlock(&input->lock);
    return input;
}

struct exec_input *exec_input_unref(struct exec_input *input)
{
    if (!input) {
        return NULL;
    }
    pthread_mutex_lock(&input->lock);
    int left = --input->references;
    pthread_mutex_unlock(&input->lock);
    if (left == 0) {
        pthread_cond_destroy(&input->moved);
        pthread_mutex_destroy(&input->lock);
        buffer_free(&input->waiting);
        close_fd(input->wake_fd);
        free(input);
    }
    return NULL;
}

static void wake(struct exec_input *input)
{
    /* fails only when the counter is full, and then the descriptor is readable anyway */
    (void)!eventfd_write(input->wake_fd, 1);
}

static int is_over(struct error *err)
{
    error_set(err, ERR_NOT_FOUND, 0, "the command is over");
    return error_hint(err, "Start another one; its exec_id comes in the stream's first event.");
}

static bool client_gone(int client_fd)
{
    struct pollfd polled = {.fd = client_fd, .events = POLLRDHUP};
    return client_fd >= 0 && poll(&polled, 1, 0) > 0 &&
           (polled.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* Locked. Waits until something moved, CLIENT_LOOK_MS at most. */
static void wait_for_room(struct exec_input *input)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CLIENT_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&input->moved, &input->lock, &until);
}

/* Locked. */
static int check_open(const struct exec_input *input, struct error *err)
{
    if (input->closed) {
        return is_over(err);
    }
    if (!input->takes_bytes || input->ended) {
        error_set(err, ERR_CONFLICT, 0, "the command's standard input is closed");
        return error_hint(err, "Start the stream with \"open_stdin\": true to send input later.");
    }
    return 0;
}

/* Locked. Takes what fits; returns how much, or -1. */
static ssize_t push_some(struct exec_input *input, const void *bytes, size_t length,
                         struct error *err)
{
    if (check_open(input, err)) {
        return -1;
    }
    if (input->offset > 0) {
        input->waiting.length -= input->offset;
        memmove(input->waiting.data, input->waiting.data + input->offset, input->waiting.length);
        input->offset = 0;
    }
    size_t room = input->max - input->waiting.length;
    size_t step = length < room ? length : room;
    if (step > 0 && buffer_append(&input->waiting, bytes, step)) {
        return error_set(err, ERR_INTERNAL, errno, "queue input");
    }
    return (ssize_t)step;
}

int exec_input_push(struct exec_input *input, const void *bytes, size_t length, int client_fd,
                    struct error *err)
{
    const char *from = bytes;
    int result = 0;
    pthread_mutex_lock(&input->lock);
    while (result == 0 && length > 0) {
        ssize_t step = push_some(input, from, length, err);
        if (step < 0) {
            result = -1;
        } else if (step > 0) {
            from += step;
            length -= (size_t)step;
            wake(input);
        } else if (client_gone(client_fd)) {
            result = error_set(err, ERR_CANCELLED, 0, "the client went away");
        } else {
            wait_for_room(input);
        }
    }
    pthread_mutex_unlock(&input->lock);
    return result;
}

int exec_input_end(struct exec_input *input, struct error *err)
{
    pthread_mutex_lock(&input->lock);
    int result = check_open(input, err);
    if (result == 0) {
        input->ended = true;
        wake(input);
    }
    pthread_mutex_unlock(&input->lock);
    return result;
}

int exec_input_signal(struct exec_input *input, int signal, struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&input->lock);
    if (input->closed) {
        result = is_over(err);
    } else if (input->signal_count == SIGNALS_MAX) {
        result = error_set(err, ERR_AGENT_BUSY, 0, "too many signals wait for the command");
    } else {
        input->signals[input->signal_count++] = signal;
        wake(input);
    }
    pthread_mutex_unlock(&input->lock);
    return result;
}

int exec_input_wake_fd(const struct exec_input *input)
{
    return input->wake_fd;
}

/* Locked. */
static bool is_pending(const struct exec_input *input)
{
    return input->signal_count > 0 || input->waiting.length > input->offset ||
           (input->ended && input->takes_bytes && !input->end_taken);
}

/* Locked. */
static void clear_wake(struct exec_input *input)
{
    if (!is_pending(input)) {
        eventfd_t count;
        (void)!eventfd_read(input->wake_fd, &count);
    }
}

bool exec_input_pending(struct exec_input *input)
{
    pthread_mutex_lock(&input->lock);
    bool pending = is_pending(input);
    pthread_mutex_unlock(&input->lock);
    return pending;
}

/* Locked. */
static enum exec_input_kind take_next(struct exec_input *input, void *bytes, size_t size,
                                      size_t *ret_length, int *ret_signal)
{
    if (input->signal_count > 0) {
        *ret_signal = input->signals[0];
        input->signal_count--;
        memmove(input->signals, input->signals + 1,
                (size_t)input->signal_count * sizeof(input->signals[0]));
        return EXEC_INPUT_SIGNAL;
    }
    size_t waiting = input->waiting.length - input->offset;
    if (waiting > 0) {
        *ret_length = waiting < size ? waiting : size;
        memcpy(bytes, input->waiting.data + input->offset, *ret_length);
        input->offset += *ret_length;
        pthread_cond_broadcast(&input->moved);
        return EXEC_INPUT_BYTES;
    }
    input->end_taken = true;
    return EXEC_INPUT_END;
}

enum exec_input_kind exec_input_take(struct exec_input *input, void *bytes, size_t size,
                                     size_t *ret_length, int *ret_signal)
{
    enum exec_input_kind kind = EXEC_INPUT_NONE;
    *ret_length = 0;
    *ret_signal = 0;
    pthread_mutex_lock(&input->lock);
    if (is_pending(input)) {
        kind = take_next(input, bytes, size, ret_length, ret_signal);
    }
    clear_wake(input);
    pthread_mutex_unlock(&input->lock);
    return kind;
}

void exec_input_woken(struct exec_input *input)
{
    pthread_mutex_lock(&input->lock);
    clear_wake(input);
    pthread_mutex_unlock(&input->lock);
}

void exec_input_set_end(struct exec_input *input, int64_t monotonic_ms)
{
    pthread_mutex_lock(&input->lock);
    input->end_time_ms = monotonic_ms;
    wake(input);
    pthread_mutex_unlock(&input->lock);
}

int64_t exec_input_end_time(struct exec_input *input)
{
    pthread_mutex_lock(&input->lock);
    int64_t end_time_ms = input->end_time_ms;
    pthread_mutex_unlock(&input->lock);
    return end_time_ms;
}

void exec_input_close(struct exec_input *input)
{
    pthread_mutex_lock(&input->lock);
    input->closed = true;
    pthread_cond_broadcast(&input->moved);
    pthread_mutex_unlock(&input->lock);
}
