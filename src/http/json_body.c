#include "http/json_body.h"

#include <stdbool.h>

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n') {
            return false;
        }
    }
    return true;
}

static bool is_too_deep(const char *text, size_t length)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *json_body_parse(const char *text, size_t length, struct error *err)
{
    if (is_blank(text, length)) {
        return json_object();
    }
    if (is_too_deep(text, length)) {
        error_set(err, ERR_INVALID_JSON, 0, "the JSON is nested deeper than %d levels",
                  JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t problem;
    json_t *body = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (!body) {
        error_set(err, ERR_INVALID_JSON, 0, "line %d, column %d: %s", problem.line, problem.column,
                  problem.text);
        return NULL;
    }
    if (!json_is_object(body)) {
        json_decref(body);
        error_set(err, ERR_INVALID_JSON, 0, "the body must be a JSON object");
        return NULL;
    }
    return body;
}
