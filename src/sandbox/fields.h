/* Checked reading of a request's members. A member that is missing or null is absent. */
#ifndef ATOLL_SANDBOX_FIELDS_H
#define ATOLL_SANDBOX_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns 1 when the member is there and good, 0 when it is absent (nothing is written), -1 with
 * ERR_VALIDATION naming it. */
int field_read_int(json_t *object, const char *key, int64_t min, int64_t max, int64_t *ret_value,
                   struct error *err);
int field_read_bool(json_t *object, const char *key, bool *ret_value, struct error *err);

/* At most max_length bytes, at least one, no control characters. */
int field_read_text(json_t *object, const char *key, size_t max_length, const char **ret_text,
                    struct error *err);

/* A sandbox's name: [A-Za-z0-9][A-Za-z0-9._-]{0,62}. */
int field_read_name(json_t *object, const char *key, const char **ret_text, struct error *err);
/* A DNS label with room for a port before it: [a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?, without "--", not only digits
 * and not digits before a '-', so that preview names like "5173-slug" stay unambiguous. */
int field_read_slug(json_t *object, const char *key, const char **ret_text, struct error *err);

/* An object (metadata) of at most 64 KiB as JSON. */
int field_read_metadata(json_t *object, const char *key, json_t **ret_value, struct error *err);
/* An array of strings, or an object of strings. */
int field_read_tags(json_t *object, const char *key, json_t **ret_value, struct error *err);
/* An object of strings, its names fit for environment variables, at most 64 KiB together. */
int field_read_env(json_t *object, const char *key, json_t **ret_value, struct error *err);

#endif
