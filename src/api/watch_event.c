#include "api/watch_event.h"

#include "api/file_json.h"
#include "base/clock.h"

/* Clients know either the one or the other set of names. */
static const struct {
    const char *type, *event;
} names[] = {
    [AGENT_CHANGE_CREATED] = {"create", "created"},
    [AGENT_CHANGE_MODIFIED] = {"modify", "modified"},
    [AGENT_CHANGE_DELETED] = {"delete", "deleted"},
    [AGENT_CHANGE_RENAMED] = {"rename", "renamed"},
    [AGENT_CHANGE_OVERFLOW] = {"overflow", "overflow"},
};

void watch_event_make(const struct watch_change *change, struct sse_event *ret_event)
{
    char stamp[CLOCK_ISO8601_SIZE];
    bool renamed = change->change == AGENT_CHANGE_RENAMED;
    ret_event->name = names[change->change].type;
    ret_event->data = json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:s}", "type",
                                names[change->change].type, "event", names[change->change].event,
                                "path", file_path_json(renamed ? change->target : change->path),
                                "old_path", renamed ? file_path_json(change->path) : json_null(),
                                "is_dir", change->is_directory, "size_bytes",
                                change->size < 0 ? json_null() : json_integer(change->size),
                                "timestamp", clock_iso8601(clock_realtime_ms(), stamp));
    if (change->change == AGENT_CHANGE_OVERFLOW) {
        json_object_set_new(ret_event->data, "message",
                            json_string("changes were lost: read the tree again"));
    }
}
