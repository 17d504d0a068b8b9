#include "agent/command_io.h"

#include "wire/agent_protocol.h"
#include "wire/fields.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Frames handled for one event, so that one busy connection does not starve the others. */
enum { FRAMES_A_TURN_MAX = 16 };

static bool is_pending(const struct backlog *backlog)
{
    return backlog->length > 0;
}

static void backlog_clear(struct backlog *backlog)
{
    free(backlog->data);
    *backlog = (struct backlog){0};
}

/* Copies what was left over; -1 when there is no memory. */
static int backlog_keep(struct backlog *backlog, const unsigned char *data, size_t length)
{
    assert(!is_pending(backlog));
    backlog->data = malloc(length);
    if (!backlog->data) {
        return -1;
    }
    memcpy(backlog->data, data, length);
    backlog->offset = 0;
    backlog->length = length;
    return 0;
}

void command_watch_socket(struct command *command)
{
    uint32_t events = EPOLLRDHUP;
    if (!is_pending(&command->input_pending)) {
        events |= EPOLLIN;
    }
    if (is_pending(&command->pending)) {
        events |= EPOLLOUT;
    }
    loop_watch(&command->agent->loop, &command->socket, events);
}

/* Returns how many bytes the socket took, or -1 when the daemon is gone. */
static ssize_t send_some(struct command *command, const unsigned char *data, size_t length)
{
    for (;;) {
        ssize_t sent = send(command->socket.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            return sent;
        }
        if (errno == EAGAIN) {
            return 0;
        }
        if (errno != EINTR) {
            return -1;
        }
    }
}

int command_send_batch(struct command *command)
{
    size_t length = command->batch_length;
    command->batch_length = 0;
    if (length == 0) {
        return 0;
    }
    assert(!is_pending(&command->pending) && length <= BATCH_BYTES);
    size_t done = 0;
    while (done < length) {
        ssize_t sent = send_some(command, command->agent->batch + done, length - done);
        if (sent < 0) {
            return -1;
        }
        if (sent == 0) {
            return backlog_keep(&command->pending, command->agent->batch + done, length - done);
        }
        done += (size_t)sent;
    }
    return 0;
}

int command_flush(struct command *command)
{
    struct backlog *pending = &command->pending;
    while (is_pending(pending)) {
        ssize_t sent = send_some(command, pending->data + pending->offset, pending->length);
        if (sent <= 0) {
            return (int)sent;
        }
        pending->offset += (size_t)sent;
        pending->length -= (size_t)sent;
    }
    backlog_clear(pending);
    return 0;
}

/* Reads one chunk of a stream into the batch as a frame. */
static void read_output(struct command *command, int stream)
{
    struct watch *watch = &command->output[stream];
    size_t wanted = CHUNK_BYTES;
    if (command->reaped && command->remaining[stream] < wanted) {
        wanted = command->remaining[stream];
    }
    if (watch->fd < 0 || wanted == 0) {
        return;
    }
    unsigned char *frame = command->agent->batch + command->batch_length;
    assert(command->batch_length + FRAME_HEADER_BYTES + wanted <= BATCH_BYTES);
    ssize_t got = read(watch->fd, frame + FRAME_HEADER_BYTES, wanted);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (errno == EAGAIN) {
            command->remaining[stream] = 0;
        }
        return;
    }
    if (got <= 0) {
        command->remaining[stream] = 0;
        watch_close(watch);
        return;
    }
    uint8_t type = stream == 0 ? AGENT_FRAME_STDOUT : AGENT_FRAME_STDERR;
    frame_header_encode((struct frame_header){(uint32_t)got, type}, frame);
    command->batch_length += FRAME_HEADER_BYTES + (size_t)got;
    if (command->reaped) {
        command->remaining[stream] -= (size_t)got;
    }
}

static void watch_outputs(struct command *command)
{
    uint32_t events = is_pending(&command->pending) || command->reaped ? 0 : EPOLLIN;
    for (int stream = 0; stream < 2; stream++) {
        if (command->output[stream].fd >= 0) {
            loop_watch(&command->agent->loop, &command->output[stream], events);
        }
    }
}

bool command_output_done(const struct command *command)
{
    return command->remaining[0] == 0 && command->remaining[1] == 0;
}

int command_pump_output(struct command *command)
{
    int rounds = 0;
    do {
        if (command_flush(command) < 0) {
            return -1;
        }
        if (is_pending(&command->pending)) {
            break;
        }
        read_output(command, 0);
        read_output(command, 1);
        /* The batch of a command that ended is sent together with its EXIT. */
        if (!(command->reaped && command_output_done(command)) && command_send_batch(command) < 0) {
            return -1;
        }
    } while (command->reaped && !command_output_done(command) && ++rounds < FRAMES_A_TURN_MAX);
    watch_outputs(command);
    return 0;
}

/* Writes to stdin what it takes and keeps the rest. Bytes for a command that reads no more vanish. */
static int feed_input(struct command *command, const unsigned char *data, size_t length)
{
    struct watch *input = &command->input;
    while (length > 0 && input->fd >= 0) {
        ssize_t written = write(input->fd, data, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno == EAGAIN) {
            if (backlog_keep(&command->input_pending, data, length) < 0) {
                return -1;
            }
            return loop_watch(&command->agent->loop, input, EPOLLOUT);
        }
        if (written < 0) {
            watch_close(input);
            return 0;
        }
        data += written;
        length -= (size_t)written;
    }
    return 0;
}

void command_flush_input(struct command *command)
{
    struct backlog waiting = command->input_pending;
    command->input_pending = (struct backlog){0};
    loop_watch(&command->agent->loop, &command->input, 0);
    if (waiting.data && feed_input(command, waiting.data + waiting.offset, waiting.length) < 0) {
        watch_close(&command->input);
    }
    free(waiting.data);
}

static ssize_t receive_some(struct command *command, void *data, size_t length)
{
    ssize_t got;
    do {
        got = recv(command->socket.fd, data, length, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got;
}

static void send_signal(struct command *command)
{
    int64_t number =
        fields_get_int(command->signal_fields, command->signal_length, AGENT_SIGNAL, 0);
    if (number >= 1 && number < SIGRTMAX && !command->reaped && command->pid > 1) {
        kill(-command->pid, (int)number);
    }
}

/* A frame's header is complete. 0, or -1 when it is not one that a command takes. */
static int start_frame(struct command *command)
{
    struct frame_header header;
    if (frame_header_decode(command->header, &header) < 0) {
        return -1;
    }
    command->frame_type = header.type;
    command->payload_left = header.length;
    if (header.type == AGENT_FRAME_SIGNAL) {
        command->signal_length = 0;
        return header.length > 0 && header.length <= sizeof(command->signal_fields) ? 0 : -1;
    }
    if (header.type != AGENT_FRAME_STDIN) {
        return -1;
    }
    if (header.length == 0) {
        watch_close(&command->input);
        command->header_length = 0;
    }
    return 0;
}

/* Returns 1 to go on, 0 to wait, -1. */
static int receive_header(struct command *command)
{
    ssize_t got = receive_some(command, command->header + command->header_length,
                               FRAME_HEADER_BYTES - command->header_length);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN ? 0 : -1;
    }
    command->header_length += (size_t)got;
    if (command->header_length < FRAME_HEADER_BYTES) {
        return 1;
    }
    return start_frame(command) < 0 ? -1 : 1;
}

static int receive_payload(struct command *command)
{
    bool is_signal = command->frame_type == AGENT_FRAME_SIGNAL;
    unsigned char *target =
        is_signal ? command->signal_fields + command->signal_length : command->agent->batch;
    size_t wanted = command->payload_left < CHUNK_BYTES ? command->payload_left : CHUNK_BYTES;
    ssize_t got = receive_some(command, target, wanted);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN ? 0 : -1;
    }
    command->payload_left -= (size_t)got;
    if (command->payload_left == 0) {
        command->header_length = 0;
    }
    if (!is_signal) {
        return feed_input(command, target, (size_t)got) < 0 ? -1 : 1;
    }
    command->signal_length += (size_t)got;
    if (command->payload_left == 0) {
        send_signal(command);
    }
    return 1;
}

int command_pump_input(struct command *command)
{
    for (int i = 0; i < FRAMES_A_TURN_MAX && !is_pending(&command->input_pending); i++) {
        bool in_payload = command->header_length == FRAME_HEADER_BYTES;
        int result = in_payload ? receive_payload(command) : receive_header(command);
        if (result <= 0) {
            return result;
        }
    }
    return 0;
}
