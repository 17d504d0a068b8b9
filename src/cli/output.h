/* What the user sees: errors, JSON, tables. */
#ifndef ATOLL_CLI_OUTPUT_H
#define ATOLL_CLI_OUTPUT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Prints the error and its hint on standard error, as {"error":{…}} when json. Returns the exit
 * code that the error means. */
int report_error(const struct error *err, bool json);

/* Prints the value and a newline on standard output. Returns EXIT_OK, or EXIT_API_ERROR when
 * standard output cannot be written. */
int print_json(const json_t *value);

/* Prints text with control characters as '?': names made inside a sandbox must not drive a
 * terminal. */
void print_safe(FILE *out, const char *text);

enum { TABLE_COLUMNS_MAX = 8 };

/* A table of text. On a terminal it has a heading and aligned columns; elsewhere rows of cells
 * separated by tabs. */
struct table {
    int column_count;
    const char *headings[TABLE_COLUMNS_MAX];
    char **cells; /* row by row; owned */
    size_t cell_count;
};

/* Copies column_count texts. 0, or -1 without memory. */
int table_add(struct table *table, const char *const *texts);
void table_print(const struct table *table, bool terminal);
void table_free(struct table *table);

/* "3 min", "2 h", "5 d": about how long. */
const char *duration_text(int64_t seconds, char text[32]);

/* Seconds since 1970 of "2026-04-25T10:00:00.123Z", or -1. */
int64_t timestamp_seconds(const char *text);

#endif
