#include "agentclient/watch.h"

#include "agentclient/call.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static struct agent_call *begin(const char *socket_path, enum agent_operation operation,
                                const char *path, bool recursive, struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    fields_start(&head, data, sizeof(data));
    fields_put_int(&head, AGENT_OPERATION, operation);
    if (path) {
        fields_put_string(&head, AGENT_PATH, path);
        fields_put_int(&head, AGENT_RECURSIVE, recursive);
    }
    struct agent_call *call = call_open(socket_path, err);
    if (call && call_send_head(call, &head, err) < 0) {
        call = agent_call_free(call);
    }
    return call;
}

/* What stands in the way of watching has other names than what stands in the way of writing. */
static int explain(struct error *err)
{
    if (err->errnum == ENOSPC) {
        return error_set(err, ERR_WATCH_LIMIT, 0,
                         "the tree has more directories than can be watched");
    }
    if (err->errnum == EMFILE) {
        return error_set(err, ERR_WATCH_LIMIT, 0, "no more file watches at once (at most %d)",
                         AGENT_WATCHES_MAX);
    }
    return -1;
}

struct agent_call *watch_start(const char *socket_path, const char *path, bool recursive,
                               struct error *err)
{
    struct agent_call *call = begin(socket_path, AGENT_OP_FILE_WATCH, path, recursive, err);
    struct call_wait wait = call_default_wait();
    struct call_frame frame;
    if (!call) {
        return NULL;
    }
    if (call_next(call, &wait, &frame, err) < 0) {
        explain(err);
        return agent_call_free(call);
    }
    if (frame.type != AGENT_FRAME_CAUGHT_UP) {
        call_violation(call, "no answer to a watch", err);
        return agent_call_free(call);
    }
    return call;
}

static int64_t get(const struct call_frame *frame, enum agent_tag tag, int64_t fallback)
{
    return fields_get_int(frame->payload, frame->length, (uint16_t)tag, fallback);
}

static bool get_path(const struct call_frame *frame, enum agent_tag tag, char path[AGENT_PATH_MAX])
{
    return fields_get_text(frame->payload, frame->length, (uint16_t)tag, path, AGENT_PATH_MAX) &&
           path[0] == '/';
}

static bool parse_change(const struct call_frame *frame, struct watch_change *ret_change)
{
    int64_t change = get(frame, AGENT_CHANGE, 0);
    int64_t size = get(frame, AGENT_SIZE, -1);
    if (frame->type != AGENT_FRAME_CHANGE || change < AGENT_CHANGE_CREATED ||
        change > AGENT_CHANGE_OVERFLOW || !get_path(frame, AGENT_PATH, ret_change->path)) {
        return false;
    }
    ret_change->change = (enum agent_change)change;
    ret_change->is_directory = get(frame, AGENT_FILE_TYPE, 0) == AGENT_FILE_DIRECTORY;
    ret_change->size = size < 0 ? -1 : size;
    ret_change->target[0] = '\0';
    return change != AGENT_CHANGE_RENAMED || get_path(frame, AGENT_TARGET, ret_change->target);
}

int watch_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
               struct watch_change *ret_change, struct error *err)
{
    struct call_wait wait = {
        .deadline_ms = wait_ms < 0 ? INT64_MAX : clock_monotonic_ms() + wait_ms,
        .cancel_fd = cancel_fd,
    };
    struct call_frame frame;
    int result = call_next(call, &wait, &frame, err);
    if (result < 0) {
        return explain(err);
    }
    if (result > 0 && !parse_change(&frame, ret_change)) {
        return call_violation(call, "an odd change of a file", err);
    }
    return result;
}

static bool parse_port(const struct call_frame *frame, struct listening_port *ret_port)
{
    int64_t port = get(frame, AGENT_PORT, 0);
    int64_t pid = get(frame, AGENT_PID, 0);
    unsigned char bytes[16];
    *ret_port = (struct listening_port){.port = (int)port};
    fields_get_text(frame->payload, frame->length, AGENT_ADDRESS, ret_port->address,
                    sizeof(ret_port->address));
    fields_get_text(frame->payload, frame->length, AGENT_NAME, ret_port->name,
                    sizeof(ret_port->name));
    call_sanitize(ret_port->name, false);
    ret_port->pid = pid > 0 && pid <= INT32_MAX ? pid : 0;
    return frame->type == AGENT_FRAME_PORT && port > 0 && port <= UINT16_MAX &&
           (inet_pton(AF_INET, ret_port->address, bytes) == 1 ||
            inet_pton(AF_INET6, ret_port->address, bytes) == 1);
}

static int take_ports(struct agent_call *call, struct listening_port **ports, size_t *count,
                      struct error *err)
{
    enum { PORTS_MAX = 4096 };
    for (;;) {
        struct call_wait wait = call_default_wait();
        struct call_frame frame;
        if (call_next(call, &wait, &frame, err) < 0) {
            return -1;
        }
        if (frame.type == AGENT_FRAME_DONE) {
            return 0;
        }
        if (*count == PORTS_MAX) {
            return call_violation(call, "too many ports", err);
        }
        void *longer = reallocarray(*ports, *count + 1, sizeof(**ports));
        if (!longer) {
            return error_set(err, ERR_INTERNAL, ENOMEM, "list ports");
        }
        *ports = longer;
        if (!parse_port(&frame, &(*ports)[(*count)++])) {
            return call_violation(call, "an odd port", err);
        }
    }
}

int agent_ports(const char *socket_path, struct listening_port **ret_ports, size_t *ret_count,
                struct error *err)
{
    struct agent_call *call = begin(socket_path, AGENT_OP_PORTS, NULL, false, err);
    if (!call) {
        return -1;
    }
    auto_free struct listening_port *ports = NULL;
    size_t count = 0;
    int result = take_ports(call, &ports, &count, err);
    agent_call_free(call);
    if (result == 0) {
        *ret_ports = take_pointer(&ports);
        *ret_count = count;
    }
    return result;
}
