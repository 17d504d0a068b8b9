#include "api/file_path.h"

#include <string.h>

enum { MODE_MAX = 07777 };

/* Appends "/component"; false when path is full. */
static bool append(char path[AGENT_PATH_MAX], size_t *length, const char *component, size_t size)
{
    if (*length + 1 + size >= AGENT_PATH_MAX) {
        return false;
    }
    path[(*length)++] = '/';
    memcpy(path + *length, component, size);
    *length += size;
    path[*length] = '\0';
    return true;
}

/* Appends the components of text. */
static int append_all(char path[AGENT_PATH_MAX], size_t *length, const char *text,
                      const char *field, struct error *err)
{
    while (*text) {
        size_t size = strcspn(text, "/");
        if (size == 2 && memcmp(text, "..", 2) == 0) {
            error_set_field(err, ERR_VALIDATION, field, "%s must not hold '..'", field);
            return error_hint(err, "Send the path without '..' components.");
        }
        bool skipped = size == 0 || (size == 1 && text[0] == '.');
        if (!skipped && !append(path, length, text, size)) {
            return error_set_field(err, ERR_VALIDATION, field, "%s is longer than %d bytes", field,
                                   AGENT_PATH_MAX - 1);
        }
        text += size + (text[size] == '/' ? 1 : 0);
    }
    return 0;
}

int file_path_make(const char *base, const char *text, const char *field, char path[AGENT_PATH_MAX],
                   struct error *err)
{
    size_t length = 0;
    path[0] = '\0';
    if (!text[0]) {
        return error_set_field(err, ERR_VALIDATION, field, "%s must not be empty", field);
    }
    if (text[0] != '/' && append_all(path, &length, base, field, err)) {
        return -1;
    }
    if (append_all(path, &length, text, field, err)) {
        return -1;
    }
    if (length == 0) {
        memcpy(path, "/", sizeof("/"));
    }
    return 0;
}

const char *file_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

int file_mode_parse(const char *text, const char *field, int64_t *ret_mode, struct error *err)
{
    const char *digits = strncmp(text, "0o", 2) == 0 ? text + 2 : text;
    size_t length = strlen(digits);
    int64_t mode = 0;
    for (size_t i = 0; i < length && mode <= MODE_MAX; i++) {
        mode = digits[i] < '0' || digits[i] > '7' ? MODE_MAX + 1 : mode * 8 + (digits[i] - '0');
    }
    if (length == 0 || length > 8 || mode > MODE_MAX) {
        return error_set_field(err, ERR_VALIDATION, field,
                               "%s must be octal permission bits such as \"0644\"", field);
    }
    *ret_mode = mode;
    return 0;
}
