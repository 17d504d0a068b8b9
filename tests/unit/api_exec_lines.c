/* How a command's output is cut into the pieces of a stream. */
#include "check.h"

#include "api/exec_lines.h"

#include <stdlib.h>
#include <string.h>

static void add(struct exec_lines *lines, const char *text)
{
    CHECK_INT(exec_lines_add(lines, (struct bytes_view){text, strlen(text)}), 0);
}

static void check_next(struct exec_lines *lines, const char *wanted)
{
    struct bytes_view piece;
    char text[64] = "";
    if (CHECK(exec_lines_next(lines, &piece)) && CHECK(piece.length < sizeof(text))) {
        memcpy(text, piece.data, piece.length);
        CHECK_TEXT(text, wanted);
    }
}

static void check_flush(struct exec_lines *lines, bool final, const char *wanted)
{
    struct bytes_view piece = {"", 0};
    char text[64] = "";
    CHECK(exec_lines_flush(lines, final, &piece) == (wanted[0] != '\0'));
    memcpy(text, piece.data, piece.length);
    CHECK_TEXT(text, wanted);
}

static void pieces_end_at_newlines(void)
{
    struct exec_lines lines = EXEC_LINES_INIT;
    struct bytes_view piece;
    add(&lines, "one\ntwo\n\nthr");
    check_next(&lines, "one\n");
    check_next(&lines, "two\n");
    check_next(&lines, "\n");
    CHECK(!exec_lines_next(&lines, &piece));
    CHECK(exec_lines_partial(&lines));
    add(&lines, "ee\n");
    check_next(&lines, "three\n");
    CHECK(!exec_lines_partial(&lines));
    check_flush(&lines, true, "");
    buffer_free(&lines.bytes);
}

static void a_begun_line_can_be_flushed(void)
{
    struct exec_lines lines = EXEC_LINES_INIT;
    struct bytes_view piece;
    add(&lines, "name: ");
    CHECK(!exec_lines_next(&lines, &piece));
    check_flush(&lines, false, "name: ");
    add(&lines, "x\n");
    check_next(&lines, "x\n");
    buffer_free(&lines.bytes);
}

static void a_flush_does_not_cut_characters(void)
{
    struct exec_lines lines = EXEC_LINES_INIT;
    add(&lines, "\xe2\x82");
    CHECK(!exec_lines_partial(&lines));
    check_flush(&lines, false, "");
    add(&lines, "\xac+\xc3");
    check_flush(&lines, false, "€+");
    check_flush(&lines, true, "\xc3");
    buffer_free(&lines.bytes);
}

static void a_long_line_comes_in_pieces(void)
{
    enum { TOTAL = 3 * EXEC_LINE_MAX_BYTES + 100, STEP = 7001 };
    struct exec_lines lines = EXEC_LINES_INIT;
    char *text = malloc(TOTAL);
    REQUIRE(text);
    memset(text, 'z', TOTAL);
    struct bytes_view piece;
    size_t got = 0, longest = 0;
    for (size_t at = 0; at < TOTAL; at += STEP) {
        size_t step = TOTAL - at < STEP ? TOTAL - at : STEP;
        CHECK_INT(exec_lines_add(&lines, (struct bytes_view){text + at, step}), 0);
        while (exec_lines_next(&lines, &piece)) {
            got += piece.length;
            longest = piece.length > longest ? piece.length : longest;
        }
    }
    CHECK_INT((long long)longest, EXEC_LINE_MAX_BYTES);
    CHECK(exec_lines_flush(&lines, true, &piece));
    CHECK_INT((long long)(got + piece.length), TOTAL);
    free(text);
    buffer_free(&lines.bytes);
}

static const struct check_case cases[] = {
    {"pieces end at newlines", pieces_end_at_newlines},
    {"a begun line can be flushed", a_begun_line_can_be_flushed},
    {"a flush does not cut characters", a_flush_does_not_cut_characters},
    {"a long line comes in pieces", a_long_line_comes_in_pieces},
};

CHECK_MAIN(cases)
