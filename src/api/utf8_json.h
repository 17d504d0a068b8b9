/* JSON strings of bytes that may be anything. */
#ifndef ATOLL_API_UTF8_JSON_H
#define ATOLL_API_UTF8_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What is not UTF-8 becomes U+FFFD and *ret_exact false. NULL: no memory. */
json_t *utf8_json(const char *bytes, size_t length, bool *ret_exact);

#endif
