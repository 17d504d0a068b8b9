/* Inside hostclient/: one request and its reply, on a connection of the pool. */
#ifndef ATOLL_HOSTCLIENT_EXCHANGE_H
#define ATOLL_HOSTCLIENT_EXCHANGE_H

#include "hostclient/hostclient.h"
#include "wire/fields.h"

enum { REQUEST_MAX_BYTES = 4096 };

/* One call: its request, and the memory that its reply is read into. */
struct exchange {
    struct fields_writer writer;
    unsigned char request[REQUEST_MAX_BYTES];
    unsigned char *reply; /* HOST_PACKET_MAX bytes */
    size_t reply_length;
    int *fds;              /* NULL: descriptors that come with the reply are dropped */
    int fds_max, fd_count; /* how many there is room for, how many came */
    bool fds_excess;       /* more came, and were closed */
};

/* Begins the request. 0 or -1 with err; host_exchange_free in any case. */
int host_exchange_start(struct exchange *exchange, enum host_operation operation,
                        struct error *err);
void host_exchange_free(struct exchange *exchange);
#define auto_exchange __attribute__((cleanup(host_exchange_free)))

/* Sends the request and reads the reply. -1 with the error of either side. Descriptors that came are in
 * fds and the caller's, with an error, too. */
int host_exchange_ask(struct hostclient *client, struct exchange *exchange, struct error *err);

/* The same on a connection that stays open for more packets: the caller's *ret_fd. */
int host_exchange_open(const struct hostclient *client, struct exchange *exchange, int *ret_fd,
                       struct error *err);

int64_t host_exchange_int(const struct exchange *exchange, enum host_tag tag);
void host_exchange_text(const struct exchange *exchange, enum host_tag tag, char *text,
                        size_t size);

#endif
