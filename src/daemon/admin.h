/* atolld admin …: what must be done before there is a key to use the API with. */
#ifndef ATOLL_DAEMON_ADMIN_H
#define ATOLL_DAEMON_ADMIN_H

#include "base/error.h"
#include "base/settings.h"

#include <stdio.h>

/* arguments: what follows "admin", NULL-terminated. Prints its result alone on standard output. */
int admin_run(const struct settings *settings, char **arguments, struct error *err);

void admin_print_help(FILE *out);

#endif
