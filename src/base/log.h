/* Structured log lines: a level, an event name, key=value pairs. Secrets must never be passed. */
#ifndef ATOLL_BASE_LOG_H
#define ATOLL_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Call once before other threads start. program is borrowed for the life of the process. Lines go
 * to standard error, one write(2) each. format: text on a terminal, JSON otherwise, by convention of
 * the caller. */
void log_init(const char *program, enum log_level level, enum log_format format);

/* Parses "debug", "info", "warn" or "error" into *ret_level. Returns 0 or -1. */
int log_level_parse(const char *text, enum log_level *ret_level);

/* The request (and sandbox) that this thread works for; added to every line. NULL or "" clears. The
 * text is copied. Thread-local. */
void log_context(const char *request_id, const char *sandbox_id);

/* event: short dotted name ("sandbox.created"). format gives the pairs: "pid=%d path=%s". Values are
 * escaped as a whole in JSON. Any thread. Keeps errno. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
