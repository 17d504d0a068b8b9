#include "api/processes.h"

#include "api/api.h"
#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/job_json.h"
#include "api/job_use.h"
#include "api/signal_name.h"
#include "app/services.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

enum { GRACE_DEFAULT_MS = 5000, GRACE_MAX_MS = 30 * 1000 };

/* --- standard input --- */

struct typed {
    unsigned char *decoded; /* our own, or NULL */
    const void *bytes;
    size_t length;
    bool eof;
};

static int parse_typed(json_t *body, struct typed *typed, struct error *err)
{
    static const char *const known[] = {"data", "data_base64", "eof", NULL};
    const char *text, *encoded;
    if (body_known(body, known, err) || body_string(body, "data", &text, err) ||
        body_string(body, "data_base64", &encoded, err) ||
        body_bool(body, "eof", false, &typed->eof, err)) {
        return -1;
    }
    if (text && encoded) {
        return error_set_field(err, ERR_VALIDATION, "data_base64",
                               "data and data_base64 exclude each other");
    }
    if (!text && !encoded && !typed->eof) {
        return error_set_field(err, ERR_MISSING_PARAM, "data",
                               "one of data, data_base64 and eof is needed");
    }
    if (encoded && base64_decode_all(encoded, strlen(encoded), &typed->decoded, &typed->length)) {
        return error_set_field(err, ERR_VALIDATION, "data_base64", "data_base64 is not base64");
    }
    typed->bytes = typed->decoded ? (const void *)typed->decoded : text ? text : "";
    typed->length = typed->decoded ? typed->length : text ? strlen(text) : 0;
    if (typed->length > AGENT_INPUT_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, encoded ? "data_base64" : "data",
                               "more than %d bytes at once", AGENT_INPUT_MAX_BYTES);
    }
    return 0;
}

static int send_typed(struct request *request, struct typed *typed, struct error *err)
{
    struct sandbox_use use;
    struct session session;
    if (job_use_begin(request, &use, &session, err)) {
        return -1;
    }
    int result = parse_typed(request_json(request), typed, err);
    if (result == 0 &&
        session_input(use.agent_socket, session.id, typed->bytes, typed->length, typed->eof, err)) {
        result = job_failed(api_of(request), &use, err);
    }
    sandbox_use_end(api_of(request)->sandboxes, &use);
    return result;
}

void process_stdin_handle(struct request *request)
{
    struct typed typed = {0};
    struct error err = {0};
    if (send_typed(request, &typed, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 200,
                     json_pack("{s:{s:s,s:I,s:b}}", "data", "id",
                               request_param(request, "process_id"), "size",
                               (json_int_t)typed.length, "eof", typed.eof));
    }
    free(typed.decoded);
}

/* --- signals --- */

static int send_signal(struct request *request, int *ret_signal, struct error *err)
{
    static const char *const known[] = {"signal", NULL};
    struct sandbox_use use;
    struct session session;
    if (job_use_begin(request, &use, &session, err)) {
        return -1;
    }
    int result = body_known(request_json(request), known, err) ||
                 signal_parse(request_json(request), ret_signal, err);
    if (result == 0 && session_signal(use.agent_socket, session.id, *ret_signal, err)) {
        result = job_failed(api_of(request), &use, err);
    }
    sandbox_use_end(api_of(request)->sandboxes, &use);
    return result;
}

void process_signal_handle(struct request *request)
{
    struct error err = {0};
    int signal = 0;
    if (send_signal(request, &signal, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:{s:s,s:i}}", "data", "id", request_param(request, "process_id"),
                           "signal", signal));
}

/* --- stopping --- */

int process_grace(struct request *request, int64_t *ret_grace_ms, struct error *err)
{
    static const char *const known[] = {"grace_ms", NULL};
    json_t *body = request_json(request);
    int64_t fallback;
    if (body && (body_known(body, known, err) ||
                 body_int(body, "grace_ms", 0, GRACE_MAX_MS, GRACE_DEFAULT_MS, &fallback, err))) {
        return -1;
    }
    return request_query_int(request, "grace_ms", 0, GRACE_MAX_MS,
                             body ? fallback : GRACE_DEFAULT_MS, ret_grace_ms, err);
}

/* A service that was stopped by its process does not come back either. */
static int keep_stopped(struct api *api, const struct session *session, const char *sandbox_id,
                        struct error *err)
{
    return strcmp(session->label, SERVICE_LABEL) == 0
               ? service_set_stopped(api->sandboxes, sandbox_id, session->name, true, err)
               : 0;
}

static int stop(struct request *request, bool forget_ended, struct session *ret_session,
                bool *ret_forgotten, struct error *err)
{
    struct api *api = api_of(request);
    struct sandbox_use use;
    int64_t grace_ms;
    if (job_use_begin(request, &use, ret_session, err)) {
        return -1;
    }
    bool ended = ret_session->state == AGENT_SESSION_ENDED;
    *ret_forgotten = ended && forget_ended;
    int result = process_grace(request, &grace_ms, err) ||
                 (!ended && keep_stopped(api, ret_session, use.id, err));
    if (result == 0) {
        FAULT_POINT("daemon.job.stopping");
        result = session_stop(use.agent_socket, ret_session->id, grace_ms, *ret_forgotten,
                              ret_session, err)
                     ? job_failed(api, &use, err)
                     : 0;
        FAULT_POINT("daemon.job.stopped");
    }
    sandbox_use_end(api->sandboxes, &use);
    return result ? -1 : 0;
}

static void respond_stopped(struct request *request, bool forget_ended)
{
    struct error err = {0};
    struct session session;
    bool forgotten;
    if (stop(request, forget_ended, &session, &forgotten, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *data = job_json(&session, request_param(request, "id"));
    json_object_set_new(data, "forgotten", json_boolean(forgotten));
    respond_json(request, 200, json_pack("{s:o}", "data", data));
}

void process_stop_handle(struct request *request)
{
    respond_stopped(request, false);
}

void process_delete_handle(struct request *request)
{
    respond_stopped(request, true);
}
