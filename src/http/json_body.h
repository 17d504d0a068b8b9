/* A request body as one JSON object, taken strictly. Pure. */
#ifndef ATOLL_HTTP_JSON_BODY_H
#define ATOLL_HTTP_JSON_BODY_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Levels of nesting that are taken: parsing and our own walks over a document recurse. */
enum { JSON_DEPTH_MAX = 64 };

/* A new reference. Nothing or white space reads as {}. NULL with ERR_INVALID_JSON for anything but one
 * object in UTF-8 without duplicate keys, NUL, trailing bytes, or too many levels. */
json_t *json_body_parse(const char *text, size_t length, struct error *err);

#endif
