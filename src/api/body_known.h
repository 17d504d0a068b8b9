/* Refusing members of a request body that nobody would read. */
#ifndef ATOLL_API_BODY_KNOWN_H
#define ATOLL_API_BODY_KNOWN_H

#include "base/error.h"

#include <jansson.h>

/* known: ended by NULL. ERR_VALIDATION naming the first member that is none of them. */
int body_known(json_t *body, const char *const *known, struct error *err);

#endif
