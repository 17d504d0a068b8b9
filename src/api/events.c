/* Events: streams of a sandbox and of the tenant, and the log in pages. */
#include "api/api.h"
#include "api/event_stream.h"

#include "base/clock.h"
#include "base/ids.h"
#include "events/names.h"
#include "store/store_events.h"

#include <string.h>

enum { LIST_MAX = 200, LIST_DEFAULT = 50, PAGE_ROWS = 200, PAGES_MAX = 10 };

static void sandbox_handle(struct request *request)
{
    struct error err = {0};
    struct events_filter filter;
    bool is_over;
    if (event_stream_filter(request, &filter, &err)) {
        respond_error(request, &err);
        return;
    }
    struct subscription *subscription = event_stream_of_sandbox(request, &filter, &is_over, &err);
    if (!subscription) {
        respond_error(request, &err);
        return;
    }
    event_stream_respond(request, subscription, is_over);
}

static void tenant_handle(struct request *request)
{
    struct error err = {0};
    struct events_filter filter;
    struct subscription *subscription =
        event_stream_filter(request, &filter, &err)
            ? NULL
            : events_subscribe(api_of(request)->events, &filter, &err);
    if (!subscription) {
        respond_error(request, &err);
        return;
    }
    event_stream_respond(request, subscription, false);
}

/* --- in pages --- */

struct list_filter {
    const char *type, *subject_type, *subject_id;
    int64_t after_seq, limit;
};

/* What the event is about. */
static void subject_of(const struct stored_event *row, const char **ret_type, const char **ret_id)
{
    const char *deployment = json_string_value(json_object_get(row->data, "deployment_id"));
    bool of_deployment = strncmp(row->type, "deployment.", 11) == 0 && deployment;
    *ret_type = of_deployment ? "deployment" : row->sandbox_id[0] ? "sandbox" : "tenant";
    *ret_id = of_deployment ? deployment : row->sandbox_id[0] ? row->sandbox_id : row->tenant_id;
}

static json_t *row_json(const struct stored_event *row, const char *const *names, size_t count)
{
    char stamp[CLOCK_ISO8601_SIZE];
    const char *subject_type, *subject_id;
    subject_of(row, &subject_type, &subject_id);
    json_t *types = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(types, json_string(names[i]));
    }
    const char *name = names[count - 1];
    clock_iso8601(row->time_ms, stamp);
    return json_pack("{s:I, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:o}", "seq",
                     (json_int_t)row->seq, "id", row->id, "type", name, "types", types,
                     "subject_type", subject_type, "subject_id", subject_id, "tenant_id",
                     row->tenant_id, "occurred_at", stamp, "timestamp", stamp, "data",
                     event_data(name, row->sandbox_id, row->time_ms, row->data));
}

/* NULL: the filter leaves it out. */
static json_t *listed(const struct list_filter *filter, const struct stored_event *row)
{
    const char *subject_type, *subject_id;
    subject_of(row, &subject_type, &subject_id);
    if ((filter->subject_type && strcmp(filter->subject_type, subject_type) != 0) ||
        (filter->subject_id && strcmp(filter->subject_id, subject_id) != 0)) {
        return NULL;
    }
    const char *names[EVENT_NAMES_MAX];
    size_t count = event_names(row->type, row->data, names);
    for (size_t i = 0; i < count; i++) {
        if (event_type_matches(filter->type, names[i])) {
            return row_json(row, names, count);
        }
    }
    return NULL;
}

/* One page of the store; *ret_more: there is something behind filter->after_seq. */
static int list_page(struct request *request, struct list_filter *filter, json_t *list,
                     bool *ret_more, struct error *err)
{
    struct stored_events page;
    const char *subject_id = filter->subject_id;
    const char *sandbox_id = subject_id && id_valid("sbx_", subject_id) ? subject_id : NULL;
    if (store_events_read(api_of(request)->store, request_principal(request)->tenant_id, sandbox_id,
                          filter->after_seq, PAGE_ROWS, &page, err) < 0) {
        return -1;
    }
    *ret_more = page.count == PAGE_ROWS;
    for (size_t i = 0; i < page.count; i++) {
        if ((int64_t)json_array_size(list) == filter->limit) {
            *ret_more = true;
            break;
        }
        filter->after_seq = page.rows[i].seq;
        json_t *item = listed(filter, &page.rows[i]);
        if (item) {
            json_array_append_new(list, item);
        }
    }
    stored_events_clear(&page);
    return 0;
}

static int take_list_filter(const struct request *request, struct list_filter *filter,
                            struct error *err)
{
    static const char *const unsupported[] = {"project_id", "workspace_id"};
    for (size_t i = 0; i < 2; i++) {
        if (request_query(request, unsupported[i])) {
            error_set_field(err, ERR_VALIDATION, unsupported[i],
                            "events are kept for the whole tenant");
            return error_hint(err, "Filter by subject_type and subject_id.");
        }
    }
    filter->type = request_query(request, "type");
    filter->subject_type = request_query(request, "subject_type");
    filter->subject_id = request_query(request, "subject_id");
    return request_query_int(request, "after_seq", 0, INT64_MAX, 0, &filter->after_seq, err) ||
                   request_query_int(request, "limit", 1, LIST_MAX, LIST_DEFAULT, &filter->limit,
                                     err)
               ? -1
               : 0;
}

static void list_handle(struct request *request)
{
    struct error err = {0};
    struct list_filter filter = {0};
    if (take_list_filter(request, &filter, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    bool more = true;
    for (int i = 0; more && i < PAGES_MAX && (int64_t)json_array_size(list) < filter.limit; i++) {
        if (list_page(request, &filter, list, &more, &err) < 0) {
            json_decref(list);
            respond_error(request, &err);
            return;
        }
    }
    respond_json(request, 200,
                 json_pack("{s:o, s:o}", "data", list, "next_cursor",
                           more ? json_integer(filter.after_seq) : json_null()));
}

const struct route api_event_routes[] = {
    {.method = "GET",
     .pattern = "/sandboxes/{id}/events",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .flags = ROUTE_SSE_TICKET,
     .handler = sandbox_handle},
    {.method = "GET",
     .pattern = "/events/stream",
     .scope = SCOPE_EVENTS_READ,
     .body = BODY_NONE,
     .flags = ROUTE_SSE_TICKET,
     .handler = tenant_handle},
    {.method = "GET",
     .pattern = "/platform-events",
     .scope = SCOPE_EVENTS_READ,
     .body = BODY_NONE,
     .handler = list_handle},
    {0},
};
