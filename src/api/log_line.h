/* Lines of a sandbox's log: what happened to it, in sentences, and what its programs wrote. */
#ifndef ATOLL_API_LOG_LINE_H
#define ATOLL_API_LOG_LINE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Types of events that have a line, as a filter. Their other names have none. */
extern const char log_event_types[];

/* {line, stream: "system", t, source: "sandbox"} of an event, or NULL: it has none. type: "state_changed" and so on,
 * as it is stored or told. */
json_t *log_line_of_event(const char *type, json_t *data, int64_t time_ms);

/* Appends an entry for each line of the text. stream: "stdout" or "stderr"; source: who wrote it. */
void log_add_text(json_t *entries, const char *text, size_t length, const char *stream,
                  const char *source, int64_t time_ms);

#endif
