#include "wire/frame.h"

void frame_header_encode(struct frame_header header, unsigned char bytes[FRAME_HEADER_BYTES])
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (unsigned char)(header.length >> (8 * i));
    }
    bytes[4] = header.type;
    bytes[5] = bytes[6] = bytes[7] = 0;
}

int frame_header_decode(const unsigned char bytes[FRAME_HEADER_BYTES],
                        struct frame_header *ret_header)
{
    uint32_t length = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                      (uint32_t)bytes[3] << 24;
    if (length > FRAME_PAYLOAD_MAX || bytes[4] == 0 || (bytes[5] | bytes[6] | bytes[7]) != 0) {
        return -1;
    }
    ret_header->length = length;
    ret_header->type = bytes[4];
    return 0;
}
