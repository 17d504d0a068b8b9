#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048, CONTEXT_MAX_BYTES = 64 };

static struct {
    const char *program;
    enum log_level level;
    enum log_format format;
} logger = {.program = "atoll", .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT};

static _Thread_local char context_request[CONTEXT_MAX_BYTES];
static _Thread_local char context_sandbox[CONTEXT_MAX_BYTES];

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *program, enum log_level level, enum log_format format)
{
    logger.program = program;
    logger.level = level;
    logger.format = format;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

void log_context(const char *request_id, const char *sandbox_id)
{
    snprintf(context_request, sizeof(context_request), "%s", request_id ? request_id : "");
    snprintf(context_sandbox, sizeof(context_sandbox), "%s", sandbox_id ? sandbox_id : "");
}

/* Appends text with control characters, quotes and backslashes escaped as in JSON. */
static size_t append_escaped(char *line, size_t used, size_t size, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p && used + 8 < size; p++) {
        if (*p == '"' || *p == '\\') {
            line[used++] = '\\';
            line[used++] = (char)*p;
        } else if (*p < 0x20 || *p == 0x7f) {
            used += (size_t)snprintf(line + used, size - used, "\\u%04x", *p);
        } else {
            line[used++] = (char)*p;
        }
    }
    return used;
}

static size_t append_text(char *line, size_t used, size_t size, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p && used + 2 < size; p++) {
        line[used++] = *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
    }
    return used;
}

static size_t append_pair(char *line, size_t used, size_t size, const char *key, const char *value)
{
    if (logger.format == LOG_FORMAT_JSON) {
        used += (size_t)snprintf(line + used, size - used, ",\"%s\":\"", key);
        used = append_escaped(line, used, size, value);
        line[used++] = '"';
        return used;
    }
    return used + (size_t)snprintf(line + used, size - used, " %s=%s", key, value);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level < logger.level) {
        return;
    }
    int saved = errno;
    char pairs[LINE_MAX_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(pairs, sizeof(pairs), format, args);
    va_end(args);

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);

    char line[LINE_MAX_BYTES];
    size_t size = sizeof(line) - 4; /* room for the closing characters */
    size_t used;
    if (logger.format == LOG_FORMAT_JSON) {
        used = (size_t)snprintf(line, size,
                                "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\","
                                "\"event\":\"%s\"",
                                stamp, now.tv_nsec / 1000000, level_names[level], logger.program,
                                event);
    } else {
        used = (size_t)snprintf(line, size, "%s.%03ldZ %-5s %s %s", stamp, now.tv_nsec / 1000000,
                                level_names[level], logger.program, event);
    }
    if (context_request[0]) {
        used = append_pair(line, used, size, "request_id", context_request);
    }
    if (context_sandbox[0]) {
        used = append_pair(line, used, size, "sandbox_id", context_sandbox);
    }
    if (pairs[0] && logger.format == LOG_FORMAT_JSON) {
        used = append_pair(line, used, size, "message", pairs);
    } else if (pairs[0]) {
        line[used++] = ' ';
        used = append_text(line, used, size, pairs);
    }
    if (logger.format == LOG_FORMAT_JSON) {
        line[used++] = '}';
    }
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) {
        /* nowhere left to say it */
    }
    errno = saved;
}
