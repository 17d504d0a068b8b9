#include "api/exec.h"

#include "api/api.h"
#include "api/exec_input.h"
#include "api/exec_live.h"
#include "api/signal_name.h"

#include <stdlib.h>

/* A request that reaches into another one's command. */
struct exec_reach {
    struct api *api;
    struct sandbox_use use;
    struct exec_input *input;
    int64_t received;
};

static void reach_free(void *state)
{
    struct exec_reach *reach = state;
    exec_input_unref(reach->input);
    sandbox_use_end(reach->api->sandboxes, &reach->use);
    free(reach);
}

/* The sandbox is looked up first: a stream of another tenant's sandbox is not found. */
static struct exec_reach *reach_open(struct request *request, struct error *err)
{
    struct exec_reach *reach = calloc(1, sizeof(*reach));
    if (!reach) {
        error_set(err, ERR_INTERNAL, 0, "no memory for a request");
        return NULL;
    }
    reach->api = api_of(request);
    if (sandbox_use_begin(reach->api->sandboxes, request_principal(request),
                          request_param(request, "id"), 0, &reach->use, err)) {
        free(reach);
        return NULL;
    }
    reach->input = exec_live_find(reach->use.id, request_param(request, "exec_id"), err);
    if (!reach->input) {
        reach_free(reach);
        return NULL;
    }
    return reach;
}

int exec_stdin_begin(struct request *request, struct error *err)
{
    struct exec_reach *reach = reach_open(request, err);
    if (!reach) {
        return -1;
    }
    request_set_state(request, reach, reach_free);
    return 0;
}

int exec_stdin_data(struct request *request, const void *bytes, size_t length, struct error *err)
{
    struct exec_reach *reach = request_state(request);
    reach->received += (int64_t)length;
    return exec_input_push(reach->input, bytes, length, request_client_fd(request), err);
}

void exec_stdin_handle(struct request *request)
{
    struct exec_reach *reach = request_state(request);
    struct error err = {0};
    bool eof;
    if (request_query_bool(request, "eof", false, &eof, &err) ||
        (eof && exec_input_end(reach->input, &err))) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:{s:s,s:I,s:b}}", "data", "exec_id",
                           request_param(request, "exec_id"), "size", (json_int_t)reach->received,
                           "eof", eof));
}

void exec_signal_handle(struct request *request)
{
    struct error err = {0};
    int signal = 0;
    if (signal_parse(request_json(request), &signal, &err)) {
        respond_error(request, &err);
        return;
    }
    struct exec_reach *reach = reach_open(request, &err);
    if (!reach || exec_input_signal(reach->input, signal, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 200,
                     json_pack("{s:{s:s,s:i}}", "data", "exec_id",
                               request_param(request, "exec_id"), "signal", signal));
    }
    if (reach) {
        reach_free(reach);
    }
}
