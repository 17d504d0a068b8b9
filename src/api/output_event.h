/* One line of a command's output as the data of a stream's event. */
#ifndef ATOLL_API_OUTPUT_EVENT_H
#define ATOLL_API_OUTPUT_EVENT_H

#include "wire/fields.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 "stdout", 1 "stderr". */
const char *output_stream_name(int stream);

/* {type, stream, line: text without the newline, data: the exact bytes[, encoding: "base64"]}. piece: a line with
 * its newline, or a part of one; not empty. NULL: no memory. */
json_t *output_event_json(int stream, const struct bytes_view *piece);

/* How long a stream waits for output: until a keep-alive is due, or, while it holds the begin of a line, until that
 * line has waited long enough for its end. changed_ms: monotonic, when output last came. */
int64_t output_wait_ms(bool has_partial_line, int64_t changed_ms);

#endif
