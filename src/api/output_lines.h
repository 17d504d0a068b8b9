/*
 * Lines of a job's output, each with the place behind it, from which reading can go on without losing or repeating a
 * byte. Pieces come in with the agent's position behind them; lines end elsewhere. So a place is a position and how
 * many bytes behind it of standard output and of standard error were given out: "4096", "4096-17-0". Pure.
 */
#ifndef ATOLL_API_OUTPUT_LINES_H
#define ATOLL_API_OUTPUT_LINES_H

#include "api/exec_lines.h"
#include "base/error.h"
#include "wire/fields.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    OUTPUT_STREAMS = 2, /* standard output, standard error */
    OUTPUT_PLACE_SIZE = 64,
    /* Pieces that lie behind a place. When they are as many, begun lines are given out as they are. */
    OUTPUT_MARKS_MAX = 64,
};

struct output_place {
    int64_t position;
    int64_t given[OUTPUT_STREAMS]; /* bytes behind it */
};

/* "": the beginning. ERR_VALIDATION, field last_event_id. */
int output_place_parse(const char *text, struct output_place *ret_place, struct error *err);

struct output_mark {
    int64_t position;
    int64_t fed[OUTPUT_STREAMS];
};

struct output_lines {
    struct exec_lines lines[OUTPUT_STREAMS];
    struct output_place place;                  /* behind what was given out */
    int64_t fed[OUTPUT_STREAMS];                /* bytes behind place.position that came in */
    struct output_mark marks[OUTPUT_MARKS_MAX]; /* ends of pieces that were not given out whole */
    int mark_count;
    bool lost; /* until a piece was given out whole, no place is known */
};

/* place: where reading begins. */
void output_lines_init(struct output_lines *output, const struct output_place *place);
void output_lines_free(struct output_lines *output);

/* Adds a piece of stream (0, 1) that ends at position. Take out all lines before the next one. 0, or -1 with
 * errno. */
int output_lines_add(struct output_lines *output, int stream, struct bytes_view bytes,
                     int64_t position);

/* What comes next does not follow what came before. Take out all (final) before. */
void output_lines_lose(struct output_lines *output);

enum output_take {
    OUTPUT_WHOLE,   /* lines that have ended */
    OUTPUT_PARTIAL, /* begun ones, too, but for the first bytes of a character */
    OUTPUT_FINAL,   /* everything */
};

/* The next line with its newline, or what there is of it; borrowed until the next add. False: none. */
bool output_lines_next(struct output_lines *output, enum output_take take, int *ret_stream,
                       struct bytes_view *ret_piece);

/* Would OUTPUT_PARTIAL give something? */
bool output_lines_partial(const struct output_lines *output);

/* The place behind what was given out. NULL: not known. */
const char *output_lines_place(const struct output_lines *output, char text[OUTPUT_PLACE_SIZE]);

#endif
