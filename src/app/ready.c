/* From the start of an app's job to a server that answers. */
#include "app/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <string.h>

enum {
    ATTEMPT_MAX_MS = 15 * 1000, /* a development server compiles before its first answer */
    PAUSE_FIRST_MS = 50,
    PAUSE_MAX_MS = 500,
    INSTALL_GRACE_MS = 10 * 1000, /* beyond what the sandbox's own timeout(1) allows */
};

static bool is_installed(const struct sandbox_use *use, json_t *plan)
{
    struct error ignored = {0};
    struct agent_stat stat;
    return !json_is_true(json_object_get(plan, "install")) ||
           agent_stat(use->agent_socket, APP_INSTALLED_PATH, false, &stat, &ignored) == 0;
}

int app_phase_of(const struct sandbox_use *use, json_t *plan, enum app_phase *ret_phase,
                 struct session *ret_session, struct error *err)
{
    const char *id = plan_text(plan, "process_id");
    struct error problem = {0};
    if (!id || json_is_true(json_object_get(plan, "stopped"))) {
        *ret_phase = APP_GONE;
        return 0;
    }
    if (session_get(use->agent_socket, id, ret_session, &problem) < 0) {
        *ret_phase = APP_GONE;
        if (problem.code != ERR_PROCESS_NOT_FOUND) {
            *err = problem;
            return -1;
        }
        return 0;
    }
    if (ret_session->state == AGENT_SESSION_ENDED) {
        *ret_phase = APP_ENDED;
    } else if (ret_session->state == AGENT_SESSION_WAITING) {
        *ret_phase = APP_RESTARTING;
    } else {
        *ret_phase = is_installed(use, plan) ? APP_STARTED : APP_INSTALLING;
    }
    return 0;
}

bool app_answers(struct apps *apps, const struct sandbox_use *use, json_t *plan, int64_t timeout_ms)
{
    json_t *probe = json_object_get(plan, "readiness_probe");
    struct error ignored = {0};
    int status = 0;
    int64_t latency_ms;
    if (!json_is_object(probe)) {
        return true;
    }
    return app_probe(apps, use, probe, timeout_ms, &status, &latency_ms, &ignored) == 0 &&
           status < 500;
}

/* The command ended with an error: says which one, with its last words. */
static int failed(const struct sandbox_use *use, json_t *plan, const struct session *session,
                  json_t **ret_details, struct error *err)
{
    struct session ended;
    struct error ignored = {0};
    if (session->state != AGENT_SESSION_ENDED) {
        /* What never answered is not restarted: whoever waits is told instead. */
        session_stop(use->agent_socket, session->id, APP_STOP_GRACE_MS, false, &ended, &ignored);
    }
    bool started = is_installed(use, plan);
    const char *which = started ? "start" : "install";
    int code = session->exit.exit_code;
    auto_free char *tail = log_tail(use->agent_socket, APP_LOGS_PATH);
    *ret_details = json_pack("{s:s, s:i, s:s, s:s}", "stage", which, "exit_code", code, "logs_path",
                             APP_LOGS_PATH, "log_tail", tail ? tail : "");
    size_t length = tail ? strlen(tail) : 0;
    size_t shown = 200;
    const char *last = !tail ? "" : tail + (length > shown ? length - shown : 0);
    while ((*last & 0xc0) == 0x80) {
        last++; /* not in the middle of a character */
    }
    const char *how = !started && code == 124 ? " (install_timeout_sec passed)" : "";
    return error_set(err, ERR_APP_FAILED, 0,
                     "the %s command ended with exit code %d%s; its log: %s", which, code, how,
                     last);
}

/* Looks once. 1: done, 0: go on, -1. */
static int look(struct apps *apps, const struct sandbox_use *use, json_t *plan,
                int64_t *deadline_ms, json_t **ret_details, struct error *err)
{
    struct session session;
    enum app_phase phase;
    if (app_phase_of(use, plan, &phase, &session, err) < 0) {
        sandbox_explain(apps->sandboxes, use, err);
        return -1;
    }
    if (phase == APP_GONE) {
        return error_set(err, ERR_CONFLICT, 0, "the app was stopped or started anew meanwhile");
    }
    if (phase == APP_ENDED && session.exit.exit_code == 0) {
        return 1; /* a script that writes a report, or the like, has done its work */
    }
    if (phase == APP_ENDED || phase == APP_RESTARTING || session.restarts > 0) {
        return failed(use, plan, &session, ret_details, err);
    }
    int64_t now_ms = clock_monotonic_ms();
    if (phase == APP_INSTALLING) {
        return 0;
    }
    if (*deadline_ms == 0) {
        *deadline_ms = now_ms + plan_int(plan, "start_timeout_sec") * 1000;
    }
    int64_t left_ms = *deadline_ms - now_ms;
    if (left_ms <= 0) {
        return 1; /* it may still come: the reply says ready false */
    }
    return app_answers(apps, use, plan, left_ms < ATTEMPT_MAX_MS ? left_ms : ATTEMPT_MAX_MS);
}

static int pause_for(int client_fd, int ending_fd, int64_t wait_ms, struct error *err)
{
    struct pollfd polled[] = {{.fd = client_fd, .events = POLLRDHUP},
                              {.fd = ending_fd, .events = POLLIN}};
    if (poll(polled, 2, (int)wait_ms) <= 0) {
        return 0;
    }
    if (polled[0].revents) {
        return error_set(err, ERR_CANCELLED, 0, "the client went away; the app goes on");
    }
    error_set(err, ERR_SHUTTING_DOWN, 0, "the service is stopping; the app goes on");
    return error_hint(err, "Ask GET …/template when the service is back.");
}

int app_await(struct apps *apps, const struct sandbox_use *use, json_t *plan, int client_fd,
              int ending_fd, json_t **ret_details, struct error *err)
{
    int64_t start_deadline_ms = 0, wait_ms = PAUSE_FIRST_MS;
    int64_t install_deadline_ms =
        clock_monotonic_ms() + plan_int(plan, "install_timeout_sec") * 1000 + INSTALL_GRACE_MS;
    for (;;) {
        int seen = look(apps, use, plan, &start_deadline_ms, ret_details, err);
        if (seen != 0) {
            return seen < 0 ? -1 : 0;
        }
        if (start_deadline_ms == 0 && clock_monotonic_ms() > install_deadline_ms) {
            return error_set(err, ERR_UPSTREAM_TIMEOUT, 0, "the install command does not end");
        }
        if (pause_for(client_fd, ending_fd, wait_ms, err) < 0) {
            return -1;
        }
        wait_ms = wait_ms * 2 < PAUSE_MAX_MS ? wait_ms * 2 : PAUSE_MAX_MS;
    }
}
