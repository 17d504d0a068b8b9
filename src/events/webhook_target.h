/* Where webhooks may go: addresses of the public Internet, unless the operator says otherwise. Pure. */
#ifndef ATOLL_EVENTS_WEBHOOK_TARGET_H
#define ATOLL_EVENTS_WEBHOOK_TARGET_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Not loopback, private, shared, link-local (metadata services), multicast, reserved or for documentation; the same
 * for IPv4 addresses that an IPv6 one holds. */
bool address_is_public(const struct sockaddr *address);

/* An http or https URL without credentials whose host is not known to be refused; addresses are looked at again when
 * they are connected to. ERR_WEBHOOK_URL, ERR_VALIDATION, field "url". */
int webhook_target_check(const char *url, bool any, struct error *err);

#endif
