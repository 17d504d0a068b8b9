/*
 * Tickets: what a browser's EventSource, which cannot send an Authorization header, shows in its URL instead of
 * a key. Each stands for the key that asked for it, for a short time, on streams only. In memory: they end with
 * the process. Any thread.
 */
#ifndef ATOLL_HTTP_TICKETS_H
#define ATOLL_HTTP_TICKETS_H

#include "base/error.h"
#include "http/http.h"

#include <stdbool.h>
#include <stdint.h>

struct tickets;

struct tickets *tickets_new(void); /* NULL: no memory */
struct tickets *tickets_free(struct tickets *tickets);

/* ERR_RATE_LIMITED: the tenant, or all of them together, have too many that are still good. */
int tickets_make(struct tickets *tickets, const char *tenant_id, const char *key_id,
                 int64_t lifetime_ms, bool single_use, char text[TICKET_TEXT_SIZE],
                 struct error *err);

/* Finds whose it is, and uses it up if it is for one use. ERR_INVALID_TOKEN. */
int tickets_take(struct tickets *tickets, const char *text, char key_id[ID_SIZE],
                 struct error *err);

#endif
