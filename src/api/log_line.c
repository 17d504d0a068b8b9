#include "api/log_line.h"

#include "api/utf8_json.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { SENTENCE_SIZE = 512 };

const char log_event_types[] = "state_changed,sandbox.updated,sandbox.app.*,sandbox.preview.*,"
                               "sandbox.exec.stdout,sandbox.exec.stderr";

static const struct {
    const char *state, *sentence;
} sentences[] = {
    {"provisioning", "The sandbox is being created."},
    {"running", "The sandbox is running."},
    {"snapshotting", "A snapshot of the sandbox is being taken."},
    {"pausing", "The sandbox is being paused."},
    {"paused", "The sandbox is paused."},
    {"resuming", "The sandbox is being resumed."},
    {"destroying", "The sandbox is being destroyed."},
    {"destroyed", "The sandbox is destroyed."},
};

static const char *member(json_t *data, const char *name)
{
    const char *text = json_string_value(json_object_get(data, name));
    return text ? text : "";
}

static void describe_state(json_t *data, char text[SENTENCE_SIZE])
{
    const char *state = member(data, "state");
    snprintf(text, SENTENCE_SIZE, "The sandbox failed: %s", member(data, "message"));
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (strcmp(sentences[i].state, state) == 0) {
            const char *source = member(data, "source");
            size_t length = strlen(sentences[i].sentence);
            snprintf(text, SENTENCE_SIZE, "%.*s%s%s%s", (int)length - 1, sentences[i].sentence,
                     *source ? " (" : "", source, *source ? ")." : ".");
        }
    }
}

/* "" : nothing is said of it. */
static void describe(const char *type, json_t *data, char text[SENTENCE_SIZE])
{
    text[0] = '\0';
    if (strcmp(type, "state_changed") == 0) {
        describe_state(data, text);
    } else if (strcmp(type, "updated") == 0 || strcmp(type, "sandbox.updated") == 0) {
        snprintf(text, SENTENCE_SIZE, "The sandbox's settings were changed.");
    } else if (strcmp(type, "sandbox.app.started") == 0) {
        snprintf(text, SENTENCE_SIZE, "The app was started.");
    } else if (strcmp(type, "sandbox.app.failed") == 0) {
        snprintf(text, SENTENCE_SIZE, "The app failed: %s", member(data, "message"));
    } else if (strcmp(type, "sandbox.preview.ready") == 0) {
        snprintf(text, SENTENCE_SIZE, "Port %lld is shown at %s",
                 (long long)json_integer_value(json_object_get(data, "port")), member(data, "url"));
    }
}

static json_t *entry(json_t *line, const char *stream, const char *source, int64_t time_ms)
{
    char stamp[CLOCK_ISO8601_SIZE];
    return json_pack("{s:o, s:s, s:s, s:s}", "line", line, "stream", stream, "t",
                     clock_iso8601(time_ms, stamp), "source", source);
}

json_t *log_line_of_event(const char *type, json_t *data, int64_t time_ms)
{
    char text[SENTENCE_SIZE];
    bool exact;
    describe(type, data, text);
    return text[0] ? entry(utf8_json(text, strlen(text), &exact), "system", "sandbox", time_ms)
                   : NULL;
}

void log_add_text(json_t *entries, const char *text, size_t length, const char *stream,
                  const char *source, int64_t time_ms)
{
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;
        bool exact;
        json_array_append_new(entries,
                              entry(utf8_json(text, line, &exact), stream, source, time_ms));
        size_t taken = line + (end ? 1 : 0);
        text += taken;
        length -= taken;
    }
}
