/*
 * A JSON object that carries a file: {"path","content"|"content_base64","mode"} in any order, read as
 * it arrives, so that the content never lies in memory whole. Unknown members are checked and left
 * out. Pure: what it finds goes to a handler.
 */
#ifndef ATOLL_API_UPLOAD_JSON_H
#define ATOLL_API_UPLOAD_JSON_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct upload_json;

/* Each returns 0, or -1 with err, which ends the parse. path and mode come as NUL-terminated text. */
struct upload_json_handler {
    int (*on_path)(void *context, const char *text, struct error *err);
    int (*on_mode)(void *context, const char *text, struct error *err);
    int (*on_content)(void *context, const void *bytes, size_t length, struct error *err);
    void *context;
};

/* plain: "content" is the text itself; otherwise it is base64, as "content_base64" always is. NULL
 * without memory. */
struct upload_json *upload_json_new(bool plain, struct upload_json_handler handler);

/* Takes the next bytes. -1: ERR_INVALID_JSON, ERR_VALIDATION naming the member, or the handler's. */
int upload_json_push(struct upload_json *parser, const void *bytes, size_t length,
                     struct error *err);

/* The body is over: was it one whole object with a content? ERR_MISSING_PARAM names what is not there. */
int upload_json_finish(struct upload_json *parser, struct error *err);

/* Accepts NULL; returns NULL. */
struct upload_json *upload_json_free(struct upload_json *parser);

#endif
