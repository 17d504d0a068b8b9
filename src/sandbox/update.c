#include "sandbox/fields.h"
#include "sandbox/internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MAX_SEC = 86400 };

static int check_members(json_t *changes, struct error *err)
{
    static const char *const known[] = {"name",
                                        "slug",
                                        "tags",
                                        "metadata",
                                        "always_on",
                                        "auto_resume",
                                        "timeout_sec",
                                        "idle_timeout_sec",
                                        "agent_session_id"};
    const char *key;
    json_t *value;
    json_object_foreach(changes, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            error_set_field(err, ERR_VALIDATION, key, "'%.64s' cannot be changed", key);
            return error_hint(err, "Fields that can be: name, slug, tags, metadata, "
                                   "agent_session_id, always_on, auto_resume, timeout_sec, "
                                   "idle_timeout_sec.");
        }
    }
    return 0;
}

/* null takes a name or session away. */
static bool is_null(json_t *changes, const char *key)
{
    return json_is_null(json_object_get(changes, key));
}

static int apply_texts(json_t *changes, struct sandbox_record *next, struct error *err)
{
    const char *name = is_null(changes, "name") ? "" : next->name;
    const char *slug = next->slug;
    const char *session = is_null(changes, "agent_session_id") ? "" : next->agent_session_id;
    if (field_read_name(changes, "name", &name, err) < 0 ||
        field_read_slug(changes, "slug", &slug, err) < 0 ||
        field_read_text(changes, "agent_session_id", sizeof(next->agent_session_id) - 1, &session,
                        err) < 0) {
        return -1;
    }
    if (name != next->name) {
        snprintf(next->name, sizeof(next->name), "%s", name);
    }
    if (slug != next->slug) {
        snprintf(next->slug, sizeof(next->slug), "%s", slug);
    }
    if (session != next->agent_session_id) {
        snprintf(next->agent_session_id, sizeof(next->agent_session_id), "%s", session);
    }
    return 0;
}

static int apply_clocks(json_t *changes, struct sandbox_record *next, struct error *err)
{
    bool always_on = next->always_on, auto_resume = next->auto_resume;
    if (field_read_bool(changes, "always_on", &always_on, err) < 0 ||
        field_read_bool(changes, "auto_resume", &auto_resume, err) < 0 ||
        field_read_int(changes, "timeout_sec", 1, TIMEOUT_MAX_SEC, &next->timeout_sec, err) < 0) {
        return -1;
    }
    if (always_on && !next->always_on) {
        next->idle_timeout_sec = 0;
    }
    next->always_on = always_on;
    next->auto_resume = auto_resume;
    int found = field_read_int(changes, "idle_timeout_sec", 0, TIMEOUT_MAX_SEC,
                               &next->idle_timeout_sec, err);
    return found < 0 ? -1 : 0;
}

/* Last, so that nothing can fail once next holds new references. */
static int apply_free_form(json_t *changes, struct sandbox_record *next, struct error *err)
{
    json_t *metadata = NULL, *tags = NULL;
    if (field_read_metadata(changes, "metadata", &metadata, err) < 0 ||
        field_read_tags(changes, "tags", &tags, err) < 0) {
        return -1;
    }
    if (metadata || is_null(changes, "metadata")) {
        next->metadata = metadata ? metadata_without_own(metadata) : NULL;
    }
    if (tags || is_null(changes, "tags")) {
        next->tags = tags ? json_incref(tags) : NULL;
    }
    return 0;
}

static void note_deadline(struct sandboxes *sandboxes, const struct sandbox *sandbox)
{
    const char *source;
    timers_note(sandboxes, sandbox_deadline_ms(sandbox, &source));
}

static int update_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, json_t *changes,
                       struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (apply_texts(changes, &next, err) < 0 || apply_clocks(changes, &next, err) < 0 ||
        apply_free_form(changes, &next, err) < 0 ||
        change_commit_fields(sandboxes, sandbox, &next, err) < 0) {
        return -1;
    }
    note_deadline(sandboxes, sandbox);
    return 0;
}

int sandbox_update(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   json_t *changes, json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (check_members(changes, err) < 0 ||
        change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result = update_busy(sandboxes, sandbox, changes, err);
    if (result == 0 && ret_json) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
    }
    change_end(sandboxes, sandbox);
    return result;
}

static int extend_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, int64_t timeout_sec,
                       struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (timeout_sec > 0) {
        next.timeout_sec = timeout_sec;
    }
    next.timer_started_ms = clock_realtime_ms();
    if (change_commit_fields(sandboxes, sandbox, &next, err) < 0) {
        return -1;
    }
    sandbox->timer_started_ms = clock_monotonic_ms();
    note_deadline(sandboxes, sandbox);
    return 0;
}

int sandbox_extend(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   int64_t timeout_sec, json_t **ret_json, struct error *err)
{
    if (timeout_sec < 0 || timeout_sec > TIMEOUT_MAX_SEC) {
        return error_set_field(err, ERR_VALIDATION, "timeout_sec",
                               "timeout_sec must be a whole number from 1 to %d", TIMEOUT_MAX_SEC);
    }
    struct sandbox *sandbox;
    if (change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result;
    if (sandbox->state == SANDBOX_RUNNING) {
        result = extend_busy(sandboxes, sandbox, timeout_sec, err);
    } else {
        result =
            error_set(err, ERR_NOT_RUNNING, 0, "only a running sandbox has a timeout; it is %s",
                      sandbox_state_name(sandbox->state));
    }
    if (result == 0 && ret_json) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
    }
    change_end(sandboxes, sandbox);
    return result;
}
