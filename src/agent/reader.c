/* Connections that read a session's output, each at its own pace, and may send it input. */
#include "agent/session.h"

#include "agent/drain.h"
#include "agent/intake.h"
#include "agent/pty.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    ROUNDS_A_TURN_MAX = 8, /* so that one busy reader does not starve the others */
    PIECES_A_TURN_MAX = 16,
    OUTPUT_HEAD_MAX = 128, /* an OUTPUT frame without its bytes */
    FRAMES_BYTES =
        OUTPUT_HEAD_MAX + CHUNK_BYTES, /* of the batch; the rest is for what the spool gives */
};

struct reader {
    struct buried buried; /* first: see agent_bury */
    struct session *session;
    struct reader *next, **slot;
    struct watch socket;
    struct spool_cursor cursor;
    int64_t known_end; /* of the spool when it came */
    bool follow;
    bool caught_up;
    bool over;        /* the final frame was queued */
    bool more;        /* there is more to send than one turn allows */
    bool input_waits; /* the session does not take what comes: the socket is not read */
    struct backlog pending;
    struct intake intake;
    size_t batch_length;
};

static void reader_end(struct reader *reader)
{
    struct session *session = reader->session;
    struct agent *agent = session->agent;
    drain_connection(agent, &reader->socket);
    backlog_clear(&reader->pending);
    *reader->slot = reader->next;
    if (reader->next) {
        reader->next->slot = reader->slot;
    }
    agent->sessions.reader_count--;
    agent_bury(agent, &reader->buried);
    if (reader->follow && --session->viewer_count == 0 && session->detach_ms > 0) {
        session_due(session, &session->detach_at_ms, monotonic_ms() + session->detach_ms);
    }
    if (!session->slot && !session->readers) {
        session_free(session);
    }
}

static void watch_socket(struct reader *reader)
{
    uint32_t events = EPOLLRDHUP;
    if (reader->follow && !reader->input_waits) {
        events |= EPOLLIN;
    }
    if (reader->more || backlog_waits(&reader->pending)) {
        events |= EPOLLOUT;
    }
    loop_watch(&reader->session->agent->loop, &reader->socket, events);
}

/* Room for another piece, or for a final frame. */
static size_t room(const struct reader *reader)
{
    return FRAMES_BYTES - reader->batch_length;
}

static void put_output(struct reader *reader, const struct spool_piece *piece,
                       const unsigned char *bytes)
{
    struct frame_writer writer;
    frame_start(&writer, reader->session->agent->batch + reader->batch_length, room(reader));
    fields_put_int(&writer.fields, AGENT_STREAM, piece->stream);
    fields_put_int(&writer.fields, AGENT_POSITION, reader->cursor.position);
    fields_put_int(&writer.fields, AGENT_TIME_MS, piece->time_ms);
    if (piece->lost > 0) {
        fields_put_int(&writer.fields, AGENT_LOST, piece->lost);
    }
    fields_put_bytes(&writer.fields, AGENT_BYTES, bytes, piece->length);
    reader->batch_length += frame_finish(&writer, AGENT_FRAME_OUTPUT);
}

/* Puts kept output into the batch as far as there is room. Returns whether all of it was. */
static bool put_pieces(struct reader *reader)
{
    const struct spool *spool = &reader->session->spool;
    int64_t limit = reader->follow ? spool->end : reader->known_end;
    unsigned char *bytes = reader->session->agent->batch + FRAMES_BYTES;
    while (room(reader) > 2 * OUTPUT_HEAD_MAX) {
        size_t size = room(reader) - 2 * OUTPUT_HEAD_MAX;
        struct spool_piece piece;
        if (size > CHUNK_BYTES / 2) {
            size = CHUNK_BYTES / 2;
        }
        if (!spool_read(spool, &reader->cursor, limit, bytes, size, &piece)) {
            return true;
        }
        put_output(reader, &piece, bytes);
    }
    return false;
}

static void put_caught_up(struct reader *reader)
{
    unsigned char *frame = reader->session->agent->batch + reader->batch_length;
    frame_header_encode((struct frame_header){0, AGENT_FRAME_CAUGHT_UP}, frame);
    reader->batch_length += FRAME_HEADER_BYTES;
    reader->caught_up = true;
}

/* DONE of one that does not follow, EXIT of one that does. */
static void put_final(struct reader *reader)
{
    const struct session *session = reader->session;
    struct frame_writer writer;
    frame_start(&writer, session->agent->batch + reader->batch_length,
                BATCH_BYTES - reader->batch_length);
    fields_put_int(&writer.fields, AGENT_POSITION, reader->cursor.position);
    if (reader->follow) {
        if (session->has_ending) {
            ending_put(&writer.fields, &session->ending);
        }
        ending_put_disk(&writer.fields);
    } else {
        fields_put_int(&writer.fields, AGENT_SESSION_STATE, session->state);
    }
    reader->batch_length +=
        frame_finish(&writer, reader->follow ? AGENT_FRAME_EXIT : AGENT_FRAME_DONE);
    reader->over = true;
}

/* One batch. 0, or -1 when the daemon is gone; sets ->more. */
static int send_round(struct reader *reader)
{
    const struct session *session = reader->session;
    reader->batch_length = 0;
    reader->more = !put_pieces(reader);
    if (reader->follow && !reader->caught_up && reader->cursor.position >= reader->known_end) {
        put_caught_up(reader);
    }
    if (!reader->more && (!reader->follow || session->state == AGENT_SESSION_ENDED)) {
        put_final(reader);
    }
    return backlog_send(&reader->pending, reader->socket.fd, session->agent->batch,
                        reader->batch_length);
}

/* Sends what there is. Frees the reader when it is over. */
static void reader_advance(struct reader *reader)
{
    int rounds = 0;
    int result = backlog_flush(&reader->pending, reader->socket.fd);
    reader->more = true;
    while (result == 0 && !reader->over && reader->more && !backlog_waits(&reader->pending) &&
           rounds++ < ROUNDS_A_TURN_MAX) {
        result = send_round(reader);
    }
    if (result < 0 || (reader->over && !backlog_waits(&reader->pending))) {
        reader_end(reader);
    } else {
        watch_socket(reader);
    }
}

static void take_piece(struct reader *reader, const struct intake_piece *piece)
{
    struct session *session = reader->session;
    int64_t rows = fields_get_int(piece->data, piece->length, AGENT_ROWS, 0);
    int64_t cols = fields_get_int(piece->data, piece->length, AGENT_COLS, 0);
    int64_t number = fields_get_int(piece->data, piece->length, AGENT_SIGNAL, 0);
    bool is_window = rows >= 1 && rows <= AGENT_WINDOW_MAX && cols >= 1 && cols <= AGENT_WINDOW_MAX;
    if (session->state != AGENT_SESSION_RUNNING) {
        return;
    }
    if (piece->type == AGENT_FRAME_SIGNAL && number >= 1 && number <= 64) {
        session_signal(session, (int)number);
    }
    if (piece->type == AGENT_FRAME_RESIZE && session->kind == AGENT_SESSION_TERMINAL && is_window) {
        pty_resize(session->output[0].fd, (int)rows, (int)cols);
    }
}

/* Receives as far as the session takes it. 0, or -1 when the daemon left or broke the protocol. */
static int pump_input(struct reader *reader)
{
    struct session *session = reader->session;
    for (int i = 0; i < PIECES_A_TURN_MAX; i++) {
        reader->input_waits = session->input_backlog.length > SESSION_STDIN_WAITS_MAX;
        if (reader->input_waits) {
            return 0;
        }
        struct intake_piece piece;
        unsigned char *buffer = session->agent->batch;
        int result =
            intake_receive(&reader->intake, reader->socket.fd, buffer, CHUNK_BYTES, &piece);
        if (result <= 0) {
            return result;
        }
        if (piece.type == AGENT_FRAME_STDIN && piece.length > 0) {
            session_feed(session, piece.data, piece.length);
        } else if (piece.type == AGENT_FRAME_STDIN) {
            session_end_input(session);
        } else if (piece.type != 0) {
            take_piece(reader, &piece);
        }
    }
    return 0;
}

static void on_socket(struct watch *watch, uint32_t events)
{
    struct reader *reader = watch->owner;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        reader_end(reader);
        return;
    }
    if ((events & EPOLLIN) && pump_input(reader) < 0) {
        reader_end(reader);
        return;
    }
    if (events & EPOLLOUT) {
        reader_advance(reader);
    } else {
        watch_socket(reader);
    }
}

void reader_start(struct session *session, int fd, const struct request *request)
{
    struct agent *agent = session->agent;
    struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        reply_error(fd, ENOMEM, "read a session");
        close(fd);
        return;
    }
    int64_t end = session->spool.end;
    reader->session = session;
    reader->socket = (struct watch){.fd = fd, .owner = reader, .on_ready = on_socket};
    reader->follow = request->follow;
    reader->known_end = end;
    reader->cursor.position = request->position < 0 ? 0 : request->position;
    if (reader->cursor.position > end) {
        reader->cursor.position = end;
    }
    reader->slot = &session->readers;
    reader->next = session->readers;
    if (reader->next) {
        reader->next->slot = &reader->next;
    }
    session->readers = reader;
    agent->sessions.reader_count++;
    if (reader->follow) {
        session->viewer_count++;
        session->detach_at_ms = INT64_MAX;
    }
    if (request->rows > 0 && request->cols > 0 && session->output[0].fd >= 0 &&
        session->kind == AGENT_SESSION_TERMINAL) {
        pty_resize(session->output[0].fd, (int)request->rows, (int)request->cols);
    }
    reader_advance(reader);
}

void readers_advance(struct session *session)
{
    struct reader *next;
    for (struct reader *reader = session->readers; reader; reader = next) {
        next = reader->next;
        if (reader->follow && !reader->more && !backlog_waits(&reader->pending)) {
            reader_advance(reader);
        }
    }
}

void readers_continue_input(struct session *session)
{
    struct reader *next;
    for (struct reader *reader = session->readers; reader; reader = next) {
        next = reader->next;
        if (reader->input_waits && session->input_backlog.length <= SESSION_STDIN_WAITS_MAX) {
            reader->input_waits = false;
            watch_socket(reader);
        }
    }
}
