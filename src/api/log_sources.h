/* The programs whose output belongs to a sandbox's log: its app and its services, and other named processes. */
#ifndef ATOLL_API_LOG_SOURCES_H
#define ATOLL_API_LOG_SOURCES_H

#include "agentclient/sessions.h"
#include "api/api.h"
#include "api/output_lines.h"

enum { LOG_SOURCES_MAX = 16, LOG_SOURCE_BYTES = 1024 * 1024 };

struct log_source {
    char id[AGENT_SESSION_ID_SIZE], name[AGENT_NAME_SIZE];
    struct agent_call *call; /* NULL: it ended */
    struct output_lines output;
    int64_t time_ms; /* of what came last */
    bool skips_line; /* reading began inside of one */
};

/* Zero-initialise. */
struct log_sources {
    struct log_source all[LOG_SOURCES_MAX];
    int count;
};

/* Begins to read those that are not read yet, when the sandbox runs (which this does not change): the last of what
 * is kept of them (LOG_SOURCE_BYTES), or what comes from now on; follow: and on. What cannot be read is left out. */
void log_sources_open(struct log_sources *sources, struct api *api,
                      const struct principal *principal, const char *sandbox_id, bool from_start,
                      bool follow);

/* Appends what has come to entries, without waiting when follow was asked for; otherwise all there is. */
void log_sources_read(struct log_sources *sources, json_t *entries, bool follow);

void log_sources_close(struct log_sources *sources);

#endif
