/*
 * Frames on an agent connection (a stream): u32 LE payload length, u8 type, three zero bytes, payload.
 * Pure functions.
 */
#ifndef ATOLL_WIRE_FRAME_H
#define ATOLL_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 8,
    /* Largest payload: one read's worth of file data, and room for the largest head (argument
     * vector and environment of a command, which Linux limits to 128 KiB a string). */
    FRAME_PAYLOAD_MAX = 1024 * 1024,
    /* What a sender of file data or output puts into one frame at most. */
    FRAME_DATA_MAX = 256 * 1024,
};

struct frame_header {
    uint32_t length; /* of the payload */
    uint8_t type;
};

void frame_header_encode(struct frame_header header, unsigned char bytes[FRAME_HEADER_BYTES]);

/* Returns 0, or -1 when the header is not one of ours (length over FRAME_PAYLOAD_MAX, reserved
 * bytes not zero, type 0). */
int frame_header_decode(const unsigned char bytes[FRAME_HEADER_BYTES],
                        struct frame_header *ret_header);

#endif
