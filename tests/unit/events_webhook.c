/* Webhooks' pure parts: signatures, where they may go, when they are tried again. */
#include "check.h"

#include "events/webhook_message.h"
#include "events/webhook_target.h"
#include "events/webhooks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void signatures_are_as_documented(void)
{
    static const char body[] =
        "{\"id\":\"d1\",\"event\":\"sandbox.created\",\"data\":{\"id\":\"sbx_1\"}}";
    char text[SIGNATURE_SIZE];
    CHECK_TEXT(webhook_signature("whsec_test_secret", body, strlen(body), text),
               "sha256=8b2235cca7267651fabc07d21aad1bab5fe09e99f536df5879e5734063c8d377");
}

static void a_timed_signature_covers_the_time(void)
{
    char one[160], two[160], plain[SIGNATURE_SIZE];
    CHECK_INT(webhook_signature_timed("secret", 1700000000, "{}", one, sizeof(one)), 0);
    CHECK_INT(webhook_signature_timed("secret", 1700000001, "{}", two, sizeof(two)), 0);
    CHECK(strncmp(one, "t=1700000000,v1=", 16) == 0);
    CHECK(strcmp(one + 16, two + 16) != 0);
    webhook_signature("secret", "1700000000.{}", 13, plain);
    CHECK_TEXT(one + 16, plain + 7);
}

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return address_is_public((const struct sockaddr *)&v4);
    }
    CHECK_INT(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_is_public((const struct sockaddr *)&v6);
}

static void only_public_addresses_are_public(void)
{
    static const char *const inside[] = {"0.0.0.0",
                                         "0.255.255.255",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.0.0",
                                         "169.254.169.254",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.1",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.0.0",
                                         "192.168.255.255",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "198.51.100.1",
                                         "203.0.113.1",
                                         "224.0.0.1",
                                         "239.255.255.255",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::ffff:10.0.0.1",
                                         "::ffff:127.0.0.1",
                                         "::7f00:1",
                                         "64:ff9b::a00:1",
                                         "100::1",
                                         "2001::1",
                                         "2001:db8::1",
                                         "2002:a00:1::1",
                                         "3fff::1",
                                         "fc00::1",
                                         "fdff::1",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1"};
    static const char *const outside[] = {
        "1.1.1.1",     "9.255.255.255", "11.0.0.0",    "100.63.255.255", "100.128.0.0",
        "126.0.0.1",   "128.0.0.1",     "169.253.0.1", "172.15.255.255", "172.32.0.0",
        "192.167.0.1", "192.169.0.1",   "198.17.0.1",  "198.20.0.0",     "223.255.255.255",
        "8.8.8.8",     "2606:4700::1",  "2a00::1",     "::ffff:8.8.8.8", "2001:4860:4860::8888"};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        check_that(!is_public(inside[i]), inside[i], __FILE__, __LINE__);
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        check_that(is_public(outside[i]), outside[i], __FILE__, __LINE__);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    CHECK(!address_is_public(&local));
}

static enum error_code target(const char *url, bool any)
{
    struct error err = {0};
    webhook_target_check(url, any, &err);
    return err.code;
}

static void targets_are_checked(void)
{
    CHECK_INT(target("https://example.com/x?y=z", false), ERR_NONE);
    CHECK_INT(target("http://8.8.8.8:8080", false), ERR_NONE);
    CHECK_INT(target("http://127.0.0.1:8080", true), ERR_NONE);
    CHECK_INT(target("http://127.0.0.1:8080", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://0x7f.1", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://localhost.", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://LOCALHOST", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://[::ffff:7f00:1]", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://[fe80::1%25lo]", false), ERR_WEBHOOK_URL);
    CHECK_INT(target("http://u:p@example.com", true), ERR_VALIDATION);
    CHECK_INT(target("file:///etc/passwd", true), ERR_VALIDATION);
    CHECK_INT(target("gopher://example.com", true), ERR_VALIDATION);
    CHECK_INT(target("example.com", true), ERR_VALIDATION);
    CHECK_INT(target("", true), ERR_VALIDATION);
    CHECK_INT(target("http://", true), ERR_VALIDATION);
    CHECK_INT(target("http://a\nb", true), ERR_VALIDATION);
}

static void waits_grow_and_are_bounded(void)
{
    CHECK_INT(webhook_backoff_ms(1, 0), 1000);
    CHECK_INT(webhook_backoff_ms(2, 0), 4000);
    CHECK_INT(webhook_backoff_ms(3, 0), 16000);
    CHECK_INT(webhook_backoff_ms(10, 0), 3600000);
    CHECK_INT(webhook_backoff_ms(1000000, 0), 3600000);
    CHECK_INT(webhook_backoff_ms(1, 30000), 30000);
    CHECK_INT(webhook_backoff_ms(3, 2000), 16000);
    CHECK_INT(webhook_backoff_ms(1, 86400000), 3600000);
}

static void a_replay_differs_in_its_id_only(void)
{
    struct webhook webhook = {.id = "whk_1", .tenant_id = "tnt_1"};
    struct delivery first, again;
    json_t *data = json_pack("{s:s}", "sandbox_id", "sbx_1");
    webhook_delivery_make(&webhook, "sandbox.created", "evt_1", 1000, data, &first);
    webhook_delivery_again(&first, &again);
    json_decref(data);
    CHECK(strcmp(first.id, again.id) != 0);
    CHECK_TEXT(again.replay_of, first.id);
    json_t *one = json_loads(first.payload, 0, NULL), *two = json_loads(again.payload, 0, NULL);
    CHECK_TEXT(json_string_value(json_object_get(two, "id")), again.id);
    CHECK_TEXT(json_string_value(json_object_get(two, "delivery_id")), again.id);
    CHECK_TEXT(json_string_value(json_object_get(one, "occurred_at")), "1970-01-01T00:00:01.000Z");
    json_object_set(two, "id", json_object_get(one, "id"));
    json_object_set(two, "delivery_id", json_object_get(one, "id"));
    CHECK(json_equal(one, two));
    json_decref(one);
    json_decref(two);
    free(first.payload);
    free(again.payload);
}

static const struct check_case cases[] = {
    {"signatures_are_as_documented", signatures_are_as_documented},
    {"a_timed_signature_covers_the_time", a_timed_signature_covers_the_time},
    {"only_public_addresses_are_public", only_public_addresses_are_public},
    {"targets_are_checked", targets_are_checked},
    {"waits_grow_and_are_bounded", waits_grow_and_are_bounded},
    {"a_replay_differs_in_its_id_only", a_replay_differs_in_its_id_only},
};

CHECK_MAIN(cases)
