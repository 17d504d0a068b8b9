#include "events/webhook_target.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Of the special-purpose registries of IANA: what is not reachable everywhere. */
static const struct {
    uint32_t network;
    int bits;
} special_v4[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
};

static bool v4_is_public(uint32_t address)
{
    for (size_t i = 0; i < sizeof(special_v4) / sizeof(special_v4[0]); i++) {
        if ((address ^ special_v4[i].network) >> (32 - special_v4[i].bits) == 0) {
            return false;
        }
    }
    return true;
}

static uint32_t word_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Global unicast, without its special parts; and IPv4 written as IPv6. */
static bool v6_is_public(const unsigned char address[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        return v4_is_public(word_at(address + 12));
    }
    uint32_t first = word_at(address);
    bool is_global = first >> 29 == 1;
    bool is_protocol = first >> 9 == 0x20010000u >> 9; /* 2001::/23: Teredo and others */
    bool is_documentation = first == 0x20010db8u || first >> 12 == 0x3fff0000u >> 12;
    bool is_6to4 = first >> 16 == 0x2002;
    return is_global && !is_protocol && !is_documentation && !is_6to4;
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        return v4_is_public(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    }
    return address->sa_family == AF_INET6 &&
           v6_is_public(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcasecmp(text + length - end_length, end) == 0;
}

/* host as libcurl normalised it: dotted IPv4, IPv6 in brackets. */
static bool host_is_refused(char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (host[0] == '[') {
        host[strcspn(host, "]%")] = '\0';
        return inet_pton(AF_INET6, host + 1, &v6.sin6_addr) != 1 ||
               !address_is_public((const struct sockaddr *)&v6);
    }
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        return !address_is_public((const struct sockaddr *)&v4);
    }
    size_t length = strlen(host);
    if (length > 1 && host[length - 1] == '.') {
        host[length - 1] = '\0';
    }
    return strcasecmp(host, "localhost") == 0 || ends_with(host, ".localhost");
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(parsed, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static int check_parsed(CURLU *parsed, bool any, struct error *err)
{
    char *scheme = NULL, *host = NULL;
    int result = 0;
    if (curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        result =
            error_set_field(err, ERR_VALIDATION, "url", "url must begin with http:// or https://");
    } else if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD)) {
        result = error_set_field(err, ERR_VALIDATION, "url",
                                 "url must not hold credentials; use headers");
    } else if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
               (!any && host_is_refused(host))) {
        result = error_set_field(err, ERR_WEBHOOK_URL, "url",
                                 "url leads to an address that is not public");
    }
    curl_free(scheme);
    curl_free(host);
    return result;
}

int webhook_target_check(const char *url, bool any, struct error *err)
{
    for (const char *at = url; *at; at++) {
        if (*at <= ' ' || *at == 0x7f) {
            return error_set_field(err, ERR_VALIDATION, "url",
                                   "url must not hold spaces or control characters");
        }
    }
    CURLU *parsed = curl_url();
    int result = !parsed || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK
                     ? error_set_field(err, ERR_VALIDATION, "url", "url is not an absolute URL")
                     : check_parsed(parsed, any, err);
    curl_url_cleanup(parsed);
    return result;
}
