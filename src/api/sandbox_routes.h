/* Handlers of sandbox routes that have a file of their own, and what they share. */
#ifndef ATOLL_API_SANDBOX_ROUTES_H
#define ATOLL_API_SANDBOX_ROUTES_H

#include "http/http.h"
#include "sandbox/sandbox.h"

#include <jansson.h>

/* Parses body and ?wait, and creates, on a snapshot's files if it names one. *ret_spec is zeroed by the caller and borrows from body. */
int sandbox_create_from(struct request *request, json_t *body, struct sandbox_spec *ret_spec,
                        json_t **ret_sandbox, struct error *err);

/* The same on the files of an origin, with its request for a body. */
int sandbox_create_of(struct request *request, const struct sandbox_origin *origin,
                      struct sandbox_spec *ret_spec, json_t **ret_sandbox, struct error *err);

void sandbox_list_handle(struct request *request); /* sandbox_list.c */
void sandbox_run_handle(struct request *request);  /* sandbox_run.c */

#endif
