#include "agentclient/call.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A head on the stack. */
struct small_head {
    struct fields_writer fields;
    unsigned char data[CALL_SMALL_HEAD_BYTES];
};

static void head_start(struct small_head *head, enum agent_operation operation, const char *path)
{
    fields_start(&head->fields, head->data, sizeof(head->data));
    fields_put_int(&head->fields, AGENT_OPERATION, operation);
    if (path) {
        fields_put_string(&head->fields, AGENT_PATH, path);
    }
}

static struct agent_call *begin(const char *socket_path, const struct small_head *head,
                                struct error *err)
{
    struct agent_call *call = call_open(socket_path, err);
    if (call && call_send_head(call, &head->fields, err) < 0) {
        call = agent_call_free(call);
    }
    return call;
}

static void free_call(struct agent_call **call)
{
    agent_call_free(*call);
}

#define auto_call __attribute__((cleanup(free_call)))

/* An operation that is one head and one DONE. */
static int simple(const char *socket_path, const struct small_head *head, struct error *err)
{
    auto_call struct agent_call *call = begin(socket_path, head, err);
    struct call_frame frame;
    return call ? call_finish(call, &frame, err) : -1;
}

int agent_hello(const char *socket_path, int64_t timeout_ms, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_HELLO, NULL);
    auto_call struct agent_call *call = begin(socket_path, &head, err);
    if (!call) {
        return -1;
    }
    struct call_wait wait = {.deadline_ms = clock_monotonic_ms() + timeout_ms,
                             .cancel_fd = -1,
                             .silence_is_failure = true};
    struct call_frame frame;
    if (call_next(call, &wait, &frame, err) < 0) {
        return -1;
    }
    return frame.type == AGENT_FRAME_DONE ? 0 : call_violation(call, "no answer to hello", err);
}

struct agent_call *agent_write_start(const char *socket_path, const char *path, int64_t mode,
                                     struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_WRITE, path);
    if (mode >= 0) {
        fields_put_int(&head.fields, AGENT_MODE, mode);
    }
    return begin(socket_path, &head, err);
}

/* Has the agent said something while it should listen? Only an error can be it. */
static int check_early_error(struct agent_call *call, struct error *err)
{
    struct call_wait wait = {.deadline_ms = 0, .cancel_fd = -1};
    struct call_frame frame;
    int result = call_next(call, &wait, &frame, err);
    return result > 0 ? call_violation(call, "an answer before the end of the file", err) : result;
}

/* The connection broke while sending: the agent's error says why. */
static int write_failed(struct agent_call *call, struct error *err)
{
    if (errno != EPIPE) {
        call->state = CALL_ENDED;
        return error_set(err, ERR_AGENT_UNAVAILABLE, errno, "send file data");
    }
    struct call_frame frame;
    return call_finish(call, &frame, err) < 0
               ? -1
               : call_violation(call, "an answer before the end of the file", err);
}

int agent_write_data(struct agent_call *call, const void *bytes, size_t length, struct error *err)
{
    const char *from = bytes;
    while (length > 0) {
        size_t part = length < FRAME_DATA_MAX ? length : FRAME_DATA_MAX;
        if (check_early_error(call, err) < 0) {
            return -1;
        }
        if (call_send(call, AGENT_FRAME_DATA, from, part, AGENT_SILENCE_MAX_MS) < 0) {
            return write_failed(call, err);
        }
        from += part;
        length -= part;
    }
    return 0;
}

int agent_write_finish(struct agent_call *call, struct agent_stat *ret_stat, struct error *err)
{
    struct call_frame frame;
    if (call->state != CALL_OPEN) {
        return error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the operation is over");
    }
    if (call_send(call, AGENT_FRAME_DATA_END, NULL, 0, AGENT_SILENCE_MAX_MS) < 0) {
        return write_failed(call, err);
    }
    if (call_finish(call, &frame, err) < 0) {
        return -1;
    }
    return call_parse_stat(&frame, ret_stat) < 0 ? call_violation(call, "an odd file", err) : 0;
}

struct agent_call *agent_read_start(const char *socket_path, const char *path, int64_t offset,
                                    int64_t length, struct agent_stat *ret_stat, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_READ, path);
    if (offset != 0) {
        fields_put_int(&head.fields, AGENT_OFFSET, offset);
    }
    if (length >= 0) {
        fields_put_int(&head.fields, AGENT_LENGTH, length);
    }
    auto_call struct agent_call *call = begin(socket_path, &head, err);
    struct call_wait wait = call_default_wait();
    struct call_frame frame;
    if (!call || call_next(call, &wait, &frame, err) < 0) {
        return NULL;
    }
    if (frame.type != AGENT_FRAME_STAT || call_parse_stat(&frame, ret_stat) < 0) {
        call_violation(call, "an odd file", err);
        return NULL;
    }
    return take_pointer(&call);
}

/* Hands out bytes of the current DATA frame: first what is buffered, then straight from the socket. */
static int64_t take_data(struct agent_call *call, void *bytes, size_t size, struct error *err)
{
    if ((uint64_t)call->data_left < size) {
        size = (size_t)call->data_left;
    }
    size_t held = call->end - call->start;
    if (held > 0) {
        size = held < size ? held : size;
        memcpy(bytes, call->input + call->start, size);
        call->start += size;
        call->data_left -= (int64_t)size;
        return (int64_t)size;
    }
    for (;;) {
        ssize_t got = recv(call->fd, bytes, size, MSG_DONTWAIT);
        if (got > 0) {
            call->data_left -= got;
            return got;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            call->state = CALL_ENDED;
            return error_set(err, ERR_AGENT_UNAVAILABLE, got < 0 ? errno : 0,
                             "the sandbox's agent ended the connection early");
        }
        struct call_wait wait = call_default_wait();
        if (call_wait_readable(call, &wait, err) < 0) {
            return -1;
        }
    }
}

/* Consumes a buffered header of a DATA frame without waiting for its payload. 1, 0: not one, -1. */
static int start_data(struct agent_call *call, struct error *err)
{
    while (call->end - call->start < FRAME_HEADER_BYTES) {
        if (call->start > 0) {
            memmove(call->input, call->input + call->start, call->end - call->start);
            call->end -= call->start;
            call->start = 0;
        }
        struct call_wait wait = call_default_wait();
        int result = call_fill(call, err);
        if (result < 0 || (result == 0 && call_wait_readable(call, &wait, err) < 0)) {
            return -1;
        }
    }
    struct frame_header header;
    if (frame_header_decode(call->input + call->start, &header) < 0) {
        return call_violation(call, "a malformed frame", err);
    }
    if (header.type != AGENT_FRAME_DATA) {
        return 0;
    }
    if (header.length == 0 || header.length > FRAME_DATA_MAX) {
        return call_violation(call, "a malformed data frame", err);
    }
    call->start += FRAME_HEADER_BYTES;
    call->data_left = header.length;
    return 1;
}

int64_t agent_read_data(struct agent_call *call, void *bytes, size_t size, struct error *err)
{
    assert(size > 0);
    if (call->data_left > 0) {
        return take_data(call, bytes, size, err);
    }
    if (call->state != CALL_OPEN) {
        return error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the operation is over");
    }
    int result = start_data(call, err);
    if (result != 0) {
        return result < 0 ? -1 : take_data(call, bytes, size, err);
    }
    struct call_wait wait = call_default_wait();
    struct call_frame frame;
    if (call_next(call, &wait, &frame, err) < 0) {
        return -1;
    }
    if (frame.type != AGENT_FRAME_DATA_END || frame.length != 0) {
        return call_violation(call, "a frame that does not belong to a file", err);
    }
    return call_finish(call, &frame, err);
}

int agent_list(const char *socket_path, const char *path, int depth, int limit,
               bool (*on_entry)(const struct agent_stat *entry, void *context), void *context,
               bool *ret_truncated, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_LIST, path);
    fields_put_int(&head.fields, AGENT_DEPTH, depth);
    fields_put_int(&head.fields, AGENT_LIMIT, limit);
    auto_call struct agent_call *call = begin(socket_path, &head, err);
    auto_free struct agent_stat *entry = malloc(sizeof(*entry));
    if (!call || !entry) {
        return call ? error_set(err, ERR_INTERNAL, ENOMEM, "list files") : -1;
    }
    for (int count = 0;; count++) {
        struct call_wait wait = call_default_wait();
        struct call_frame frame;
        if (call_next(call, &wait, &frame, err) < 0) {
            return -1;
        }
        if (frame.type == AGENT_FRAME_DONE) {
            call->state = CALL_ENDED;
            *ret_truncated = fields_get_int(frame.payload, frame.length, AGENT_TRUNCATED, 0) == 1;
            return call->start == call->end ? 0 : call_violation(call, "more than it should", err);
        }
        if (frame.type != AGENT_FRAME_STAT || count >= limit ||
            call_parse_stat(&frame, entry) < 0) {
            return call_violation(call, "an odd list of files", err);
        }
        if (!on_entry(entry, context)) {
            *ret_truncated = true;
            return 0;
        }
    }
}

int agent_stat(const char *socket_path, const char *path, bool follow, struct agent_stat *ret_stat,
               struct error *err)
{
    struct small_head head;
    struct call_frame frame;
    head_start(&head, AGENT_OP_FILE_STAT, path);
    fields_put_int(&head.fields, AGENT_NO_FOLLOW, !follow);
    auto_call struct agent_call *call = begin(socket_path, &head, err);
    if (!call || call_finish(call, &frame, err) < 0) {
        return -1;
    }
    return call_parse_stat(&frame, ret_stat) < 0 ? call_violation(call, "an odd file", err) : 0;
}

int agent_mkdir(const char *socket_path, const char *path, int64_t mode, bool recursive,
                struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_MKDIR, path);
    if (mode >= 0) {
        fields_put_int(&head.fields, AGENT_MODE, mode);
    }
    fields_put_int(&head.fields, AGENT_RECURSIVE, recursive);
    return simple(socket_path, &head, err);
}

int agent_rename(const char *socket_path, const char *path, const char *target, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_RENAME, path);
    fields_put_string(&head.fields, AGENT_TARGET, target);
    return simple(socket_path, &head, err);
}

int agent_chmod(const char *socket_path, const char *path, int64_t mode, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_CHMOD, path);
    fields_put_int(&head.fields, AGENT_MODE, mode);
    return simple(socket_path, &head, err);
}

int agent_remove(const char *socket_path, const char *path, bool recursive, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_FILE_REMOVE, path);
    fields_put_int(&head.fields, AGENT_RECURSIVE, recursive);
    return simple(socket_path, &head, err);
}

int agent_sync(const char *socket_path, struct error *err)
{
    struct small_head head;
    head_start(&head, AGENT_OP_SYNC, NULL);
    return simple(socket_path, &head, err);
}
