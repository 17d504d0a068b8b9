/* What a request says about the command to run; shared by exec, its stream, commands and run. */
#ifndef ATOLL_API_EXEC_REQUEST_H
#define ATOLL_API_EXEC_REQUEST_H

#include "agentclient/agentclient.h"
#include "base/error.h"
#include "sandbox/sandbox.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXEC_TIMEOUT_MAX_MS = 86400 * 1000,
    EXEC_TIMEOUT_DEFAULT_MS = 30 * 1000,
    EXEC_WAIT_MAX_MS = 120 * 1000,
    EXEC_WAIT_DEFAULT_MS = 30 * 1000,
    /* Linux's MAX_ARG_STRLEN: the longest single argument or variable, with its NUL. */
    EXEC_STRING_MAX_BYTES = 128 * 1024,
    /* All arguments and variables together: what fits into the one frame that starts a command. */
    EXEC_STRINGS_MAX_BYTES = 960 * 1024,
};

enum exec_form {
    EXEC_FORM_EXEC,     /* POST …/exec and …/exec/stream */
    EXEC_FORM_RUN,      /* the command's part of POST /sandboxes/run: wait is not ours to read */
    EXEC_FORM_COMMANDS, /* POST …/commands: narrower limits, cwd may be relative */
    EXEC_FORM_JOB,      /* POST …/processes: always detached */
};

struct exec_request {
    const char **arguments;   /* NULL-terminated array of our own, strings borrowed from the body */
    char **environment;       /* NULL-terminated, our own; filled by exec_request_resolve */
    char cwd[AGENT_PATH_MAX]; /* "" until resolved when the request names none */
    const char *typed;        /* the command as it was typed when a shell runs it, else NULL */
    const char *user;         /* or NULL */
    const char *name;         /* of a job, or NULL */
    unsigned char *input;     /* our own; NULL when none */
    size_t input_length;
    bool open_stdin;    /* more input comes by POST …/exec/{exec_id}/stdin */
    bool detached;      /* it is to outlive the request, as a job */
    int64_t timeout_ms; /* of jobs: 0 = none */
    int64_t wait_ms;    /* how long to wait for a sandbox that is starting */
    json_t *env;        /* borrowed from the body, or NULL */
};

/* Checks the body and fills *request (zeroed by the caller). Only EXEC and COMMANDS may turn out detached. The body must outlive it. -1 with err that
 * names the field; exec_request_free is due in both cases. */
int exec_request_parse(json_t *body, enum exec_form form, struct exec_request *request,
                       struct error *err);

/* Completes cwd and environment from the sandbox: variables of the template and the sandbox lie under
 * the request's own, and under all of them a PATH and a UTF-8 locale. */
int exec_request_resolve(struct exec_request *request, const struct sandbox_use *use,
                         struct error *err);

void exec_request_free(struct exec_request *request);

#define auto_exec_request __attribute__((cleanup(exec_request_free)))

#endif
