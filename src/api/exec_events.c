#include "api/exec_events.h"

#include "api/exec_result.h"
#include "api/utf8_json.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Small enough that an event of it, escaped, is one that a stream may carry. */
enum { PIECE_BYTES = 64 * 1024 };

static const char *const stream_names[] = {"stdout", "stderr"};
static const char *const event_types[] = {"sandbox.exec.stdout", "sandbox.exec.stderr"};

void exec_events_begin(struct exec_events *told, struct events *events, const char *tenant_id,
                       const char *sandbox_id, const char *const *arguments, const char *typed)
{
    *told =
        (struct exec_events){.events = events, .tenant_id = tenant_id, .sandbox_id = sandbox_id};
    id_make("exc_", told->exec_id);
    if (typed) {
        snprintf(told->command, sizeof(told->command), "%s", typed);
        return;
    }
    size_t used = 0;
    for (; *arguments && used < sizeof(told->command); arguments++) {
        int length = snprintf(told->command + used, sizeof(told->command) - used, "%s%s",
                              used ? " " : "", *arguments);
        used += length > 0 ? (size_t)length : 0;
    }
}

static void publish(struct exec_events *told, const char *type, json_t *data)
{
    json_object_set_new(data, "exec_id", json_string(told->exec_id));
    events_publish_live(told->events, told->tenant_id, told->sandbox_id, type, data);
}

static void tell_piece(struct exec_events *told, int index, const char *bytes, size_t length)
{
    bool exact;
    size_t line = length - (length > 0 && bytes[length - 1] == '\n');
    publish(told, event_types[index],
            json_pack("{s:s, s:o, s:o}", "stream", stream_names[index], "data",
                      utf8_json(bytes, length, &exact), "line", utf8_json(bytes, line, &exact)));
}

/* Characters stay whole: what is begun waits for its rest. */
static void tell_output(struct exec_events *told, int index, struct bytes_view bytes)
{
    char piece[PIECE_BYTES];
    const char *from = bytes.data;
    size_t left = bytes.length;
    while (left > 0) {
        size_t length = told->tails[index].length;
        memcpy(piece, told->tails[index].bytes, length);
        size_t taken = left < sizeof(piece) - length ? left : sizeof(piece) - length;
        memcpy(piece + length, from, taken);
        from += taken;
        left -= taken;
        length += taken;
        size_t tail = utf8_incomplete_tail(piece, length);
        memcpy(told->tails[index].bytes, piece + length - tail, tail);
        told->tails[index].length = tail;
        if (length > tail) {
            tell_piece(told, index, piece, length - tail);
        }
    }
}

static void tell_exit(struct exec_events *told, const struct agent_exit *ended)
{
    for (int i = 0; i < 2; i++) {
        if (told->tails[i].length > 0) {
            tell_piece(told, i, told->tails[i].bytes, told->tails[i].length);
            told->tails[i].length = 0;
        }
    }
    json_t *data = json_object();
    exec_result_add_exit(data, ended);
    publish(told, "sandbox.exec.completed", data);
}

void exec_events_take(struct exec_events *told, const struct agent_event *event)
{
    if (!events_wanted(told->events, told->tenant_id, told->sandbox_id)) {
        return;
    }
    bool exact;
    switch (event->type) {
    case AGENT_EVENT_STARTED:
        publish(told, "sandbox.exec.started",
                json_pack("{s:o, s:I}", "command",
                          utf8_json(told->command, strlen(told->command), &exact), "pid",
                          (json_int_t)event->pid));
        break;
    case AGENT_EVENT_STDOUT:
        tell_output(told, 0, event->bytes);
        break;
    case AGENT_EVENT_STDERR:
        tell_output(told, 1, event->bytes);
        break;
    case AGENT_EVENT_EXIT:
        tell_exit(told, &event->exit);
        break;
    }
}
