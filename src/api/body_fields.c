#include "api/body_fields.h"

#include <stddef.h>

json_t *body_member(json_t *body, const char *name)
{
    json_t *value = json_object_get(body, name);
    return json_is_null(value) ? NULL : value;
}

int body_string(json_t *body, const char *name, const char **ret_text, struct error *err)
{
    json_t *value = body_member(body, name);
    if (value && !json_is_string(value)) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be a string", name);
    }
    *ret_text = value ? json_string_value(value) : NULL;
    return 0;
}

int body_string_any(json_t *body, const char *const *names, const char **ret_text,
                    const char **ret_name, struct error *err)
{
    *ret_text = NULL;
    for (; *names && !*ret_text; names++) {
        if (body_string(body, *names, ret_text, err)) {
            return -1;
        }
        if (*ret_text && ret_name) {
            *ret_name = *names;
        }
    }
    return 0;
}

int body_bool(json_t *body, const char *name, bool fallback, bool *ret_value, struct error *err)
{
    json_t *value = body_member(body, name);
    if (value && !json_is_boolean(value)) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be true or false", name);
    }
    *ret_value = value ? json_is_true(value) : fallback;
    return 0;
}

int body_int(json_t *body, const char *name, int64_t min, int64_t max, int64_t fallback,
             int64_t *ret_value, struct error *err)
{
    json_t *value = body_member(body, name);
    if (value && (!json_is_integer(value) || json_integer_value(value) < min ||
                  json_integer_value(value) > max)) {
        return error_set_field(err, ERR_VALIDATION, name,
                               "%s must be a whole number from %lld to %lld", name, (long long)min,
                               (long long)max);
    }
    *ret_value = value ? json_integer_value(value) : fallback;
    return 0;
}
