#define ATOLL_BASE_ERROR_DEFINED_HERE
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct error_row {
    const char *api;
    int status;
    int retryable;
    const char *hint;
};

static const struct error_row rows[ERROR_CODE_COUNT] = {
#define X(name, api, status, retryable, hint) [name] = {api, status, retryable, hint},
    ERROR_TABLE(X)
#undef X
};

static const struct error_row *row_of(enum error_code code)
{
    if ((int)code <= 0 || code >= ERROR_CODE_COUNT) {
        return &rows[ERR_INTERNAL];
    }
    return &rows[code];
}

int error_set(struct error *err, enum error_code code, int errnum, const char *format, ...)
{
    if (!err) {
        return -1;
    }
    *err = (struct error){.code = code, .errnum = errnum};
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (errnum > 0 && used >= 0 && (size_t)used < sizeof(err->message)) {
        snprintf(err->message + used, sizeof(err->message) - (size_t)used, "%s%s",
                 used > 0 ? ": " : "", strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "?");
    }
    return -1;
}

int error_set_field(struct error *err, enum error_code code, const char *field, const char *format,
                    ...)
{
    if (!err) {
        return -1;
    }
    *err = (struct error){.code = code};
    snprintf(err->field, sizeof(err->field), "%s", field);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return -1;
}

int error_hint(struct error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->hint, sizeof(err->hint), format, args);
        va_end(args);
    }
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    if (err) {
        char text[sizeof(err->message)];
        va_list args;
        va_start(args, format);
        int used = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof(text)) {
            snprintf(text + used, sizeof(text) - (size_t)used, ": %s", err->message);
        }
        memcpy(err->message, text, sizeof(text));
    }
    return -1;
}

const char *error_api_code(enum error_code code)
{
    return row_of(code)->api;
}

int error_http_status(enum error_code code)
{
    return row_of(code)->status;
}

int error_retryable(enum error_code code)
{
    return row_of(code)->retryable;
}

const char *error_default_hint(enum error_code code)
{
    return row_of(code)->hint;
}

enum error_code error_code_for_file_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return ERR_FILE_NOT_FOUND;
    case EEXIST:
        return ERR_FILE_EXISTS;
    case EISDIR:
        return ERR_IS_DIRECTORY;
    case ENOTDIR:
        return ERR_NOT_DIRECTORY;
    case ENOTEMPTY:
        return ERR_NOT_EMPTY;
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
    case EBUSY:
    case EXDEV:
        return ERR_FORBIDDEN_PATH;
    case ENAMETOOLONG:
    case EINVAL:
    case ELOOP:
        return ERR_VALIDATION;
    case EFBIG:
        return ERR_TOO_LARGE;
    default:
        return ERR_INTERNAL;
    }
}
