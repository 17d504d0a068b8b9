#include "cli/output.h"

#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int exit_code_of(const struct error *err)
{
    if (err->code == ERR_HOST_UNAVAILABLE && err->errnum == ECONNREFUSED) {
        return EXIT_UNREACHABLE;
    }
    return error_http_status(err->code) == 404 ? EXIT_NOT_FOUND : EXIT_API_ERROR;
}

int report_error(const struct error *err, bool json)
{
    int exit_code = exit_code_of(err);
    const char *code = exit_code == EXIT_UNREACHABLE ? "UNREACHABLE" : error_api_code(err->code);
    const char *hint = *err->hint ? err->hint : error_default_hint(err->code);
    if (json) {
        json_t *value = json_pack("{s:{s:s,s:s,s:{s:s}}}", "error", "code", code, "message",
                                  err->message, "details", "hint", hint);
        json_dumpf(value, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(value);
        return exit_code;
    }
    fputs("atoll: ", stderr);
    print_safe(stderr, err->message);
    fputs("\nhint: ", stderr);
    print_safe(stderr, hint);
    fputc('\n', stderr);
    return exit_code;
}

int print_json(const json_t *value)
{
    if (!value) {
        return EXIT_OK;
    }
    int failed = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    return failed || putchar('\n') < 0 || fflush(stdout) ? EXIT_API_ERROR : EXIT_OK;
}

void print_safe(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        fputc((byte < 0x20 && byte != '\n') || byte == 0x7f ? '?' : byte, out);
    }
}

int table_add(struct table *table, const char *const *texts)
{
    size_t count = table->cell_count + (size_t)table->column_count;
    char **cells = realloc(table->cells, count * sizeof *cells);
    if (!cells) {
        return -1;
    }
    table->cells = cells;
    for (int i = 0; i < table->column_count; i++) {
        char *copy = strdup(texts[i]);
        if (!copy) {
            return -1;
        }
        cells[table->cell_count++] = copy;
    }
    return 0;
}

static void print_row(const struct table *table, const char *const *row, const int *widths)
{
    for (int i = 0; i < table->column_count; i++) {
        bool last = i + 1 == table->column_count;
        print_safe(stdout, row[i]);
        if (last) {
            putchar('\n');
        } else if (widths) {
            printf("%*s", widths[i] - (int)strlen(row[i]) + 2, "");
        } else {
            putchar('\t');
        }
    }
}

void table_print(const struct table *table, bool terminal)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    for (int i = 0; i < table->column_count; i++) {
        widths[i] = (int)strlen(table->headings[i]);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        int *width = &widths[i % (size_t)table->column_count];
        int length = (int)strlen(table->cells[i]);
        *width = length > *width ? length : *width;
    }
    if (terminal) {
        print_row(table, table->headings, widths);
    }
    for (size_t i = 0; i + (size_t)table->column_count <= table->cell_count;
         i += (size_t)table->column_count) {
        print_row(table, (const char *const *)table->cells + i, terminal ? widths : NULL);
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
}

const char *duration_text(int64_t seconds, char text[32])
{
    if (seconds < 120) {
        snprintf(text, 32, "%lld s", (long long)(seconds < 0 ? 0 : seconds));
    } else if (seconds < 2 * 3600) {
        snprintf(text, 32, "%lld min", (long long)seconds / 60);
    } else if (seconds < 2 * 86400) {
        snprintf(text, 32, "%lld h", (long long)seconds / 3600);
    } else {
        snprintf(text, 32, "%lld d", (long long)seconds / 86400);
    }
    return text;
}

int64_t timestamp_seconds(const char *text)
{
    struct tm utc = {0};
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) ? (int64_t)timegm(&utc) : -1;
}
