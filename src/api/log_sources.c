#include "api/log_sources.h"

#include "api/log_line.h"
#include "api/output_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_AT_ONCE = 1000, READ_WAIT_MS = 5000 };

static bool is_running(struct api *api, const struct principal *principal, const char *sandbox_id)
{
    json_t *sandbox = NULL;
    struct error ignored = {0};
    if (sandbox_get(api->sandboxes, principal, sandbox_id, &sandbox, &ignored) < 0) {
        return false;
    }
    const char *state = json_string_value(json_object_get(sandbox, "state"));
    bool runs = state && strcmp(state, "running") == 0;
    json_decref(sandbox);
    return runs;
}

static bool is_known(const struct log_sources *sources, const char *id)
{
    for (int i = 0; i < sources->count; i++) {
        if (strcmp(sources->all[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static void open_one(struct log_sources *sources, const char *agent_socket,
                     const struct session *session, bool from_start, bool follow)
{
    static const struct output_place beginning;
    struct error ignored = {0};
    struct log_source *source = &sources->all[sources->count];
    *source = (struct log_source){0};
    snprintf(source->id, sizeof(source->id), "%s", session->id);
    snprintf(source->name, sizeof(source->name), "%s", session->name);
    int64_t from = session->position - LOG_SOURCE_BYTES;
    from = from_start ? (from > 0 ? from : 0) : session->position;
    source->skips_line = from_start && from > 0;
    source->call = session_read(agent_socket, session->id, from, follow, 0, 0, &ignored);
    output_lines_init(&source->output, &beginning);
    sources->count++;
}

void log_sources_open(struct log_sources *sources, struct api *api,
                      const struct principal *principal, const char *sandbox_id, bool from_start,
                      bool follow)
{
    struct sandbox_use use;
    struct error ignored = {0};
    /* A paused one stays so: only a running one is asked. */
    if (!is_running(api, principal, sandbox_id) ||
        sandbox_use_begin(api->sandboxes, principal, sandbox_id, 0, &use, &ignored) < 0) {
        return;
    }
    struct session *sessions = NULL;
    size_t count = 0;
    if (session_list(use.agent_socket, AGENT_SESSION_JOB, &sessions, &count, &ignored) == 0) {
        for (size_t i = 0; i < count && sources->count < LOG_SOURCES_MAX; i++) {
            if (sessions[i].name[0] && !is_known(sources, sessions[i].id)) {
                open_one(sources, use.agent_socket, &sessions[i], from_start, follow);
            }
        }
        free(sessions);
    }
    sandbox_use_end(api->sandboxes, &use);
}

static void take_lines(struct log_source *source, enum output_take take, json_t *entries)
{
    int stream;
    struct bytes_view piece;
    while (output_lines_next(&source->output, take, &stream, &piece)) {
        if (!source->skips_line) {
            log_add_text(entries, piece.data, piece.length, output_stream_name(stream),
                         source->name, source->time_ms);
        }
        source->skips_line = false;
    }
}

/* False: nothing has come, or it has ended. */
static bool read_piece(struct log_source *source, int64_t wait_ms, json_t *entries)
{
    struct session_event event;
    struct error ignored = {0};
    int got = session_next(source->call, -1, wait_ms, &event, &ignored);
    if (got == 0) {
        return false;
    }
    if (got < 0 || event.type == SESSION_EVENT_EXIT || event.type == SESSION_EVENT_END) {
        take_lines(source, OUTPUT_FINAL, entries);
        source->call = agent_call_free(source->call);
        return false;
    }
    if (event.type == SESSION_EVENT_OUTPUT) {
        if (event.lost_bytes > 0) {
            take_lines(source, OUTPUT_FINAL, entries);
            output_lines_lose(&source->output);
        }
        source->time_ms = event.time_ms;
        if (output_lines_add(&source->output, event.stream == 2, event.bytes, event.position)) {
            source->call = agent_call_free(source->call);
            return false;
        }
        take_lines(source, OUTPUT_WHOLE, entries);
    }
    return true;
}

void log_sources_read(struct log_sources *sources, json_t *entries, bool follow)
{
    for (int i = 0; i < sources->count; i++) {
        struct log_source *source = &sources->all[i];
        while (source->call && (!follow || json_array_size(entries) < ENTRIES_AT_ONCE) &&
               read_piece(source, follow ? 0 : READ_WAIT_MS, entries)) {
        }
    }
}

void log_sources_close(struct log_sources *sources)
{
    for (int i = 0; i < sources->count; i++) {
        agent_call_free(sources->all[i].call);
        output_lines_free(&sources->all[i].output);
    }
    sources->count = 0;
}
