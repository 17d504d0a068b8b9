#include "wire/frame.h"

#include "check.h"

#include <string.h>

static void headers_make_the_round_trip(void)
{
    static const struct frame_header headers[] = {
        {0, 1}, {1, 255}, {FRAME_PAYLOAD_MAX, 7}, {0x1234, 2}};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        unsigned char bytes[FRAME_HEADER_BYTES];
        struct frame_header back = {0};
        frame_header_encode(headers[i], bytes);
        CHECK_INT(frame_header_decode(bytes, &back), 0);
        CHECK_INT(back.length, headers[i].length);
        CHECK_INT(back.type, headers[i].type);
    }
}

static void bytes_are_little_endian(void)
{
    unsigned char bytes[FRAME_HEADER_BYTES];
    frame_header_encode((struct frame_header){0x01020304, 5}, bytes);
    CHECK(memcmp(bytes, "\4\3\2\1\5\0\0\0", FRAME_HEADER_BYTES) == 0);
}

static void foreign_headers_are_refused(void)
{
    struct frame_header header;
    CHECK_INT(frame_header_decode((const unsigned char *)"\1\0\20\0\1\0\0\0", &header), -1);
    CHECK_INT(frame_header_decode((const unsigned char *)"\0\0\0\0\0\0\0\0", &header), -1);
    CHECK_INT(frame_header_decode((const unsigned char *)"\0\0\0\0\1\1\0\0", &header), -1);
    CHECK_INT(frame_header_decode((const unsigned char *)"\0\0\0\0\1\0\0\200", &header), -1);
    CHECK_INT(frame_header_decode((const unsigned char *)"GET / HT", &header), -1);
}

static const struct check_case cases[] = {
    {"headers make the round trip", headers_make_the_round_trip},
    {"bytes are little-endian", bytes_are_little_endian},
    {"foreign headers are refused", foreign_headers_are_refused},
};
CHECK_MAIN(cases)
