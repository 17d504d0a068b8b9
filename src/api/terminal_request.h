/* What a request says about the terminal to open. */
#ifndef ATOLL_API_TERMINAL_REQUEST_H
#define ATOLL_API_TERMINAL_REQUEST_H

#include "api/exec_request.h"

struct terminal_request {
    struct exec_request exec;
    json_t *body;     /* our own: the request as exec_request_parse wants it */
    json_t *env;      /* our own: the variables, with those of a terminal */
    char shown[1024]; /* the command as people are shown it */
    int rows, cols;
};

/* Checks the body and fills *request (zeroed by the caller), which may borrow from it. -1 with err that names
 * the field; terminal_request_free is due in both cases. */
int terminal_request_parse(json_t *body, struct terminal_request *request, struct error *err);

/* Completes cwd and environment from the sandbox: TERM, COLORTERM and LANG are set unless given. */
int terminal_request_resolve(struct terminal_request *request, const struct sandbox_use *use,
                             struct error *err);

void terminal_request_free(struct terminal_request *request);

#define auto_terminal_request __attribute__((cleanup(terminal_request_free)))

#endif
