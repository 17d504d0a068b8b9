#include "api/output_lines.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- places --- */

static bool parse_number(const char **text, int64_t *ret_number)
{
    char *end;
    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    *ret_number = strtoll(*text, &end, 10);
    *text = end;
    return errno == 0;
}

int output_place_parse(const char *text, struct output_place *ret_place, struct error *err)
{
    struct output_place place = {0};
    const char *at = text;
    bool valid = !*at || parse_number(&at, &place.position);
    for (int i = 0; valid && *at && i < OUTPUT_STREAMS; i++) {
        valid = *at++ == '-' && parse_number(&at, &place.given[i]);
    }
    if (!valid || *at) {
        return error_set_field(err, ERR_VALIDATION, "last_event_id",
                               "last_event_id is not the id of an event of this stream");
    }
    *ret_place = place;
    return 0;
}

const char *output_lines_place(const struct output_lines *output, char text[OUTPUT_PLACE_SIZE])
{
    const struct output_place *place = &output->place;
    if (output->lost) {
        return NULL;
    }
    if (place->given[0] == 0 && place->given[1] == 0) {
        snprintf(text, OUTPUT_PLACE_SIZE, "%lld", (long long)place->position);
    } else {
        snprintf(text, OUTPUT_PLACE_SIZE, "%lld-%lld-%lld", (long long)place->position,
                 (long long)place->given[0], (long long)place->given[1]);
    }
    return text;
}

/* --- lines --- */

void output_lines_init(struct output_lines *output, const struct output_place *place)
{
    *output = (struct output_lines){.place = *place};
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        output->lines[i] = EXEC_LINES_INIT;
    }
}

void output_lines_free(struct output_lines *output)
{
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        buffer_free(&output->lines[i].bytes);
    }
}

/* Counts from the end of the last piece that was given out whole. */
static void move_on(struct output_lines *output)
{
    struct output_place *place = &output->place;
    int done = 0;
    while (done < output->mark_count && output->marks[done].fed[0] <= place->given[0] &&
           output->marks[done].fed[1] <= place->given[1]) {
        done++;
    }
    if (done == 0) {
        return;
    }
    struct output_mark whole = output->marks[done - 1];
    output->mark_count -= done;
    memmove(output->marks, output->marks + done,
            (size_t)output->mark_count * sizeof(output->marks[0]));
    place->position = whole.position;
    output->lost = false;
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        place->given[i] -= whole.fed[i];
        output->fed[i] -= whole.fed[i];
        for (int j = 0; j < output->mark_count; j++) {
            output->marks[j].fed[i] -= whole.fed[i];
        }
    }
}

int output_lines_add(struct output_lines *output, int stream, struct bytes_view bytes,
                     int64_t position)
{
    assert(stream >= 0 && stream < OUTPUT_STREAMS && output->mark_count < OUTPUT_MARKS_MAX);
    /* Only where reading began anew: what the reader has had already. */
    int64_t had = output->place.given[stream] - output->fed[stream];
    size_t skip = had <= 0 ? 0 : (size_t)had < bytes.length ? (size_t)had : bytes.length;
    struct bytes_view rest = {bytes.data + skip, bytes.length - skip};
    if (rest.length > 0 && exec_lines_add(&output->lines[stream], rest)) {
        return -1;
    }
    output->fed[stream] += (int64_t)bytes.length;
    output->marks[output->mark_count++] =
        (struct output_mark){position, {output->fed[0], output->fed[1]}};
    move_on(output);
    return 0;
}

void output_lines_lose(struct output_lines *output)
{
    output->lost = true;
    output->mark_count = 0;
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        output->place.given[i] = 0;
        output->fed[i] = 0;
    }
}

static bool next_of(struct output_lines *output, int stream, enum output_take take,
                    struct bytes_view *ret_piece)
{
    struct exec_lines *lines = &output->lines[stream];
    if (exec_lines_next(lines, ret_piece)) {
        return true;
    }
    return take != OUTPUT_WHOLE && exec_lines_flush(lines, take == OUTPUT_FINAL, ret_piece);
}

bool output_lines_next(struct output_lines *output, enum output_take take, int *ret_stream,
                       struct bytes_view *ret_piece)
{
    if (output->mark_count == OUTPUT_MARKS_MAX) {
        take = OUTPUT_FINAL;
    }
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        if (next_of(output, i, take, ret_piece)) {
            output->place.given[i] += (int64_t)ret_piece->length;
            move_on(output);
            *ret_stream = i;
            return true;
        }
    }
    return false;
}

bool output_lines_partial(const struct output_lines *output)
{
    return exec_lines_partial(&output->lines[0]) || exec_lines_partial(&output->lines[1]);
}
