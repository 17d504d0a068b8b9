/* The environment of what runs in a sandbox: commands, jobs, terminals, apps. */
#ifndef ATOLL_APP_ENVIRONMENT_H
#define ATOLL_APP_ENVIRONMENT_H

#include "base/error.h"
#include "sandbox/sandbox.h"

#include <jansson.h>

/* A NULL-terminated array of "KEY=value": a PATH and a UTF-8 locale, over them the template's and the sandbox's
 * variables, over those the ones of more (an object of strings, or NULL). The caller's: environment_free.
 * NULL with err: no memory. */
char **environment_make(const struct sandbox_use *use, json_t *more, struct error *err);

/* Accepts NULL. */
void environment_free(char **environment);

#endif
