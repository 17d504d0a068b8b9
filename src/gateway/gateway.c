#include "gateway/gateway.h"

#include "gateway/loop.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/listen.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { THREADS_MAX = 64, THREADS_BY_DEFAULT_MAX = 4 };

struct gateway {
    struct gateway_shared shared;
    struct loop *loops[THREADS_MAX];
    int loop_count;
};

static int thread_count(const struct settings *settings)
{
    int64_t wanted = settings->gateway_threads;
    if (wanted == 0) {
        wanted = sysconf(_SC_NPROCESSORS_ONLN);
        wanted = wanted > THREADS_BY_DEFAULT_MAX ? THREADS_BY_DEFAULT_MAX : wanted;
    }
    return wanted < 1 ? 1 : (int)wanted;
}

static int listen_all(struct gateway_shared *shared, struct error *err)
{
    const struct settings *settings = shared->settings;
    shared->listen_fd = listen_tcp(settings->gateway, "gateway", err);
    if (shared->listen_fd < 0 || !settings->gateway_tls[0]) {
        return shared->listen_fd < 0 ? -1 : 0;
    }
    if (!settings->gateway_cert[0]) {
        return error_set_field(err, ERR_VALIDATION, "gateway_cert",
                               "gateway_tls is set, and gateway_cert names no certificate");
    }
    shared->tls = tls_open(settings->gateway_cert, shared->directory, err);
    if (!shared->tls) {
        return -1;
    }
    shared->listen_tls_fd = listen_tcp(settings->gateway_tls, "gateway_tls", err);
    return shared->listen_tls_fd < 0 ? -1 : 0;
}

static int start(struct gateway *gateway, struct hostclient *host, struct error *err)
{
    struct gateway_shared *shared = &gateway->shared;
    shared->connections_max = shared->settings->gateway_connections;
    shared->peers = peers_new(shared->connections_max * 3 / 4);
    if (!shared->peers) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "start the gateway");
    }
    if (listen_all(shared, err)) {
        return -1;
    }
    shared->connector = connector_start(shared->directory, host, err);
    if (!shared->connector) {
        return -1;
    }
    for (int i = 0; i < thread_count(shared->settings); i++) {
        gateway->loops[i] = loop_start(shared, err);
        if (!gateway->loops[i]) {
            return -1;
        }
        gateway->loop_count++;
    }
    return 0;
}

/* A client and its server take a descriptor each. */
static void warn_of_limit(const struct settings *settings)
{
    struct rlimit limit;
    int64_t needed = 2 * settings->gateway_connections + settings->connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && (int64_t)limit.rlim_cur < needed) {
        log_warn("gateway.few_descriptors", "limit=%lld needed=%lld", (long long)limit.rlim_cur,
                 (long long)needed);
    }
}

struct gateway *gateway_start(const struct settings *settings, struct directory *directory,
                              struct hostclient *host, struct error *err)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (!gateway) {
        error_set(err, ERR_INTERNAL, ENOMEM, "start the gateway");
        return NULL;
    }
    gateway->shared.settings = settings;
    gateway->shared.directory = directory;
    gateway->shared.listen_fd = gateway->shared.listen_tls_fd = -1;
    if (start(gateway, host, err)) {
        return gateway_stop(gateway, 0);
    }
    warn_of_limit(settings);
    log_info("gateway.ready", "listen=%s tls=%s threads=%d", settings->gateway,
             settings->gateway_tls[0] ? settings->gateway_tls : "-", gateway->loop_count);
    return gateway;
}

struct gateway *gateway_stop(struct gateway *gateway, int64_t grace_ms)
{
    if (!gateway) {
        return NULL;
    }
    struct gateway_shared *shared = &gateway->shared;
    atomic_store(&shared->stop_at_ms, clock_monotonic_ms() + grace_ms);
    for (int i = 0; i < gateway->loop_count; i++) {
        loop_wake(gateway->loops[i]);
    }
    for (int i = 0; i < gateway->loop_count; i++) {
        loop_join(gateway->loops[i]);
    }
    shared->connector = connector_stop(shared->connector);
    for (int i = 0; i < gateway->loop_count; i++) {
        gateway->loops[i] = loop_free(gateway->loops[i]);
    }
    shared->peers = peers_free(shared->peers);
    shared->tls = tls_close(shared->tls);
    close_fd(shared->listen_fd);
    close_fd(shared->listen_tls_fd);
    free(gateway);
    return NULL;
}

int gateway_port(const struct gateway *gateway)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(gateway->shared.listen_fd, &address.any, &size) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port
                                                   : address.ipv4.sin_port);
}

static void add(struct gateway_counters *counters, const struct loop_counters *loop)
{
    counters->connections += loop->connections;
    counters->connections_refused_total += loop->refused;
    counters->requests_total += loop->requests;
    counters->upgraded += loop->upgraded;
    counters->upstream_connections += loop->upstream_connections;
    counters->upstream_idle += loop->upstream_idle;
    counters->upstream_failed_total += loop->upstream_failed;
    counters->rejected_heads_total += loop->rejected_heads;
    counters->bytes_in_total += loop->bytes_in;
    counters->bytes_out_total += loop->bytes_out;
    for (int i = 0; i < 6; i++) {
        counters->responses_by_class[i] += loop->by_class[i];
    }
}

void gateway_counters(struct gateway *gateway, struct gateway_counters *ret_counters)
{
    *ret_counters = (struct gateway_counters){0};
    for (int i = 0; i < gateway->loop_count; i++) {
        add(ret_counters, &gateway->loops[i]->counters);
    }
}
