/* What browsers on pages of other origins may do: setting cors_origins. */
#ifndef ATOLL_HTTP_CORS_H
#define ATOLL_HTTP_CORS_H

#include "http/request.h"

/* Adds the headers that let the request's origin read the reply, when it may. Keys travel in a header that a page
 * must have been given, never in cookies: so this opens nothing that the key does not. */
void cors_add_headers(const struct request *request, struct MHD_Response *response);

/* Adds what a preflight (OPTIONS) asks for to the reply to come. */
void cors_answer_preflight(struct request *request);

/* Is origin one of the comma-separated list, or is that "*"? Pure. */
bool cors_origin_allowed(const char *list, const char *origin);

#endif
