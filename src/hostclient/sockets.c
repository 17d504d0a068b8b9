#include "base/cleanup.h"
#include "hostclient/exchange.h"

#include <sys/socket.h>

static int ask_for_sockets(struct hostclient *client, struct exchange *exchange, const char *id,
                           int family, struct error *err)
{
    if (host_exchange_start(exchange, HOST_OP_SOCKETS, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange->writer, HOST_ID, id);
    fields_put_int(&exchange->writer, HOST_FAMILY, family == AF_INET6 ? 6 : 4);
    fields_put_int(&exchange->writer, HOST_COUNT, exchange->fds_max);
    return host_exchange_ask(client, exchange, err);
}

int host_sockets(struct hostclient *client, const char *id, int family, int count, int *ret_fds,
                 char address[46], struct error *err)
{
    auto_exchange struct exchange exchange = {.fds = ret_fds, .fds_max = count};
    int result = ask_for_sockets(client, &exchange, id, family, err);
    if (result == 0) {
        host_exchange_text(&exchange, HOST_ADDRESS, address, 46);
        if (exchange.fd_count != count || exchange.fds_excess || !address[0]) {
            result = error_set(err, ERR_INTERNAL, 0,
                               "atoll-host sent another number of sockets than %d", count);
        }
    }
    while (result < 0 && exchange.fd_count > 0) {
        close_fd(ret_fds[--exchange.fd_count]);
    }
    return result;
}
