#include "session_fixture.h"

#include <stdio.h>
#include <string.h>

static const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};
static const char *const environment[] = {"PATH=/usr/bin:/bin", "TERM=xterm", NULL};

struct session_start *job_request(const char *id, const char *script)
{
    static struct session_start request;
    arguments[2] = script;
    request = (struct session_start){
        .id = id,
        .kind = AGENT_SESSION_JOB,
        .command = script,
        .arguments = arguments,
        .environment = environment,
        .cwd = fixture()->directory,
    };
    return &request;
}

struct session_start *terminal_request(const char *id, const char *script)
{
    struct session_start *request = job_request(id, script);
    request->kind = AGENT_SESSION_TERMINAL;
    request->rows = 24;
    request->cols = 80;
    return request;
}

enum error_code start_session(const struct session_start *request)
{
    static struct session session;
    struct error err = {0};
    if (session_start(fixture()->socket_path, request, &session, &err) < 0) {
        printf("# start: %s\n", err.message);
        return err.code;
    }
    return ERR_NONE;
}

static void append(struct reading *reading, const struct session_event *event)
{
    size_t room = sizeof(reading->out) - 1 -
                  (reading->out_length < sizeof(reading->out) ? reading->out_length
                                                              : sizeof(reading->out) - 1);
    size_t length = event->bytes.length < room ? event->bytes.length : room;
    if (length > 0) {
        memcpy(reading->out + reading->out_length, event->bytes.data, length);
        reading->out[reading->out_length + length] = '\0';
    }
    reading->out_length += event->bytes.length;
    reading->stderr_length += event->stream == 2 ? event->bytes.length : 0;
    reading->position = event->position;
    reading->lost_bytes += event->lost_bytes;
}

/* Takes one event; false when it was the last. */
static bool take(struct agent_call *call, struct reading *reading)
{
    struct session_event event;
    if (session_next(call, -1, -1, &event, &reading->err) != 1) {
        return false;
    }
    switch (event.type) {
    case SESSION_EVENT_OUTPUT:
        append(reading, &event);
        return true;
    case SESSION_EVENT_CAUGHT_UP:
        reading->caught_up = true;
        return true;
    case SESSION_EVENT_EXIT:
        reading->exited = true;
        reading->exit = event.exit;
        break;
    case SESSION_EVENT_END:
        break;
    }
    reading->position = event.position;
    return false;
}

void read_session(const char *id, int64_t from, bool follow, struct reading *ret_reading)
{
    memset(ret_reading, 0, sizeof(*ret_reading));
    struct agent_call *call =
        session_read(fixture()->socket_path, id, from, follow, 0, 0, &ret_reading->err);
    while (call && take(call, ret_reading)) {
    }
    agent_call_free(call);
}

bool read_until(struct agent_call *call, const char *text, struct reading *reading)
{
    while (!strstr(reading->out, text)) {
        if (!take(call, reading)) {
            return false;
        }
    }
    return true;
}

struct agent_call *follow_session(const char *id)
{
    struct error err = {0};
    return session_read(fixture()->socket_path, id, -1, true, 0, 0, &err);
}

int session_state(const char *id)
{
    static struct session session;
    struct error err = {0};
    return session_get(fixture()->socket_path, id, &session, &err) == 0 ? (int)session.state : 0;
}
