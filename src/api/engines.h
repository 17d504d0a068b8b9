/* What isolates sandboxes here: for /engines, /health and /metrics. */
#ifndef ATOLL_API_ENGINES_H
#define ATOLL_API_ENGINES_H

#include "base/buffer.h"
#include "hostclient/hostclient.h"

#include <jansson.h>

/* An array of all of them; NULL when memory ends. */
json_t *engines_json(const struct host_info *info);

/* Can sandboxes start whose request names no engine? setting: "auto", "container", "vm". */
bool engines_serve_default(const struct host_info *info, const char *setting);

/* Appends their families. 0, or -1 when they do not fit. */
int engines_write_metrics(struct buffer *page, const struct host_info *info);

#endif
