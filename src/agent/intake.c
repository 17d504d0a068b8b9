#include "agent/intake.h"

#include "wire/agent_protocol.h"

#include <errno.h>
#include <sys/socket.h>

static ssize_t receive_some(int fd, void *data, size_t length)
{
    ssize_t got;
    do {
        got = recv(fd, data, length, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got;
}

static int waits_or_gone(ssize_t got)
{
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

/* A frame's header is complete. */
static int start_frame(struct intake *intake, struct intake_piece *ret_piece)
{
    struct frame_header header;
    if (frame_header_decode(intake->header, &header) < 0) {
        return -1;
    }
    intake->type = header.type;
    intake->payload_left = header.length;
    intake->fields_length = 0;
    if (header.type != AGENT_FRAME_STDIN) {
        return header.length > 0 && header.length <= INTAKE_FIELDS_MAX ? 1 : -1;
    }
    if (header.length == 0) {
        intake->header_length = 0;
        ret_piece->type = AGENT_FRAME_STDIN;
    }
    return 1;
}

static int receive_header(struct intake *intake, int fd, struct intake_piece *ret_piece)
{
    ssize_t got = receive_some(fd, intake->header + intake->header_length,
                               FRAME_HEADER_BYTES - intake->header_length);
    if (got <= 0) {
        return waits_or_gone(got);
    }
    intake->header_length += (size_t)got;
    return intake->header_length < FRAME_HEADER_BYTES ? 1 : start_frame(intake, ret_piece);
}

int intake_receive(struct intake *intake, int fd, unsigned char *buffer, size_t size,
                   struct intake_piece *ret_piece)
{
    *ret_piece = (struct intake_piece){0};
    if (intake->header_length < FRAME_HEADER_BYTES) {
        return receive_header(intake, fd, ret_piece);
    }
    bool is_input = intake->type == AGENT_FRAME_STDIN;
    size_t wanted = is_input && intake->payload_left > size ? size : intake->payload_left;
    unsigned char *target = is_input ? buffer : intake->fields + intake->fields_length;
    ssize_t got = receive_some(fd, target, wanted);
    if (got <= 0) {
        return waits_or_gone(got);
    }
    intake->payload_left -= (size_t)got;
    if (intake->payload_left == 0) {
        intake->header_length = 0;
    }
    if (is_input) {
        *ret_piece = (struct intake_piece){intake->type, target, (size_t)got};
        return 1;
    }
    intake->fields_length += (size_t)got;
    if (intake->payload_left == 0) {
        *ret_piece = (struct intake_piece){intake->type, intake->fields, intake->fields_length};
    }
    return 1;
}
