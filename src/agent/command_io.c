#include "agent/command_io.h"

#include "wire/agent_protocol.h"
#include "wire/fields.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Frames handled for one event, so that one busy connection does not starve the others. */
enum { FRAMES_A_TURN_MAX = 16 };

void command_watch_socket(struct command *command)
{
    uint32_t events = EPOLLRDHUP;
    if (!backlog_waits(&command->input_pending)) {
        events |= EPOLLIN;
    }
    if (backlog_waits(&command->pending)) {
        events |= EPOLLOUT;
    }
    loop_watch(&command->agent->loop, &command->socket, events);
}

int command_send_batch(struct command *command)
{
    size_t length = command->batch_length;
    command->batch_length = 0;
    assert(length <= BATCH_BYTES);
    return length == 0
               ? 0
               : backlog_send(&command->pending, command->socket.fd, command->agent->batch, length);
}

int command_flush(struct command *command)
{
    return backlog_flush(&command->pending, command->socket.fd);
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
    uint32_t events = backlog_waits(&command->pending) || command->reaped ? 0 : EPOLLIN;
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
        if (backlog_waits(&command->pending)) {
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

static void send_signal(struct command *command, const struct intake_piece *piece)
{
    int64_t number = fields_get_int(piece->data, piece->length, AGENT_SIGNAL, 0);
    if (number >= 1 && number < SIGRTMAX && !command->reaped && command->pid > 1) {
        kill(-command->pid, (int)number);
    }
}

/* 1, or -1 when it is not for a command. */
static int take_piece(struct command *command, const struct intake_piece *piece)
{
    switch (piece->type) {
    case 0:
        break;
    case AGENT_FRAME_SIGNAL:
        send_signal(command, piece);
        break;
    case AGENT_FRAME_STDIN:
        if (piece->length == 0) {
            watch_close(&command->input);
        }
        return feed_input(command, piece->data, piece->length) < 0 ? -1 : 1;
    default:
        return -1;
    }
    return 1;
}

int command_pump_input(struct command *command)
{
    for (int i = 0; i < FRAMES_A_TURN_MAX && !backlog_waits(&command->input_pending); i++) {
        struct intake_piece piece;
        int result = intake_receive(&command->intake, command->socket.fd, command->agent->batch,
                                    CHUNK_BYTES, &piece);
        if (result <= 0) {
            return result;
        }
        if (take_piece(command, &piece) < 0) {
            return -1;
        }
    }
    return 0;
}
