#include "agent/session.h"

#include "agent/drain.h"
#include "agent/launch.h"
#include "agent/pty.h"
#include "agent/sessions.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 30 * 1000,
    STEADY_RUN_US = 10 * 1000 * 1000, /* a run of this length begins the row of restarts anew */
    ROWS_DEFAULT = 24,
    COLS_DEFAULT = 80,
    PTY_READS_MAX = 8,      /* a terminal gives 4 KiB at a time */
    DRAIN_READS_MAX = 1024, /* after the end: no more than the largest pipe holds */
};

void session_close(struct session *session, struct watch *watch)
{
    loop_watch(&session->agent->loop, watch, 0);
    watch_close(watch);
}

/* Reads once from a pipe, several times from a terminal. As read(2). */
static ssize_t read_output(struct session *session, int index)
{
    unsigned char *buffer = session->agent->batch;
    int fd = session->output[index].fd;
    ssize_t length = read(fd, buffer, CHUNK_BYTES);
    if (session->kind == AGENT_SESSION_JOB) {
        return length;
    }
    /* Short: a person types. Then the rest need not be asked for. */
    for (int i = 1; i < PTY_READS_MAX && length >= i * 1024; i++) {
        ssize_t got = read(fd, buffer + length, CHUNK_BYTES - (size_t)length);
        if (got <= 0) {
            break;
        }
        length += got;
    }
    return length;
}

/* Keeps what is there. Returns whether there may be more. */
static bool pump(struct session *session, int index)
{
    if (session->output[index].fd < 0) {
        return false;
    }
    ssize_t got = read_output(session, index);
    if (got < 0 && errno == EINTR) {
        return true;
    }
    if (got < 0 && errno == EAGAIN) {
        return false;
    }
    if (got <= 0) {
        session_close(session, &session->output[index]);
        return false;
    }
    spool_put(&session->spool, index + 1, realtime_ms(), session->agent->batch, (size_t)got);
    session_log_put(&session->log, session->agent->batch, (size_t)got);
    return true;
}

static void on_output(struct watch *watch, uint32_t events)
{
    (void)events;
    struct session *session = watch->owner;
    if (pump(session, watch == &session->output[1])) {
        readers_advance(session);
    }
}

static enum spawn_stage open_streams(struct session *session, const struct request *request,
                                     struct launch *launch)
{
    if (session->kind == AGENT_SESSION_JOB) {
        return launch_open_pipes(launch, session->agent, request, &session->input.fd,
                                 &session->output[0].fd, &session->output[1].fd) < 0
                   ? SPAWN_PIPE
                   : SPAWN_NONE;
    }
    int rows = request->rows > 0 ? (int)request->rows : ROWS_DEFAULT;
    int cols = request->cols > 0 ? (int)request->cols : COLS_DEFAULT;
    if (pty_open(&launch->account, rows, cols, &session->output[0].fd, &launch->child_end[0]) < 0) {
        return SPAWN_PTY;
    }
    session->input.fd = fcntl(session->output[0].fd, F_DUPFD_CLOEXEC, 3);
    for (int fd = 0; fd < 3; fd++) {
        launch->plan.stdio[fd] = launch->child_end[0];
    }
    launch->plan.terminal = true;
    return session->input.fd < 0 ? SPAWN_PIPE : SPAWN_NONE;
}

static void close_streams(struct session *session)
{
    session_close(session, &session->input);
    session_close(session, &session->output[0]);
    session_close(session, &session->output[1]);
}

/* The child may rewrite the argument vector in memory that it shares. */
static pid_t spawn_unchanged(struct session *session, struct launch *launch,
                             struct spawn_report *ret_report)
{
    char **arguments = launch->plan.arguments;
    char *first = arguments[0];
    pid_t pid = spawn(&session->agent->spawner, &launch->plan, ret_report);
    arguments[0] = first;
    return pid;
}

static void watch_streams(struct session *session)
{
    session->input.on_ready = session_on_input;
    for (int i = 0; i < 2; i++) {
        session->output[i].on_ready = on_output;
        if (session->output[i].fd >= 0) {
            loop_watch(&session->agent->loop, &session->output[i], EPOLLIN);
        }
    }
}

enum spawn_stage session_run(struct session *session, const struct request *request,
                             int *ret_errnum)
{
    struct agent *agent = session->agent;
    auto_launch struct launch launch = LAUNCH_NONE;
    struct spawn_report report;
    enum spawn_stage stage = launch_prepare(&launch, agent, request);
    if (stage == SPAWN_NONE) {
        stage = open_streams(session, request, &launch);
    }
    *ret_errnum = errno;
    if (stage == SPAWN_NONE) {
        session->tree = trees_take(&agent->trees);
        launch.plan.cgroup_fd = session->tree ? session->tree->dir_fd : -1;
        session->oom_kills_before = oom_kill_count(agent->oom_fd);
        session->start_us = monotonic_us();
        session->pid = spawn_unchanged(session, &launch, &report);
        stage = report.stage;
        *ret_errnum = report.errnum;
    }
    if (stage != SPAWN_NONE) {
        close_streams(session);
        trees_release(&agent->trees, take_pointer(&session->tree));
        return stage;
    }
    session->reaped = false;
    session->timed_out = false;
    session->input_ends = false;
    session->state = AGENT_SESSION_RUNNING;
    if (session->timeout_ms > 0) {
        session_due(session, &session->timeout_at_ms,
                    session->start_us / 1000 + session->timeout_ms);
    }
    if (session->log.fd < 0) { /* one that is restarted goes on in its log */
        session_log_open(&session->log, session->log_path);
    }
    session_write_pid(session->pid_path, session->pid);
    watch_streams(session);
    return SPAWN_NONE;
}

/* What the process wrote before its end. Others may hold the other ends and go on writing. */
static void drain(struct session *session)
{
    for (int i = 0; i < 2; i++) {
        int length = INT32_MAX;
        if (session->output[i].fd >= 0 && session->kind == AGENT_SESSION_JOB) {
            ioctl(session->output[i].fd, FIONREAD, &length);
        }
        int64_t stop = session->spool.end + length;
        for (int reads = 0; reads < DRAIN_READS_MAX && session->spool.end < stop; reads++) {
            if (!pump(session, i)) {
                break;
            }
        }
        if (session->kind == AGENT_SESSION_JOB) {
            drain_start(session->agent, &session->output[i]);
        }
    }
}

static bool wants_restart(const struct session *session)
{
    int status = session->ending.wait_status;
    return session->head && !session->stopping && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Nothing of a terminal, or of a run that another one follows, outlives it. */
static void kill_rest(struct session *session)
{
    if (session->tree) {
        tree_kill(session->tree, 0);
    } else {
        tree_signal(NULL, session->pid, SIGKILL);
    }
}

static void wait_for_restart(struct session *session, bool was_steady)
{
    int64_t backoff_ms = session->backoff_ms * 2;
    if (was_steady || backoff_ms == 0) {
        backoff_ms = BACKOFF_FIRST_MS;
    }
    session->backoff_ms = backoff_ms < BACKOFF_MAX_MS ? backoff_ms : BACKOFF_MAX_MS;
    session->state = AGENT_SESSION_WAITING;
    session_due(session, &session->restart_at_ms, monotonic_ms() + session->backoff_ms);
}

void session_end(struct session *session)
{
    struct session_table *table = &session->agent->sessions;
    assert(session->state != AGENT_SESSION_ENDED && session->reaped);
    session->state = AGENT_SESSION_ENDED;
    session->ended_ms = realtime_ms();
    session->restart_at_ms = INT64_MAX;
    session_log_close(&session->log);
    request_free(&session->request);
    free(take_pointer(&session->head));
    table->live_count--;
    table->ended_count++;
    if (session->detach_ms > 0 && session->viewer_count == 0) {
        session_due(session, &session->detach_at_ms, monotonic_ms() + session->detach_ms);
    }
    readers_advance(session);
    sessions_trim(session);
}

void session_restart(struct session *session)
{
    int errnum;
    session->restart_at_ms = INT64_MAX;
    if (session_run(session, &session->request, &errnum) != SPAWN_NONE) {
        wait_for_restart(session, false);
        return;
    }
    session->restarts++;
}

static void finish_run(struct session *session)
{
    session->timeout_at_ms = INT64_MAX;
    session_close(session, &session->input);
    backlog_clear(&session->input_backlog);
    readers_continue_input(session);
    drain(session);
    bool again = wants_restart(session);
    if (again || session->kind == AGENT_SESSION_TERMINAL) {
        kill_rest(session);
    }
    close_streams(session);
    if (!session->stopping) {
        trees_release(&session->agent->trees, take_pointer(&session->tree));
    }
    if (again) {
        readers_advance(session);
        wait_for_restart(session, session->ending.duration_us >= STEADY_RUN_US);
    } else {
        session_end(session);
    }
}

void session_reaped(struct agent *agent, pid_t pid, int wait_status)
{
    struct session *session = agent->sessions.first;
    while (session && (session->reaped || session->pid != pid)) {
        session = session->next;
    }
    if (!session) {
        return;
    }
    session->reaped = true;
    session->has_ending = true;
    session->ending = (struct ending){
        .wait_status = wait_status,
        .timed_out = session->timed_out,
        .oom_killed = oom_kill_count(agent->oom_fd) != session->oom_kills_before,
        .duration_us = monotonic_us() - session->start_us,
    };
    finish_run(session);
}
