#include "http/tickets.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICKETS_MAX = 16384, TICKETS_PER_TENANT = 2048, SECRET_LENGTH = 40 };

static const char start[] = "sset_";

struct ticket {
    struct ticket *next;
    unsigned char hash[SHA256_DIGEST_LENGTH]; /* so that looking one up tells nothing by its time */
    char tenant_id[ID_SIZE], key_id[ID_SIZE];
    int64_t until_ms; /* monotonic */
    bool single_use;
};

struct tickets {
    pthread_mutex_t mutex;
    struct ticket *first;
};

struct tickets *tickets_new(void)
{
    struct tickets *tickets = calloc(1, sizeof(*tickets));
    if (tickets) {
        pthread_mutex_init(&tickets->mutex, NULL);
    }
    return tickets;
}

struct tickets *tickets_free(struct tickets *tickets)
{
    while (tickets && tickets->first) {
        struct ticket *ticket = tickets->first;
        tickets->first = ticket->next;
        free(ticket);
    }
    if (tickets) {
        pthread_mutex_destroy(&tickets->mutex);
    }
    free(tickets);
    return NULL;
}

/* Mutex held. Drops what is over; counts what is left. */
static void sweep(struct tickets *tickets, const char *tenant_id, int64_t *ret_all,
                  int64_t *ret_of_tenant)
{
    int64_t now_ms = clock_monotonic_ms();
    *ret_all = *ret_of_tenant = 0;
    for (struct ticket **at = &tickets->first; *at;) {
        struct ticket *ticket = *at;
        if (ticket->until_ms <= now_ms) {
            *at = ticket->next;
            free(ticket);
            continue;
        }
        ++*ret_all;
        *ret_of_tenant += strcmp(ticket->tenant_id, tenant_id) == 0;
        at = &ticket->next;
    }
}

int tickets_make(struct tickets *tickets, const char *tenant_id, const char *key_id,
                 int64_t lifetime_ms, bool single_use, char text[TICKET_TEXT_SIZE],
                 struct error *err)
{
    struct ticket *ticket = calloc(1, sizeof(*ticket));
    if (!ticket) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "make a ticket");
    }
    char secret[SECRET_LENGTH + 1];
    snprintf(text, TICKET_TEXT_SIZE, "%s%s", start, secret_make(secret, sizeof(secret)));
    SHA256((const unsigned char *)text, strlen(text), ticket->hash);
    snprintf(ticket->tenant_id, sizeof(ticket->tenant_id), "%s", tenant_id);
    snprintf(ticket->key_id, sizeof(ticket->key_id), "%s", key_id);
    ticket->until_ms = clock_monotonic_ms() + lifetime_ms;
    ticket->single_use = single_use;

    int64_t all, of_tenant;
    pthread_mutex_lock(&tickets->mutex);
    sweep(tickets, tenant_id, &all, &of_tenant);
    if (all < TICKETS_MAX && of_tenant < TICKETS_PER_TENANT) {
        ticket->next = tickets->first;
        tickets->first = ticket;
        ticket = NULL;
    }
    pthread_mutex_unlock(&tickets->mutex);
    if (ticket) {
        free(ticket);
        return error_set(err, ERR_RATE_LIMITED, 0, "too many tickets are waiting for their use");
    }
    return 0;
}

int tickets_take(struct tickets *tickets, const char *text, char key_id[ID_SIZE], struct error *err)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, strlen(text), hash);
    bool found = false;
    pthread_mutex_lock(&tickets->mutex);
    for (struct ticket **at = &tickets->first; *at; at = &(*at)->next) {
        struct ticket *ticket = *at;
        if (memcmp(ticket->hash, hash, sizeof(hash)) != 0) {
            continue;
        }
        found = ticket->until_ms > clock_monotonic_ms();
        snprintf(key_id, ID_SIZE, "%s", ticket->key_id);
        if (ticket->single_use) {
            *at = ticket->next;
            free(ticket);
        }
        break;
    }
    pthread_mutex_unlock(&tickets->mutex);
    if (!found) {
        error_set_field(err, ERR_INVALID_TOKEN, "ticket", "the ticket is unknown, used or over");
        return error_hint(err, "Take a new one with POST /api/v1/auth/sse-ticket.");
    }
    return 0;
}
