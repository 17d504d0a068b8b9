/* Arbitrary pieces of a job's output: whatever was taken out, going on from the place there gives the rest, each byte
 * once and in order. */
#include "api/output_lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 64 * 1024, PIECES_MAX = 1024 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct piece {
    int stream;
    enum output_take how;
    struct bytes_view bytes;
};

struct text {
    char bytes[OUTPUT_STREAMS][BYTES_MAX];
    size_t length[OUTPUT_STREAMS];
};

static void keep(struct text *text, int stream, struct bytes_view bytes)
{
    assert(text->length[stream] + bytes.length <= BYTES_MAX);
    memcpy(text->bytes[stream] + text->length[stream], bytes.data, bytes.length);
    text->length[stream] += bytes.length;
}

/* A byte that says stream, how to take and the length, then as many bytes. */
static int split(const unsigned char *data, size_t size, struct piece pieces[PIECES_MAX])
{
    int count = 0;
    for (size_t at = 0; at < size && count < PIECES_MAX; count++) {
        size_t length = data[at] >> 2;
        struct piece piece = {data[at] & 1, data[at] & 2 ? OUTPUT_PARTIAL : OUTPUT_WHOLE, {0}};
        at++;
        length = length < size - at ? length : size - at;
        piece.bytes = (struct bytes_view){(const char *)data + at, length};
        pieces[count] = piece;
        at += length;
    }
    return count;
}

/* Feeds what lies behind the place, as an agent would; stops after so many lines. */
static void run(const struct piece *pieces, int count, const char *from, int lines_max,
                struct text *text, char place[OUTPUT_PLACE_SIZE])
{
    struct output_lines output;
    struct output_place begin;
    struct error err = {0};
    assert(output_place_parse(from, &begin, &err) == 0);
    output_lines_init(&output, &begin);
    int lines = 0, stream;
    struct bytes_view line;
    for (int i = (int)begin.position; i < count && lines < lines_max; i++) {
        enum output_take how = i + 1 == count ? OUTPUT_FINAL : pieces[i].how;
        assert(output_lines_add(&output, pieces[i].stream, pieces[i].bytes, i + 1) == 0);
        while (lines < lines_max && output_lines_next(&output, how, &stream, &line)) {
            assert(line.length > 0);
            keep(text, stream, line);
            lines++;
        }
    }
    assert(output_lines_place(&output, place) == place);
    output_lines_free(&output);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct piece pieces[PIECES_MAX];
    static struct text wanted, got;
    char place[OUTPUT_PLACE_SIZE];
    if (size < 1 || size > BYTES_MAX) {
        return 0;
    }
    int count = split(data + 1, size - 1, pieces);
    memset(wanted.length, 0, sizeof(wanted.length));
    memset(got.length, 0, sizeof(got.length));
    for (int i = 0; i < count; i++) {
        keep(&wanted, pieces[i].stream, pieces[i].bytes);
    }
    run(pieces, count, "", data[0], &got, place);
    run(pieces, count, place, BYTES_MAX, &got, place);
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        assert(got.length[i] == wanted.length[i]);
        assert(memcmp(got.bytes[i], wanted.bytes[i], got.length[i]) == 0);
    }
    return 0;
}
