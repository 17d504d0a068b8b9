/* Frames as they come in, without waiting: input in the parts that are there, small frames whole. */
#ifndef ATOLL_AGENT_INTAKE_H
#define ATOLL_AGENT_INTAKE_H

#include "wire/frame.h"

#include <stdbool.h>

enum { INTAKE_FIELDS_MAX = 64 };

struct intake {
    unsigned char header[FRAME_HEADER_BYTES];
    size_t header_length;
    uint8_t type;
    size_t payload_left;
    unsigned char fields[INTAKE_FIELDS_MAX];
    size_t fields_length;
};

/* A part of a STDIN frame's bytes (none: end of input), or all fields of another frame. */
struct intake_piece {
    uint8_t type; /* enum agent_frame; 0: nothing complete yet, go on */
    const unsigned char *data;
    size_t length;
};

/* Receives once; STDIN bytes go into buffer[size]. Returns 1, 0 to wait, -1 when the peer left or sent
 * what is neither STDIN nor a small frame. */
int intake_receive(struct intake *intake, int fd, unsigned char *buffer, size_t size,
                   struct intake_piece *ret_piece);

#endif
