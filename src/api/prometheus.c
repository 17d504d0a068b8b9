#include "api/prometheus.h"

#include "api/engines.h"
#include "api/snapshot_metrics.h"
#include "api/warm_metrics.h"

static int number(struct buffer *page, const char *type, const char *name, const char *help,
                  int64_t value)
{
    return buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type,
                         name, (long long)value);
}

static int heading(struct buffer *page, const char *type, const char *name, const char *help)
{
    return buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static int write_latency(struct buffer *page, const struct http_counters *http)
{
    static const char name[] = "atoll_http_request_seconds";
    int64_t total = 0;
    int failed = heading(page, "histogram", name, "Time from a request's head to its reply's end.");
    for (int i = 0; i < 15; i++) {
        total += http->latency_counts[i];
        failed |= buffer_printf(page, "%s_bucket{le=\"%g\"} %lld\n", name,
                                (double)http_latency_bounds_us[i] / 1e6, (long long)total);
    }
    total += http->latency_counts[15];
    failed |= buffer_printf(page, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.6f\n%s_count %lld\n", name,
                            (long long)total, name, (double)http->latency_sum_us / 1e6, name,
                            (long long)total);
    return failed;
}

static int write_http(struct buffer *page, const struct http_counters *http)
{
    int failed = heading(page, "counter", "atoll_http_responses_total",
                         "Replies by class of status; 0xx had none, as their client went away.");
    for (int i = 0; i < 6; i++) {
        failed |= buffer_printf(page, "atoll_http_responses_total{class=\"%dxx\"} %lld\n", i,
                                (long long)http->responses_by_class[i]);
    }
    failed |= number(page, "counter", "atoll_http_requests_total", "Requests that have ended.",
                     http->requests_total);
    failed |= number(page, "counter", "atoll_http_rate_limited_total", "Requests refused with 429.",
                     http->rate_limited_total);
    failed |= number(page, "counter", "atoll_http_auth_failed_total",
                     "Requests refused for their credential.", http->auth_failed_total);
    failed |=
        number(page, "gauge", "atoll_http_connections", "Open connections.", http->connections);
    failed |=
        number(page, "counter", "atoll_http_connections_refused_total",
               "Connections refused because there were too many.", http->connections_refused_total);
    failed |=
        number(page, "counter", "atoll_http_slow_clients_total",
               "Connections cut because their client was too slow.", http->slow_clients_cut_total);
    return failed | write_latency(page, http);
}

static int write_engines(struct buffer *page, const struct sandbox_counts *counts)
{
    int failed = heading(page, "gauge", "atoll_engine_sandboxes",
                         "Sandboxes that run, and that are paused, by engine.");
    for (int i = 0; i < SANDBOX_ENGINE_COUNT; i++) {
        const char *engine = sandbox_engine_name((enum sandbox_engine)i);
        failed |= buffer_printf(page,
                                "atoll_engine_sandboxes{engine=\"%s\",state=\"running\"} %lld\n"
                                "atoll_engine_sandboxes{engine=\"%s\",state=\"paused\"} %lld\n",
                                engine, (long long)counts->running[i], engine,
                                (long long)counts->paused[i]);
    }
    failed |= heading(page, "counter", "atoll_sandbox_starts_total",
                      "Starts of sandboxes' processes: cold, warm from what was made ahead, or "
                      "from a snapshot of memory.");
    for (int i = 0; i < SANDBOX_ENGINE_COUNT; i++) {
        for (int boot = 0; boot < SANDBOX_BOOT_COUNT; boot++) {
            failed |= buffer_printf(
                page, "atoll_sandbox_starts_total{engine=\"%s\",boot_path=\"%s\"} %lld\n",
                sandbox_engine_name((enum sandbox_engine)i),
                sandbox_boot_name((enum sandbox_boot)boot),
                (long long)counts->starts_total[i][boot]);
        }
    }
    return failed;
}

static int write_sandboxes(struct buffer *page, const struct sandbox_counts *counts)
{
    int failed = heading(page, "gauge", "atoll_sandboxes", "Sandboxes by state.");
    for (int i = 0; i < SANDBOX_STATE_COUNT; i++) {
        failed |= buffer_printf(page, "atoll_sandboxes{state=\"%s\"} %lld\n",
                                sandbox_state_name((enum sandbox_state)i),
                                (long long)counts->by_state[i]);
    }
    failed |= number(page, "counter", "atoll_sandboxes_created_total", "Sandboxes created.",
                     counts->created_total);
    failed |= number(page, "counter", "atoll_sandboxes_create_failed_total",
                     "Creations that failed on the host.", counts->create_failed_total);
    failed |= number(page, "counter", "atoll_sandboxes_destroyed_total", "Sandboxes destroyed.",
                     counts->destroyed_total);
    failed |= number(page, "counter", "atoll_sandbox_timeouts_total",
                     "Sandboxes paused or destroyed by a timeout.", counts->timeouts_total);
    failed |= number(page, "counter", "atoll_sandboxes_ended_by_themselves_total",
                     "Sandboxes that ended without being asked to.", counts->ended_by_itself_total);
    return failed | number(page, "gauge", "atoll_host_connected",
                           "1 when atoll-host answers, 0 when it does not.",
                           counts->host_connected);
}

static int write_gateway(struct buffer *page, const struct gateway_counters *gateway)
{
    int failed = heading(page, "counter", "atoll_gateway_responses_total",
                         "Responses of the gateway by class of status; 1xx are upgrades.");
    for (int i = 1; i < 6; i++) {
        failed |= buffer_printf(page, "atoll_gateway_responses_total{class=\"%dxx\"} %lld\n", i,
                                (long long)gateway->responses_by_class[i]);
    }
    failed |= number(page, "counter", "atoll_gateway_requests_total",
                     "Requests whose head the gateway has read.", gateway->requests_total);
    failed |= number(page, "counter", "atoll_gateway_rejected_requests_total",
                     "Requests that were malformed.", gateway->rejected_heads_total);
    failed |= number(page, "gauge", "atoll_gateway_connections", "Open client connections.",
                     gateway->connections);
    failed |= number(page, "counter", "atoll_gateway_connections_refused_total",
                     "Connections refused because there were too many.",
                     gateway->connections_refused_total);
    failed |= number(page, "gauge", "atoll_gateway_upgraded_connections",
                     "Connections that were upgraded, such as WebSockets.", gateway->upgraded);
    failed |= number(page, "gauge", "atoll_gateway_upstream_connections",
                     "Connections to servers in sandboxes, idle ones included.",
                     gateway->upstream_connections);
    failed |= number(page, "gauge", "atoll_gateway_upstream_idle_connections",
                     "Connections kept for a next request.", gateway->upstream_idle);
    failed |= number(page, "counter", "atoll_gateway_upstream_failed_total",
                     "Requests that the server in the sandbox did not answer properly.",
                     gateway->upstream_failed_total);
    failed |=
        heading(page, "counter", "atoll_gateway_bytes_total", "Bytes of clients' connections.");
    return failed | buffer_printf(page,
                                  "atoll_gateway_bytes_total{direction=\"in\"} %lld\n"
                                  "atoll_gateway_bytes_total{direction=\"out\"} %lld\n",
                                  (long long)gateway->bytes_in_total,
                                  (long long)gateway->bytes_out_total);
}

static int write_events(struct buffer *page, const struct prometheus_facts *facts)
{
    const struct events_counts *events = &facts->events;
    const struct webhooks_counts *webhooks = &facts->webhooks;
    int failed = number(page, "gauge", "atoll_event_subscribers", "Open event and log streams.",
                        events->subscribers);
    failed |= number(page, "counter", "atoll_events_stored_total",
                     "Stored events that were passed to streams.", events->stored_total);
    failed |= number(page, "counter", "atoll_events_live_total",
                     "Events of commands that were passed to streams.", events->live_total);
    failed |= number(page, "counter", "atoll_webhook_attempts_total", "Requests to webhooks.",
                     webhooks->attempts_total);
    failed |= number(page, "counter", "atoll_webhook_delivered_total",
                     "Deliveries that a webhook took.", webhooks->delivered_total);
    failed |= number(page, "counter", "atoll_webhook_failed_total",
                     "Deliveries that were given up.", webhooks->failed_total);
    return failed | number(page, "gauge", "atoll_webhook_in_flight", "Deliveries being sent.",
                           webhooks->in_flight);
}

int prometheus_write(struct buffer *page, const struct prometheus_facts *facts)
{
    int failed = heading(page, "gauge", "atoll_build_info", "The version that runs.");
    failed |= buffer_printf(page, "atoll_build_info{version=\"%s\"} 1\n", ATOLL_VERSION);
    failed |= write_http(page, &facts->http);
    failed |= write_sandboxes(page, &facts->sandboxes);
    failed |= write_engines(page, &facts->sandboxes);
    failed |= engines_write_metrics(page, &facts->host);
    failed |= snapshot_metrics_write(page, &facts->snapshots);
    failed |= warm_metrics_write(page, facts->warm_pools, facts->warm_pool_count);
    failed |= write_gateway(page, &facts->gateway);
    failed |= write_events(page, facts);
    failed |= number(page, "gauge", "process_start_time_seconds",
                     "When the process started, in seconds since 1970.", facts->started_ms / 1000);
    failed |= number(page, "gauge", "process_resident_memory_bytes", "Resident memory of atolld.",
                     facts->resident_bytes);
    return failed ? -1 : 0;
}
