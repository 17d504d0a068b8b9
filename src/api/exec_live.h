/* The command streams that run in this process, so that other requests can reach into them. Any thread. */
#ifndef ATOLL_API_EXEC_LIVE_H
#define ATOLL_API_EXEC_LIVE_H

#include "api/exec_input.h"
#include "base/error.h"
#include "base/ids.h"

#include <stdint.h>

/* Enters a stream under its id, which no other has. 0, or -1 with ERR_AGENT_BUSY when too many run. A reference to input is
 * kept until exec_live_remove. */
int exec_live_add(const char *sandbox_id, struct exec_input *input, const char *exec_id,
                  struct error *err);
void exec_live_remove(const char *exec_id);

/* A new reference to the input of the stream of that sandbox, or NULL with ERR_NOT_FOUND. */
struct exec_input *exec_live_find(const char *sandbox_id, const char *exec_id, struct error *err);

/* The service stops: streams that still run after grace_ms end with ERR_SHUTTING_DOWN. */
void exec_live_end_all(int64_t grace_ms);

#endif
