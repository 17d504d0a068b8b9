#include "api/job_json.h"

#include "api/exec_result.h"
#include "api/utf8_json.h"
#include "base/clock.h"

#include <string.h>

const char *job_status(const struct session *session)
{
    if (session->state == AGENT_SESSION_RUNNING) {
        return "running";
    }
    if (session->state == AGENT_SESSION_WAITING) {
        return "restarting";
    }
    if (session->stopped) {
        return "stopped";
    }
    if (session->exit.timed_out) {
        return "timed_out";
    }
    return session->exit.signal > 0 ? "killed" : "exited";
}

json_t *job_text(const char *text)
{
    bool exact;
    return text[0] ? utf8_json(text, strlen(text), &exact) : json_null();
}

json_t *job_time(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms > 0 ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

/* Of the latest end: a service has run before when it runs. */
static void add_exit(json_t *object, const struct session *session)
{
    bool ended = session->state != AGENT_SESSION_RUNNING;
    json_object_set_new(object, "exit_code", json_null());
    json_object_set_new(object, "signal", json_null());
    json_object_set_new(object, "timed_out", json_false());
    if (ended) {
        exec_result_add_exit(object, &session->exit);
        json_object_del(object, "duration_ms");
        json_object_del(object, "disk_full");
    }
}

json_t *job_json(const struct session *session, const char *sandbox_id)
{
    const char *status = job_status(session);
    json_t *object = json_pack(
        "{s:s,s:s,s:s,s:I,s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:I}", "id", session->id, "job_id",
        session->id, "sandbox_id", sandbox_id, "pid", (json_int_t)session->pid, "name",
        job_text(session->name), "status", status, "state", status, "command",
        job_text(session->command), "cwd", job_text(session->cwd), "started_at",
        job_time(session->started_ms), "stopped_at", job_time(session->ended_ms), "log_path",
        job_text(session->log_path), "restarts", (json_int_t)session->restarts);
    if (object) {
        add_exit(object, session);
    }
    return object;
}
