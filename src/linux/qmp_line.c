#include "linux/qmp.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* jansson goes down as deep as the text does; so count before it does. */
static bool is_too_deep(const char *line, size_t length)
{
    int depth = 0;
    bool text = false;
    for (size_t i = 0; i < length; i++) {
        if (text) {
            i += line[i] == '\\';
            text = i >= length || line[i] != '"';
        } else if (line[i] == '"') {
            text = true;
        } else if (line[i] == '{' || line[i] == '[') {
            if (++depth > QMP_DEPTH_MAX) {
                return true;
            }
        } else if (line[i] == '}' || line[i] == ']') {
            depth--;
        }
    }
    return false;
}

/* QEMU's words, which go to logs and users: printable, and not many. */
static int set_refusal(const json_t *error, struct error *err)
{
    char words[200];
    const char *text = json_string_value(json_object_get(error, "desc"));
    snprintf(words, sizeof(words), "%s", text ? text : "no reason given");
    for (char *at = words; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    return error_set(err, ERR_ENGINE, 0, "QEMU refuses: %s", words);
}

int qmp_parse_line(const char *line, size_t length, enum qmp_line *ret_kind, json_t **ret_value,
                   struct error *err)
{
    *ret_value = NULL;
    json_t *object =
        is_too_deep(line, length) ? NULL : json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(err, ERR_ENGINE, 0, "QEMU says something that is not of its protocol");
    }
    json_t *answer = json_object_get(object, "return"), *error = json_object_get(object, "error");
    if (error) {
        *ret_kind = QMP_LINE_ERROR;
        set_refusal(error, err);
    } else if (answer) {
        *ret_kind = QMP_LINE_ANSWER;
        *ret_value = json_incref(answer);
    } else {
        *ret_kind = QMP_LINE_OTHER;
    }
    json_decref(object);
    return 0;
}
