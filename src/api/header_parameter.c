#include "api/multipart.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Reads a token or a quoted string at *at into text[size]. 0, or -1. */
static int read_value(const char **at, char *text, size_t size)
{
    const char *from = *at;
    size_t length = 0;
    bool quoted = *from == '"';
    if (quoted) {
        for (from++; *from && *from != '"'; from++) {
            if (*from == '\\' && (from[1] == '"' || from[1] == '\\')) {
                from++;
            }
            if (length + 1 >= size) {
                return -1;
            }
            text[length++] = *from;
        }
        if (*from++ != '"') {
            return -1;
        }
    } else {
        length = strcspn(from, "; \t\",");
        if (length == 0 || length >= size) {
            return -1;
        }
        memcpy(text, from, length);
        from += length;
    }
    text[length] = '\0';
    *at = from;
    return 0;
}

/* One "; name=value" at *at: fills name and value; 1, 0 at the end, -1. */
static int next_parameter(const char **at, char *name, size_t name_size, char *value,
                          size_t value_size)
{
    const char *from = skip_blanks(*at);
    if (!*from) {
        return 0;
    }
    if (*from != ';') {
        return -1;
    }
    from = skip_blanks(from + 1);
    if (!*from) {
        return 0;
    }
    size_t length = strcspn(from, "=; \t\"");
    if (length == 0 || length >= name_size || from[length] != '=') {
        return -1;
    }
    memcpy(name, from, length);
    name[length] = '\0';
    *at = from + length + 1;
    return read_value(at, value, value_size) ? -1 : 1;
}

int header_parameter(const char *header, const char *name, char *text, size_t size)
{
    char found[64], value[4096];
    const char *at = header + strcspn(header, ";");
    bool seen = false;
    int got;
    while ((got = next_parameter(&at, found, sizeof(found), value, sizeof(value))) == 1) {
        if (strcasecmp(found, name) != 0) {
            continue;
        }
        if (seen || strlen(value) >= size) {
            return -1;
        }
        seen = true;
        snprintf(text, size, "%s", value);
    }
    return got < 0 ? -1 : seen;
}
