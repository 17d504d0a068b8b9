/* …/logs: the last lines of a sandbox's life, its app and its services. */
#include "api/logs.h"

#include "api/api.h"
#include "api/log_line.h"
#include "api/log_sources.h"
#include "store/store_events.h"

#include <errno.h>

#include <stdlib.h>
#include <string.h>

enum { LINES_DEFAULT = 200, LINES_MAX = 5000 };

static int add_events(struct request *request, int64_t limit, json_t *entries, struct error *err)
{
    struct stored_events latest;
    if (store_events_latest(api_of(request)->store, request_principal(request)->tenant_id,
                            request_param(request, "id"), (size_t)limit, &latest, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < latest.count; i++) {
        json_t *line =
            log_line_of_event(latest.rows[i].type, latest.rows[i].data, latest.rows[i].time_ms);
        if (line) {
            json_array_append_new(entries, line);
        }
    }
    stored_events_clear(&latest);
    return 0;
}

struct ordered {
    json_t *entry;
    const char *time;
    size_t place; /* as it came */
};

static int compare(const void *left, const void *right)
{
    const struct ordered *a = left, *b = right;
    int order = strcmp(a->time, b->time);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

/* The newest limit entries by time. New reference, or NULL. */
static json_t *newest(json_t *entries, size_t limit)
{
    size_t count = json_array_size(entries);
    struct ordered *all = calloc(count + 1, sizeof(*all));
    json_t *chosen = json_array();
    if (!all) {
        json_decref(chosen);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_array_get(entries, i);
        all[i] = (struct ordered){entry, json_string_value(json_object_get(entry, "t")), i};
    }
    qsort(all, count, sizeof(*all), compare);
    for (size_t i = count > limit ? count - limit : 0; i < count; i++) {
        json_array_append(chosen, all[i].entry);
    }
    free(all);
    return chosen;
}

static json_t *reply_json(json_t *chosen)
{
    json_t *lines = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(chosen, i, entry)
    {
        json_array_append(lines, json_object_get(entry, "line"));
    }
    return json_pack("{s:I, s:o, s:{s:o}}", "count", (json_int_t)json_array_size(chosen), "logs",
                     chosen, "data", "lines", lines);
}

static int check_sandbox(struct request *request, struct error *err)
{
    json_t *sandbox = NULL;
    int result = sandbox_get(api_of(request)->sandboxes, request_principal(request),
                             request_param(request, "id"), &sandbox, err);
    json_decref(sandbox);
    return result;
}

static void logs_handle(struct request *request)
{
    struct error err = {0};
    int64_t limit;
    json_t *entries = json_array();
    if (request_query_int(request, "lines", 1, LINES_MAX, LINES_DEFAULT, &limit, &err) ||
        check_sandbox(request, &err) || add_events(request, limit, entries, &err)) {
        json_decref(entries);
        respond_error(request, &err);
        return;
    }
    struct log_sources sources = {0};
    log_sources_open(&sources, api_of(request), request_principal(request),
                     request_param(request, "id"), true, false);
    log_sources_read(&sources, entries, false);
    log_sources_close(&sources);
    json_t *chosen = newest(entries, (size_t)limit);
    json_decref(entries);
    if (!chosen) {
        error_set(&err, ERR_INTERNAL, ENOMEM, "read the log");
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, reply_json(chosen));
}

const struct route api_log_routes[] = {
    {.method = "GET",
     .pattern = "/sandboxes/{id}/logs",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .handler = logs_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/logs/stream",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .flags = ROUTE_SSE_TICKET,
     .handler = log_stream_handle},
    {0},
};
