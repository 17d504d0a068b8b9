/*
 * One JSON object, read as it arrives: a strict scanner (RFC 8259, UTF-8) that hands out the strings at
 * the object's first level piece by piece and checks everything else. Pure.
 */
#ifndef ATOLL_API_JSON_SCANNER_H
#define ATOLL_API_JSON_SCANNER_H

#include "base/error.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { JSON_SCANNER_DEPTH_MAX = 32, JSON_SCANNER_TOKEN_MAX = 40, JSON_SCANNER_KEY_MAX = 32 };

/* Each returns 0, or -1 with err, which ends the scan. */
struct json_scanner_handler {
    /* A member of the object begins; key is cut to JSON_SCANNER_KEY_MAX - 1 bytes. What its string's
     * bytes are to be handed out for: *ret_wanted true, or the value is only checked. */
    int (*on_member)(void *context, const char *key, bool *ret_wanted, struct error *err);
    /* A piece of the wanted string, escapes resolved. */
    int (*on_text)(void *context, const char *text, size_t length, struct error *err);
    /* The wanted value is over. is_string false: it was null; no other type is taken. */
    int (*on_value)(void *context, bool is_string, struct error *err);
    void *context;
};

enum json_scanner_state {
    JSON_SCANNER_START,
    JSON_SCANNER_KEY_OR_END,
    JSON_SCANNER_KEY,
    JSON_SCANNER_COLON,
    JSON_SCANNER_VALUE_OR_END,
    JSON_SCANNER_VALUE,
    JSON_SCANNER_STRING,
    JSON_SCANNER_ESCAPE,
    JSON_SCANNER_HEX,
    JSON_SCANNER_TOKEN,
    JSON_SCANNER_AFTER,
    JSON_SCANNER_DONE,
};

/* Private; embedded so that no memory is needed. Zero-initialise and set handler. */
struct json_scanner {
    struct json_scanner_handler handler;
    enum json_scanner_state state;
    struct utf8_check utf8;
    unsigned arrays; /* bit n: the container at depth n + 1 is an array */
    int depth;
    bool in_key;
    bool wanted;        /* the current member's */
    bool surrogate_due; /* a high surrogate waits for its other half */
    unsigned high;
    unsigned hex;
    int hex_count;
    char key[JSON_SCANNER_KEY_MAX];
    size_t key_length;
    char token[JSON_SCANNER_TOKEN_MAX];
    size_t token_length;
};

int json_scanner_push(struct json_scanner *scanner, const void *bytes, size_t length,
                      struct error *err);

/* Was it one whole object? */
int json_scanner_finish(const struct json_scanner *scanner, struct error *err);

#endif
