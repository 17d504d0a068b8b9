/* atolld's life: start-up order, signals, shutdown order. */
#ifndef ATOLL_DAEMON_SERVE_H
#define ATOLL_DAEMON_SERVE_H

#include "base/error.h"
#include "base/settings.h"

/* Serves until SIGTERM or SIGINT. */
int serve(const struct settings *settings, struct error *err);

#endif
