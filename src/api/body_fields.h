/* Members of a JSON request body, checked for type and range; null reads as absent. Errors name the
 * member (ERR_VALIDATION). */
#ifndef ATOLL_API_BODY_FIELDS_H
#define ATOLL_API_BODY_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The member, or NULL when it is absent or null. */
json_t *body_member(json_t *body, const char *name);

/* *ret_text: borrowed from body; NULL when absent. */
int body_string(json_t *body, const char *name, const char **ret_text, struct error *err);

/* The first of names (ended by NULL) that is present. *ret_name (may be NULL): which one. */
int body_string_any(json_t *body, const char *const *names, const char **ret_text,
                    const char **ret_name, struct error *err);

int body_bool(json_t *body, const char *name, bool fallback, bool *ret_value, struct error *err);
int body_int(json_t *body, const char *name, int64_t min, int64_t max, int64_t fallback,
             int64_t *ret_value, struct error *err);

#endif
