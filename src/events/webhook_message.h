/* What a webhook is sent: payload and signatures. Pure. */
#ifndef ATOLL_EVENTS_WEBHOOK_MESSAGE_H
#define ATOLL_EVENTS_WEBHOOK_MESSAGE_H

#include "store/store_webhooks.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_SIZE = 72 }; /* "sha256=" and 64 digits, with NUL */

/* "sha256=" and the HMAC-SHA256 of the body under the secret, in hexadecimal digits. */
char *webhook_signature(const char *secret, const char *body, size_t length,
                        char text[SIGNATURE_SIZE]);

/* The same of "<time>.<body>", as "t=<time>,v1=<digits>" into text[size]. -1: no memory. */
int webhook_signature_timed(const char *secret, int64_t time_sec, const char *body, char *text,
                            size_t size);

/* A new delivery of the event, under a new id. data is borrowed. Its payload is NULL when memory is out. */
void webhook_delivery_make(const struct webhook *webhook, const char *event_type,
                           const char *event_id, int64_t time_ms, json_t *data,
                           struct delivery *ret_delivery);

/* A new one with the payload of another, but for its id. */
void webhook_delivery_again(const struct delivery *original, struct delivery *ret_delivery);

#endif
