/*
 * The gateway: a reverse proxy from preview, deployment and custom host names to servers inside sandboxes.
 * HTTP/1.1 on both sides with keep-alive, streaming both ways, upgrades passed through. Threads of its own, each
 * an epoll loop. Strict: what it forwards it writes anew from what it parsed.
 */
#ifndef ATOLL_GATEWAY_GATEWAY_H
#define ATOLL_GATEWAY_GATEWAY_H

#include "base/error.h"
#include "base/settings.h"
#include "gateway/directory.h"
#include "hostclient/hostclient.h"

#include <stdint.h>

struct gateway;

struct gateway_counters {
    int64_t connections, connections_refused_total, requests_total, upgraded, upstream_connections,
        upstream_idle, upstream_failed_total, rejected_heads_total, bytes_in_total, bytes_out_total,
        responses_by_class[6];
};

/* Listens on settings->gateway (and gateway_tls). All borrowed. */
struct gateway *gateway_start(const struct settings *settings, struct directory *directory,
                              struct hostclient *host, struct error *err);
/* Stops accepting, gives running requests grace_ms, ends upgraded connections, closes all. Returns NULL. */
struct gateway *gateway_stop(struct gateway *gateway, int64_t grace_ms);

/* The port that it listens on, which settings->gateway may have left to the kernel (":0"). */
int gateway_port(const struct gateway *gateway);
void gateway_counters(struct gateway *gateway, struct gateway_counters *ret_counters);

#endif
