#include "sandbox/snapshot_options.h"

#include "sandbox/fields.h"

#include <stdio.h>
#include <string.h>

static const int64_t lifetime_max_sec = 10LL * 365 * 86400;

static int check_members(json_t *options, struct error *err)
{
    static const char *const known[] = {"comment", "keep", "retention_seconds",
                                        "expiration_seconds", "expiration_days"};
    const char *key;
    json_t *value;
    json_object_foreach(options, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            error_set_field(err, ERR_VALIDATION, key, "there is no field '%.64s'", key);
            return error_hint(err, "Fields are: comment, keep, retention_seconds, "
                                   "expiration_seconds, expiration_days.");
        }
    }
    return 0;
}

static size_t character_count(const char *text)
{
    size_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* Any text but NUL: comments may have lines. */
static int take_comment(json_t *options, struct store_snapshot *snapshot, struct error *err)
{
    json_t *comment = json_object_get(options, "comment");
    if (!comment || json_is_null(comment)) {
        return 0;
    }
    const char *text = json_string_value(comment);
    if (!text || strlen(text) != json_string_length(comment) ||
        character_count(text) > SNAPSHOT_COMMENT_MAX) {
        return error_set_field(err, ERR_VALIDATION, "comment",
                               "comment must be a text of at most %d characters without NUL",
                               SNAPSHOT_COMMENT_MAX);
    }
    snprintf(snapshot->comment, sizeof(snapshot->comment), "%s", text);
    return 0;
}

/* At most one of the three. */
static int take_lifetime(json_t *options, struct store_snapshot *snapshot, struct error *err)
{
    int64_t seconds = 0, days = 0;
    int kept = field_read_int(options, "retention_seconds", 1, lifetime_max_sec,
                              &snapshot->retention_sec, err);
    int expires = field_read_int(options, "expiration_seconds", 1, lifetime_max_sec, &seconds, err);
    int in_days =
        field_read_int(options, "expiration_days", 1, lifetime_max_sec / 86400, &days, err);
    if (kept < 0 || expires < 0 || in_days < 0) {
        return -1;
    }
    if (kept + expires + in_days > 1 || (snapshot->keep && kept + expires + in_days > 0)) {
        return error_set_field(err, ERR_VALIDATION,
                               kept ? "retention_seconds" : "expiration_seconds",
                               "give one of keep, retention_seconds, expiration_seconds and "
                               "expiration_days");
    }
    int64_t lifetime_sec = kept ? snapshot->retention_sec : expires ? seconds : days * 86400;
    snapshot->expires_ms = lifetime_sec ? snapshot->created_ms + lifetime_sec * 1000 : 0;
    return 0;
}

int snapshot_options_take(json_t *options, struct store_snapshot *snapshot, struct error *err)
{
    return check_members(options, err) < 0 ||
                   field_read_bool(options, "keep", &snapshot->keep, err) < 0 ||
                   take_comment(options, snapshot, err) < 0 ||
                   take_lifetime(options, snapshot, err) < 0
               ? -1
               : 0;
}
