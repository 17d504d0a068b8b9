#include "events/names.h"

#include "base/clock.h"

#include <string.h>

/* Into which state, from which one (NULL: any), and what that is called besides state_changed. */
static const struct {
    const char *state, *previous;
    const char *names[EVENT_NAMES_MAX - 1];
} transitions[] = {
    {"provisioning", NULL, {"sandbox.created"}},
    {"running", "provisioning", {"sandbox.running", "sandbox.ready"}},
    {"running", "resuming", {"sandbox.running", "sandbox.resumed"}},
    {"running", "snapshotting", {"sandbox.snapshotted"}},
    {"running", NULL, {"sandbox.running"}},
    {"snapshotting", NULL, {"sandbox.snapshotting"}},
    {"pausing", NULL, {"sandbox.pausing"}},
    {"paused", NULL, {"sandbox.paused"}},
    {"resuming", NULL, {"sandbox.resuming"}},
    {"destroying", NULL, {"sandbox.destroying"}},
    {"destroyed", NULL, {"sandbox.destroyed"}},
    {"error", NULL, {"error", "sandbox.error"}},
};

static const char *member(json_t *data, const char *name)
{
    const char *text = json_string_value(json_object_get(data, name));
    return text ? text : "";
}

static size_t transition_names(json_t *data, const char *names[EVENT_NAMES_MAX])
{
    const char *state = member(data, "state"), *previous = member(data, "previous_state");
    size_t count = 1;
    names[0] = "state_changed";
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (strcmp(transitions[i].state, state) == 0 &&
            (!transitions[i].previous || strcmp(transitions[i].previous, previous) == 0)) {
            for (size_t j = 0; j < EVENT_NAMES_MAX - 1 && transitions[i].names[j]; j++) {
                names[count++] = transitions[i].names[j];
            }
            break;
        }
    }
    return count;
}

size_t event_names(const char *type, json_t *data, const char *names[EVENT_NAMES_MAX])
{
    if (strcmp(type, "state_changed") == 0) {
        return transition_names(data, names);
    }
    size_t count = 0;
    if (strcmp(type, "sandbox.exec.stdout") == 0 || strcmp(type, "sandbox.exec.stderr") == 0) {
        names[count++] = "exec_output";
    }
    names[count++] = strcmp(type, "updated") == 0 ? "sandbox.updated" : type;
    return count;
}

bool event_type_matches(const char *list, const char *name)
{
    if (!list || !*list) {
        return true;
    }
    for (const char *entry = list; *entry;) {
        size_t length = strcspn(entry, ",");
        bool matches = length > 0 && entry[length - 1] == '*'
                           ? strncmp(entry, name, length - 1) == 0
                           : strlen(name) == length && strncmp(entry, name, length) == 0;
        if (matches) {
            return true;
        }
        entry += length + (entry[length] == ',');
    }
    return false;
}

json_t *event_data(const char *name, const char *sandbox_id, int64_t time_ms, json_t *data)
{
    bool is_error = strcmp(name, "error") == 0;
    json_t *told = is_error ? json_object() : json_copy(data);
    if (is_error) {
        const char *message = member(data, "message");
        json_object_set_new(told, "message",
                            json_string(*message ? message : "the sandbox failed"));
    }
    char stamp[CLOCK_ISO8601_SIZE];
    if (!json_object_get(told, "timestamp")) {
        json_object_set_new(told, "timestamp", json_string(clock_iso8601(time_ms, stamp)));
    }
    if (*sandbox_id && !json_object_get(told, "sandbox_id")) {
        json_object_set_new(told, "sandbox_id", json_string(sandbox_id));
    }
    json_object_set_new(told, "type", json_string(name));
    return told;
}
