/* Signals in request bodies. */
#ifndef ATOLL_API_SIGNAL_NAME_H
#define ATOLL_API_SIGNAL_NAME_H

#include "base/error.h"

#include <jansson.h>

/* The body's member signal: "SIGINT", "INT" or 2. ERR_MISSING_PARAM, ERR_VALIDATION. */
int signal_parse(json_t *body, int *ret_signal, struct error *err);

#endif
