/* The "services" of a create request. */
#ifndef ATOLL_API_CREATE_SERVICES_H
#define ATOLL_API_CREATE_SERVICES_H

#include "base/error.h"

#include <jansson.h>

/* Makes definitions of the request's array of services: *ret_services is a new object of name →
 * definition, NULL when the request has none. ERR_VALIDATION naming services. */
int create_services_parse(json_t *request, json_t **ret_services, struct error *err);

#endif
