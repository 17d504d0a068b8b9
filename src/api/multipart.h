/*
 * multipart/form-data (RFC 7578), read as it arrives. Strict: a part has one Content-Disposition with a
 * name; anything that two readers could take differently is refused. Pure.
 */
#ifndef ATOLL_API_MULTIPART_H
#define ATOLL_API_MULTIPART_H

#include "base/error.h"

#include <stddef.h>

struct multipart;

enum { MULTIPART_NAME_SIZE = 64, MULTIPART_PARTS_MAX = 32 };

/* Each returns 0, or -1 with err, which ends the parse. */
struct multipart_handler {
    int (*on_part)(void *context, const char *name, struct error *err);
    int (*on_data)(void *context, const void *bytes, size_t length, struct error *err);
    int (*on_part_end)(void *context, struct error *err);
    void *context;
};

/* content_type: the request's header. NULL with ERR_BAD_REQUEST when it has no usable boundary. */
struct multipart *multipart_new(const char *content_type, struct multipart_handler handler,
                                struct error *err);
int multipart_push(struct multipart *multipart, const void *bytes, size_t length,
                   struct error *err);
/* The body is over: did it end with the closing delimiter? */
int multipart_finish(const struct multipart *multipart, struct error *err);
/* Accepts NULL; returns NULL. */
struct multipart *multipart_free(struct multipart *multipart);

/* Writes the value of a parameter of a header ("boundary" of "multipart/form-data; boundary=x"), quotes
 * removed, into text[size]. 1 found, 0 absent, -1 malformed, twice or too long. */
int header_parameter(const char *header, const char *name, char *text, size_t size);

#endif
