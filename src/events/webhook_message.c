#include "events/webhook_message.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST_BYTES = 32, PAYLOAD_MAX = 2 * 1024 * 1024 };

static void sign(const char *secret, const char *text, size_t length,
                 char digits[2 * DIGEST_BYTES + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, length, digest,
         &size);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        snprintf(digits + 2 * i, 3, "%02x", digest[i]);
    }
}

char *webhook_signature(const char *secret, const char *body, size_t length,
                        char text[SIGNATURE_SIZE])
{
    char digits[2 * DIGEST_BYTES + 1];
    sign(secret, body, length, digits);
    snprintf(text, SIGNATURE_SIZE, "sha256=%s", digits);
    return text;
}

int webhook_signature_timed(const char *secret, int64_t time_sec, const char *body, char *text,
                            size_t size)
{
    auto_free char *signed_text = NULL;
    char digits[2 * DIGEST_BYTES + 1];
    int length = asprintf(&signed_text, "%lld.%s", (long long)time_sec, body);
    if (length < 0) {
        signed_text = NULL;
        return -1;
    }
    sign(secret, signed_text, (size_t)length, digits);
    snprintf(text, size, "t=%lld,v1=%s", (long long)time_sec, digits);
    return 0;
}

void webhook_delivery_make(const struct webhook *webhook, const char *event_type,
                           const char *event_id, int64_t time_ms, json_t *data,
                           struct delivery *ret_delivery)
{
    char stamp[CLOCK_ISO8601_SIZE];
    clock_iso8601(time_ms, stamp);
    *ret_delivery = (struct delivery){.created_ms = clock_realtime_ms()};
    ret_delivery->next_attempt_ms = ret_delivery->created_ms;
    id_make("whd_", ret_delivery->id);
    memcpy(ret_delivery->webhook_id, webhook->id, sizeof(ret_delivery->webhook_id));
    memcpy(ret_delivery->tenant_id, webhook->tenant_id, sizeof(ret_delivery->tenant_id));
    snprintf(ret_delivery->event_type, sizeof(ret_delivery->event_type), "%s", event_type);
    json_t *payload = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "id", ret_delivery->id, "delivery_id",
        ret_delivery->id, "event_id", event_id, "event", event_type, "type", event_type,
        "occurred_at", stamp, "timestamp", stamp, "tenant_id", webhook->tenant_id, "data", data);
    ret_delivery->payload = json_dumps(payload, JSON_COMPACT);
    json_decref(payload);
}

void webhook_delivery_again(const struct delivery *original, struct delivery *ret_delivery)
{
    *ret_delivery = *original;
    id_make("whd_", ret_delivery->id);
    memcpy(ret_delivery->replay_of, original->id, sizeof(ret_delivery->replay_of));
    snprintf(ret_delivery->state, sizeof(ret_delivery->state), "pending");
    ret_delivery->attempts = ret_delivery->last_status_code = ret_delivery->finished_ms = 0;
    ret_delivery->last_error[0] = '\0';
    ret_delivery->created_ms = ret_delivery->next_attempt_ms = clock_realtime_ms();
    json_t *payload =
        json_loadb(original->payload, strnlen(original->payload, PAYLOAD_MAX), 0, NULL);
    json_object_set_new(payload, "id", json_string(ret_delivery->id));
    json_object_set_new(payload, "delivery_id", json_string(ret_delivery->id));
    ret_delivery->payload = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    json_decref(payload);
}
