/* Running a command to its end inside a request. */
#ifndef ATOLL_API_EXEC_H
#define ATOLL_API_EXEC_H

#include "http/http.h"
#include "sandbox/sandbox.h"

#include <jansson.h>

struct exec_request;

enum {
    EXEC_CAPTURE_MAX_BYTES = 10 * 1024 * 1024, /* of standard output, and of standard error */
};

/*
 * Runs what body describes (command | cmd+args | argv, cwd, env, user, stdin, timeout, as in POST …/exec;
 * members that it does not know are left alone) and waits for its end. *ret_result: a new object with
 * stdout, stderr, exit_code (-1 when timed out), timed_out, duration_ms and, where they apply, signal,
 * oom_killed, disk_full, stdout_truncated, stdout_base64 (and of stderr alike). A command that fails is
 * success here; -1 with err when it could not be started, the sandbox went, or the client went
 * (ERR_CANCELLED; the command is killed).
 */
int exec_run(struct request *request, const struct sandbox_use *use, json_t *body,
             json_t **ret_result, struct error *err);

/* As exec_run, for a request that was parsed already. */
int exec_run_parsed(struct request *request, const struct sandbox_use *use,
                    struct exec_request *parsed, json_t **ret_result, struct error *err);

/* Handlers of the streams (exec_stream.c) and of what reaches into one (exec_control.c). */
void exec_stream_handle(struct request *request);
void exec_signal_handle(struct request *request);
int exec_stdin_begin(struct request *request, struct error *err);
int exec_stdin_data(struct request *request, const void *bytes, size_t length, struct error *err);
void exec_stdin_handle(struct request *request);

#endif
