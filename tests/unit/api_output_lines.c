/* Lines of a job's output and the places from which reading goes on. */
#include "check.h"

#include "api/output_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bytes_view view(const char *text)
{
    return (struct bytes_view){text, strlen(text)};
}

/* Every line as "stream:text@place;", with ~ for a newline. */
static void take_all(struct output_lines *output, enum output_take take, char *text, size_t size)
{
    int stream;
    struct bytes_view piece;
    char place[OUTPUT_PLACE_SIZE];
    while (output_lines_next(output, take, &stream, &piece)) {
        const char *where = output_lines_place(output, place);
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%d:%.*s@%s;", stream, (int)piece.length, piece.data,
                 where ? where : "?");
    }
    for (char *c = text; *c; c++) {
        *c = *c == '\n' ? '~' : *c;
    }
}

static void feed(struct output_lines *output, int stream, const char *piece, int64_t position,
                 char *text, size_t size)
{
    CHECK_INT(output_lines_add(output, stream, view(piece), position), 0);
    take_all(output, OUTPUT_WHOLE, text, size);
}

static void start(struct output_lines *output, const char *place)
{
    struct output_place parsed;
    struct error err = {0};
    CHECK_INT(output_place_parse(place, &parsed, &err), 0);
    output_lines_init(output, &parsed);
}

static void a_place_at_the_end_of_a_piece_is_its_position(void)
{
    struct output_lines output;
    char text[1024] = "";
    start(&output, "");
    feed(&output, 0, "a\nb\n", 14, text, sizeof(text));
    feed(&output, 1, "c\n", 26, text, sizeof(text));
    CHECK_TEXT(text, "0:a~@0-2-0;0:b~@14;1:c~@26;");
    output_lines_free(&output);
}

static void a_begun_line_holds_the_place_back(void)
{
    struct output_lines output;
    char text[1024] = "";
    start(&output, "");
    feed(&output, 0, "a\nbe", 14, text, sizeof(text));
    feed(&output, 1, "err\n", 28, text, sizeof(text));
    feed(&output, 0, "gun\n", 42, text, sizeof(text));
    CHECK_TEXT(text, "0:a~@0-2-0;1:err~@0-2-4;0:begun~@42;");
    output_lines_free(&output);
}

/* From each place of a run, the rest is the same as without the interruption. */
static void reading_goes_on_from_every_place(void)
{
    static const struct {
        int stream;
        const char *bytes;
        int64_t position;
    } pieces[] = {
        {0, "a\nbe", 14}, {1, "e1\ne2", 29}, {0, "gun\nx\ny", 46}, {1, "\n", 57}, {0, "z\n", 69}};
    enum { COUNT = sizeof(pieces) / sizeof(pieces[0]) };
    char places[32][OUTPUT_PLACE_SIZE] = {""};
    char whole[2][256] = {"", ""}, before[32][2][256] = {{"", ""}};
    size_t place_count = 1;
    struct output_lines output;
    start(&output, "");
    for (int i = 0; i < COUNT; i++) {
        int stream;
        struct bytes_view piece;
        CHECK_INT(
            output_lines_add(&output, pieces[i].stream, view(pieces[i].bytes), pieces[i].position),
            0);
        while (output_lines_next(&output, OUTPUT_WHOLE, &stream, &piece)) {
            strncat(whole[stream], piece.data, piece.length);
            memcpy(before[place_count], whole, sizeof(whole));
            CHECK(output_lines_place(&output, places[place_count]) != NULL);
            place_count++;
        }
    }
    output_lines_free(&output);
    CHECK_INT((int)place_count, 7);
    for (size_t k = 0; k < place_count; k++) {
        char rest[2][256] = {"", ""};
        memcpy(rest, before[k], sizeof(rest));
        start(&output, places[k]);
        for (int i = 0; i < COUNT; i++) {
            int stream;
            struct bytes_view piece;
            if (pieces[i].position <= strtoll(places[k], NULL, 10)) {
                continue; /* the agent sends what lies behind the position */
            }
            CHECK_INT(output_lines_add(&output, pieces[i].stream, view(pieces[i].bytes),
                                       pieces[i].position),
                      0);
            while (output_lines_next(&output, OUTPUT_WHOLE, &stream, &piece)) {
                strncat(rest[stream], piece.data, piece.length);
            }
        }
        CHECK_TEXT(rest[0], "a\nbegun\nx\nyz\n");
        CHECK_TEXT(rest[1], "e1\ne2\n");
        output_lines_free(&output);
    }
}

static void many_pieces_without_a_newline_go_out_as_they_are(void)
{
    struct output_lines output;
    char text[4096] = "";
    start(&output, "");
    for (int i = 0; i < OUTPUT_MARKS_MAX; i++) {
        CHECK_TEXT(text, "");
        feed(&output, 0, "x", i + 1, text, sizeof(text));
    }
    CHECK_INT((int)strlen(text), (int)strlen("0:@64;") + OUTPUT_MARKS_MAX);
    CHECK(strstr(text, "x@64;") != NULL);
    output_lines_free(&output);
}

static void behind_a_loss_no_place_is_known_until_a_piece_is_whole(void)
{
    struct output_lines output;
    char text[1024] = "";
    start(&output, "10-1-1");
    take_all(&output, OUTPUT_FINAL, text, sizeof(text));
    output_lines_lose(&output);
    feed(&output, 0, "a\nb\n", 5000, text, sizeof(text));
    feed(&output, 0, "c\nd", 5010, text, sizeof(text));
    CHECK_TEXT(text, "0:a~@?;0:b~@5000;0:c~@5000-2-0;");
    output_lines_free(&output);
}

static void foreign_places_are_refused(void)
{
    static const char *const bad[] = {"x",       "-1", "1-", "1-2-", "1-2-3-",
                                      "1-2-3-4", " 1", "1 ", "+1",   "99999999999999999999",
                                      "1--2",    "0x1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct output_place place;
        struct error err = {0};
        CHECK_INT(output_place_parse(bad[i], &place, &err), -1);
        CHECK_TEXT(err.field, "last_event_id");
    }
}

static const struct check_case cases[] = {
    {"a place at the end of a piece is its position",
     a_place_at_the_end_of_a_piece_is_its_position},
    {"a begun line holds the place back", a_begun_line_holds_the_place_back},
    {"reading goes on from every place", reading_goes_on_from_every_place},
    {"many pieces without a newline go out as they are",
     many_pieces_without_a_newline_go_out_as_they_are},
    {"behind a loss no place is known until a piece is whole",
     behind_a_loss_no_place_is_known_until_a_piece_is_whole},
    {"foreign places are refused", foreign_places_are_refused},
};

CHECK_MAIN(cases)
