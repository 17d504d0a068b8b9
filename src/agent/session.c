#include "agent/session.h"

#include "agent/sessions.h"
#include "base/cleanup.h"

#include <string.h>
#include <time.h>

int64_t realtime_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t monotonic_ms(void)
{
    return monotonic_us() / 1000;
}

void sessions_init(struct session_table *table)
{
    *table = (struct session_table){.next_deadline_ms = INT64_MAX};
    table->end = &table->first;
}

struct session *session_find(const struct agent *agent, const char *id)
{
    struct session *session = agent->sessions.first;
    while (session && strcmp(session->id, id) != 0) {
        session = session->next;
    }
    return session;
}

void session_due(struct session *session, int64_t *deadline_ms, int64_t at_ms)
{
    struct session_table *table = &session->agent->sessions;
    *deadline_ms = at_ms;
    if (at_ms < table->next_deadline_ms) {
        table->next_deadline_ms = at_ms;
    }
}

/* Copies a text to *at, which moves behind it. */
static const char *keep(char **at, const char *text)
{
    if (!text || !*text) {
        return NULL;
    }
    char *copy = *at;
    size_t size = strlen(text) + 1;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* All texts in one piece of memory. */
static int keep_texts(struct session *session, const struct request *request)
{
    session->texts =
        malloc(strlen(request->session_id) + 1 + text_size(request->name) +
               text_size(request->label) + text_size(request->command) + text_size(request->cwd) +
               text_size(request->log_path) + text_size(request->pid_path));
    if (!session->texts) {
        return -1;
    }
    char *at = session->texts;
    session->id = keep(&at, request->session_id);
    session->name = keep(&at, request->name);
    session->label = keep(&at, request->label);
    session->command = keep(&at, request->command);
    session->cwd = keep(&at, request->cwd);
    session->log_path = keep(&at, request->log_path);
    session->pid_path = keep(&at, request->pid_path);
    return 0;
}

struct session *session_new(struct agent *agent, const struct request *request)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session) {
        return NULL;
    }
    struct watch none = {.fd = -1, .owner = session};
    session->agent = agent;
    session->kind = (enum agent_session_kind)request->kind;
    session->state = AGENT_SESSION_RUNNING;
    session->reaped = true;
    session->input = session->output[0] = session->output[1] = none;
    session->log.fd = -1;
    session->spool.fd = -1;
    session->timeout_ms = request->timeout_ms;
    session->detach_ms = request->detach_ms;
    session->timeout_at_ms = session->kill_at_ms = INT64_MAX;
    session->restart_at_ms = session->detach_at_ms = INT64_MAX;
    bool is_job = session->kind == AGENT_SESSION_JOB;
    if (keep_texts(session, request) < 0 ||
        spool_open(&session->spool, is_job,
                   is_job ? AGENT_SPOOL_MAX_BYTES : AGENT_SCROLLBACK_MAX_BYTES) < 0) {
        session_free(session);
        return NULL;
    }
    return session;
}

void session_free(struct session *session)
{
    assert(!session->slot && !session->readers && !session->stoppers);
    session_close(session, &session->input);
    session_close(session, &session->output[0]);
    session_close(session, &session->output[1]);
    backlog_clear(&session->input_backlog);
    session_log_close(&session->log);
    spool_close(&session->spool);
    trees_release(&session->agent->trees, session->tree);
    request_free(&session->request);
    free(session->head);
    free(session->texts);
    agent_bury(session->agent, &session->buried);
}

void session_link(struct session *session)
{
    struct session_table *table = &session->agent->sessions;
    session->slot = table->end;
    *table->end = session;
    table->end = &session->next;
    table->live_count++;
}

void session_forget(struct session *session)
{
    struct session_table *table = &session->agent->sessions;
    assert(session->slot && session->state == AGENT_SESSION_ENDED && !session->stopping);
    *session->slot = session->next;
    if (session->next) {
        session->next->slot = session->slot;
    } else {
        table->end = session->slot;
    }
    session->slot = NULL;
    table->ended_count--;
    if (!session->readers) {
        session_free(session);
    }
}

/* The first of the ended ones, other than the newest, that ended; with_output: and keeps some. */
static struct session *oldest_ended(const struct session *newest, bool with_output)
{
    struct session *oldest = NULL;
    for (struct session *session = newest->agent->sessions.first; session;
         session = session->next) {
        if (session->state == AGENT_SESSION_ENDED && !session->stopping && session != newest &&
            (!with_output || spool_size(&session->spool) > 0) &&
            (!oldest || session->ended_ms < oldest->ended_ms)) {
            oldest = session;
        }
    }
    return oldest;
}

static int64_t ended_output_bytes(const struct agent *agent)
{
    int64_t bytes = 0;
    for (struct session *session = agent->sessions.first; session; session = session->next) {
        bytes += session->state == AGENT_SESSION_ENDED ? spool_size(&session->spool) : 0;
    }
    return bytes;
}

void sessions_trim(struct session *newest)
{
    struct agent *agent = newest->agent;
    struct session *oldest;
    while (agent->sessions.ended_count > AGENT_SESSIONS_ENDED_MAX &&
           (oldest = oldest_ended(newest, false))) {
        session_forget(oldest);
    }
    while (ended_output_bytes(agent) > AGENT_ENDED_OUTPUT_MAX_BYTES &&
           (oldest = oldest_ended(newest, true))) {
        spool_drop(&oldest->spool);
    }
}

static void put_text(struct fields_writer *fields, enum agent_tag tag, const char *text)
{
    if (text) {
        fields_put_string(fields, (uint16_t)tag, text);
    }
}

void session_put(struct fields_writer *fields, const struct session *session)
{
    put_text(fields, AGENT_SESSION_ID, session->id);
    fields_put_int(fields, AGENT_SESSION_KIND, session->kind);
    put_text(fields, AGENT_NAME, session->name);
    put_text(fields, AGENT_LABEL, session->label);
    fields_put_string(fields, AGENT_COMMAND, session->command ? session->command : "");
    fields_put_string(fields, AGENT_CWD, session->cwd ? session->cwd : "");
    put_text(fields, AGENT_LOG_PATH, session->log_path);
    fields_put_int(fields, AGENT_PID, session->pid);
    fields_put_int(fields, AGENT_SESSION_STATE, session->state);
    fields_put_int(fields, AGENT_STARTED_MS, session->started_ms);
    if (session->has_ending) {
        ending_put(fields, &session->ending);
    }
    if (session->state == AGENT_SESSION_ENDED) {
        fields_put_int(fields, AGENT_ENDED_MS, session->ended_ms);
        fields_put_int(fields, AGENT_STOPPED, session->stopped);
    }
    fields_put_int(fields, AGENT_RESTARTS, session->restarts);
    fields_put_int(fields, AGENT_POSITION, session->spool.end);
    fields_put_int(fields, AGENT_VIEWERS, session->viewer_count);
}
