#include "sandbox/internal.h"

#include "base/clock.h"

#include <string.h>

static void put_int(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static int64_t runtime_ms_of(const struct sandbox_record *record)
{
    int64_t run_ms = record->run_started_ms ? clock_realtime_ms() - record->run_started_ms : 0;
    return record->runtime_ms + (run_ms > 0 ? run_ms : 0);
}

static json_t *measurement_status(bool measured)
{
    const char *word = measured ? "measured" : "unavailable";
    return json_pack("{s:s, s:s, s:s}", "active_cpu", word, "network", word,
                     "provisioned_resources", "measured");
}

static json_t *usage_object(const struct sandbox_record *record, int64_t timeout_remaining_ms,
                            const struct host_usage *usage)
{
    static const struct host_usage none;
    const struct host_usage *shown = usage ? usage : &none;
    int64_t runtime_ms = runtime_ms_of(record);
    json_t *data = json_object();
    json_object_set_new(data, "sandbox_id", json_string(record->id));
    json_object_set_new(data, "state", json_string(record->state));
    put_int(data, "runtime_sec", runtime_ms / 1000);
    put_int(data, "provisioned_vcpu_ms", runtime_ms * record->cpu_count);
    put_int(data, "provisioned_memory_mb_ms", runtime_ms * record->memory_mb);
    put_int(data, "creation_count", 1);
    put_int(data, "active_cpu_ms", shown->cpu_us / 1000);
    put_int(data, "memory_bytes", shown->memory_bytes);
    put_int(data, "memory_peak_bytes", shown->memory_peak_bytes);
    put_int(data, "process_count", shown->process_count);
    put_int(data, "oom_kills", shown->oom_kills);
    put_int(data, "disk_used_bytes", shown->disk_used_bytes);
    put_int(data, "network_ingress_bytes", shown->net_rx_bytes);
    put_int(data, "network_egress_bytes", shown->net_tx_bytes);
    json_object_set_new(data, "measurement_status", measurement_status(usage != NULL));
    put_int(data, "billing_rate_cents_per_hour", 0);
    put_int(data, "paused_rate_cents_per_hour", 0);
    put_int(data, "estimated_cost_cents", 0);
    put_int(data, "timeout_sec", record->timeout_sec);
    json_object_set_new(data, "timeout_remaining_ms",
                        timeout_remaining_ms >= 0 ? json_integer(timeout_remaining_ms)
                                                  : json_null());
    return json_pack("{s:o}", "data", data);
}

static int usage_of_destroyed(struct sandboxes *sandboxes, const struct principal *principal,
                              const char *id, json_t **ret_json, struct error *err)
{
    struct sandbox_record record;
    if (find_destroyed(sandboxes, principal, id, &record, err) < 0) {
        return -1;
    }
    *ret_json = usage_object(&record, -1, NULL);
    sandbox_record_clear(&record);
    return 0;
}

int sandbox_usage(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                  json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, principal->tenant_id, id);
    if (!sandbox) {
        return usage_of_destroyed(sandboxes, principal, id, ret_json, err);
    }
    pthread_mutex_lock(&sandbox->mutex);
    bool ask = sandbox->record.processes != 0;
    pthread_mutex_unlock(&sandbox->mutex);
    struct host_usage usage;
    struct error ignored = {0};
    bool measured = ask && host_usage(sandboxes->host, id, &usage, &ignored) == 0;
    pthread_mutex_lock(&sandbox->mutex);
    *ret_json = usage_object(&sandbox->record, sandbox_timeout_remaining_ms(sandbox),
                             measured ? &usage : NULL);
    pthread_mutex_unlock(&sandbox->mutex);
    sandbox_unref(sandbox);
    return 0;
}
