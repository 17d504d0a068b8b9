#include "api/job_start.h"

#include "api/job_json.h"
#include "api/job_use.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/ids.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { CLAIM_TEXT_MAX = 2048 }; /* route, key and digest */

/* What people are shown: the command as it was typed, or its words with blanks between them. */
static void show_command(const struct exec_request *parsed, char text[AGENT_PATH_MAX])
{
    if (parsed->typed) {
        snprintf(text, AGENT_PATH_MAX, "%s", parsed->typed);
        return;
    }
    size_t length = 0;
    for (size_t i = 0; parsed->arguments[i] && length < AGENT_PATH_MAX - 1; i++) {
        int added = snprintf(text + length, AGENT_PATH_MAX - length, "%s%s", i ? " " : "",
                             parsed->arguments[i]);
        length += added > 0 ? (size_t)added : 0;
    }
}

static void name_the_limit(const struct api *api, const char *name, struct error *err)
{
    if (err->code == ERR_JOB_LIMIT && !err->hint[0]) {
        error_set(err, ERR_JOB_LIMIT, 0, "%lld processes and services run in this sandbox already",
                  (long long)api->settings->max_jobs);
    } else if (err->code == ERR_NAME_TAKEN && name) {
        error_set_field(err, ERR_NAME_TAKEN, "name", "a process with the name '%.80s' runs already",
                        name);
        error_hint(err, "Stop it first, or choose another name.");
    }
}

static void forget(const struct sandbox_use *use, const char *id)
{
    struct error ignored = {0};
    struct session stopped;
    session_stop(use->agent_socket, id, 0, true, &stopped, &ignored);
}

/* The bytes that came with the request. A job that cannot be given them is not to run without. */
static int give_input(const struct sandbox_use *use, const struct exec_request *parsed,
                      const char *id, struct error *err)
{
    if (!parsed->input ||
        session_input(use->agent_socket, id, parsed->input, parsed->input_length,
                      !parsed->open_stdin, err) == 0 ||
        err->code == ERR_PROCESS_ENDED) {
        return 0;
    }
    forget(use, id);
    return -1;
}

bool job_id_of_claim(const struct request *request, char id[ID_SIZE])
{
    const char *route, *key;
    if (!request_claim(request, &route, &key)) {
        return false;
    }
    /* The route names the sandbox; the same key with another body is another request. */
    unsigned char digest[SHA256_DIGEST_LENGTH];
    auto_free char *body = json_dumps(request_json(request), JSON_COMPACT | JSON_SORT_KEYS);
    auto_buffer struct buffer text = BUFFER_INIT(CLAIM_TEXT_MAX);
    if (!body || buffer_printf(&text, "%s\n%s\n", route, key) < 0) {
        return false;
    }
    SHA256((const unsigned char *)body, strlen(body), digest);
    if (buffer_append(&text, digest, sizeof(digest)) < 0) {
        return false;
    }
    SHA256((const unsigned char *)text.data, text.length, digest);
    id_of_bytes("job_", digest, id);
    return true;
}

/* Is it there already, of a request that was cut short? One that may not have got its input is started anew. */
static bool find_again(const struct sandbox_use *use, const struct exec_request *parsed,
                       const char *id, struct session *ret_session)
{
    struct error ignored = {0};
    if (session_get(use->agent_socket, id, ret_session, &ignored) < 0) {
        return false;
    }
    if (parsed->input) {
        forget(use, id);
    }
    return !parsed->input;
}

int job_start(struct api *api, const struct sandbox_use *use, struct exec_request *parsed,
              const char *id, struct session *ret_session, struct error *err)
{
    char made[ID_SIZE], shown[AGENT_PATH_MAX];
    if (exec_request_resolve(parsed, use, err)) {
        return -1;
    }
    if (id && find_again(use, parsed, id, ret_session)) {
        return 0;
    }
    id = id ? id : id_make("job_", made);
    show_command(parsed, shown);
    struct session_start start = {
        .id = id,
        .kind = AGENT_SESSION_JOB,
        .name = parsed->name,
        .command = shown,
        .arguments = parsed->arguments,
        .environment = (const char *const *)parsed->environment,
        .cwd = parsed->cwd,
        .user = parsed->user,
        .timeout_ms = parsed->timeout_ms,
        .running_max = api->settings->max_jobs,
        .open_stdin = parsed->input || parsed->open_stdin,
    };
    FAULT_POINT("daemon.job.starting");
    if (session_start(use->agent_socket, &start, ret_session, err)) {
        name_the_limit(api, parsed->name, err);
        return job_failed(api, use, err);
    }
    FAULT_POINT("daemon.job.started");
    return give_input(use, parsed, id, err);
}

void job_respond_detached(struct request *request, struct exec_request *parsed)
{
    struct api *api = api_of(request);
    struct sandbox_use use;
    struct session session;
    struct error err = {0};
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          parsed->wait_ms, &use, &err)) {
        respond_error(request, &err);
        return;
    }
    int result = job_start(api, &use, parsed, NULL, &session, &err);
    sandbox_use_end(api->sandboxes, &use);
    if (result) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 201,
                 json_pack("{s:s,s:s,s:I,s:o}", "job_id", session.id, "id", session.id, "pid",
                           (json_int_t)session.pid, "data",
                           job_json(&session, request_param(request, "id"))));
}
