#include "sandbox/fields.h"

#include <ctype.h>
#include <string.h>

enum {
    FREE_FORM_BYTES_MAX = 64 * 1024, /* kept in memory for each sandbox, copied into each reply */
    TAG_BYTES_MAX = 128,
    TAGS_MAX = 64,
    LABEL_MAX = 63,           /* RFC 1035 */
    SLUG_MAX = LABEL_MAX - 6, /* "65535-" may stand before it */
};

static json_t *member(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

int field_read_int(json_t *object, const char *key, int64_t min, int64_t max, int64_t *ret_value,
                   struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        return error_set_field(err, ERR_VALIDATION, key,
                               "%s must be a whole number from %lld to %lld", key, (long long)min,
                               (long long)max);
    }
    *ret_value = json_integer_value(value);
    return 1;
}

int field_read_bool(json_t *object, const char *key, bool *ret_value, struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_is_boolean(value)) {
        return error_set_field(err, ERR_VALIDATION, key, "%s must be true or false", key);
    }
    *ret_value = json_is_true(value);
    return 1;
}

static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

int field_read_text(json_t *object, const char *key, size_t max_length, const char **ret_text,
                    struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || length > max_length ||
        has_control(json_string_value(value))) {
        return error_set_field(err, ERR_VALIDATION, key,
                               "%s must be a text of 1 to %zu bytes without control characters",
                               key, max_length);
    }
    *ret_text = json_string_value(value);
    return 1;
}

int field_read_name(json_t *object, const char *key, const char **ret_text, struct error *err)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *text;
    int found = field_read_text(object, key, LABEL_MAX, &text, err);
    if (found <= 0) {
        return found;
    }
    if (!isalnum((unsigned char)text[0]) || text[strspn(text, allowed)]) {
        return error_set_field(
            err, ERR_VALIDATION, key,
            "%s begins with a letter or digit; letters, digits, '.', '_' and '-' "
            "may follow",
            key);
    }
    *ret_text = text;
    return 1;
}

static bool slug_valid(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t length = strlen(text), digits = strspn(text, "0123456789");
    return text[0] != '-' && text[length - 1] != '-' && strspn(text, allowed) == length &&
           text[digits] != '\0' && text[digits] != '-' && !strstr(text, "--");
}

int field_read_slug(json_t *object, const char *key, const char **ret_text, struct error *err)
{
    const char *text;
    int found = field_read_text(object, key, SLUG_MAX, &text, err);
    if (found <= 0) {
        return found;
    }
    if (!slug_valid(text)) {
        return error_set_field(err, ERR_VALIDATION, key,
                               "%s is a DNS label: lower-case letters, digits and single '-' "
                               "between them, not only digits, and not digits before a '-'",
                               key);
    }
    *ret_text = text;
    return 1;
}

int field_read_metadata(json_t *object, const char *key, json_t **ret_value, struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_is_object(value)) {
        return error_set_field(err, ERR_VALIDATION, key, "%s must be an object", key);
    }
    if (json_dumpb(value, NULL, 0, JSON_COMPACT) > FREE_FORM_BYTES_MAX) {
        return error_set_field(err, ERR_VALIDATION, key, "%s is longer than %d bytes", key,
                               FREE_FORM_BYTES_MAX);
    }
    *ret_value = value;
    return 1;
}

static bool tag_valid(json_t *tag)
{
    return json_is_string(tag) && json_string_length(tag) <= TAG_BYTES_MAX;
}

static bool tags_valid(json_t *tags)
{
    if (json_is_array(tags)) {
        size_t index;
        json_t *tag;
        json_array_foreach(tags, index, tag)
        {
            if (!tag_valid(tag)) {
                return false;
            }
        }
        return json_array_size(tags) <= TAGS_MAX;
    }
    const char *key;
    json_t *tag;
    json_object_foreach(tags, key, tag)
    {
        if (!tag_valid(tag) || strlen(key) > TAG_BYTES_MAX) {
            return false;
        }
    }
    return json_is_object(tags) && json_object_size(tags) <= TAGS_MAX;
}

int field_read_tags(json_t *object, const char *key, json_t **ret_value, struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    if (!tags_valid(value)) {
        return error_set_field(
            err, ERR_VALIDATION, key,
            "%s must be an array of texts or an object of texts, at most %d, each "
            "of at most %d bytes",
            key, TAGS_MAX, TAG_BYTES_MAX);
    }
    *ret_value = value;
    return 1;
}

static bool variable_name_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    return name[0] && !isdigit((unsigned char)name[0]) && name[strspn(name, allowed)] == '\0';
}

int field_read_env(json_t *object, const char *key, json_t **ret_value, struct error *err)
{
    json_t *value = member(object, key);
    if (!value) {
        return 0;
    }
    size_t total = 0;
    const char *name;
    json_t *text;
    json_object_foreach(value, name, text)
    {
        if (!variable_name_valid(name) || !json_is_string(text) ||
            strlen(json_string_value(text)) != json_string_length(text)) {
            return error_set_field(err, ERR_VALIDATION, key,
                                   "%s: '%.64s' must be a variable's name ([A-Za-z_][A-Za-z0-9_]*) "
                                   "and its value a text without NUL",
                                   key, name);
        }
        total += strlen(name) + json_string_length(text) + 2;
    }
    if (!json_is_object(value) || total > FREE_FORM_BYTES_MAX) {
        return error_set_field(err, ERR_VALIDATION, key, "%s must be an object of at most %d bytes",
                               key, FREE_FORM_BYTES_MAX);
    }
    *ret_value = value;
    return 1;
}
