/* What a finished command's answer holds. */
#ifndef ATOLL_API_EXEC_RESULT_H
#define ATOLL_API_EXEC_RESULT_H

#include "agentclient/agentclient.h"
#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>

/* Exit codes of the API for what is not an exit of the command. */
enum { EXEC_CODE_TIMED_OUT = -1, EXEC_CODE_BROKEN = -2 };

/* One captured output stream. */
struct exec_capture {
    struct buffer bytes;
    bool truncated; /* more came than the buffer may hold; it was dropped */
};

/* Keeps what fits. */
void exec_capture_add(struct exec_capture *capture, struct bytes_view bytes);

/* Adds exit_code, timed_out, duration_ms and, where they apply, signal, oom_killed, disk_full. */
int exec_result_add_exit(json_t *result, const struct agent_exit *ended);

/* Adds name: text. Bytes that are no UTF-8 come as U+FFFD there, and exactly in name_base64. Cut output has
 * name_truncated. */
int exec_result_add_output(json_t *result, const char *name, struct exec_capture *capture);

#endif
