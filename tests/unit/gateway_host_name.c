/* What host names stand for, and the URLs that are made of them. */
#include "check.h"

#include "base/urls.h"
#include "gateway/host_name.h"

#include <stdio.h>
#include <string.h>

static struct host_name parse(const char *host)
{
    struct host_name name;
    host_name_parse(host, "example.com", &name);
    return name;
}

static void names_of_sandboxes(void)
{
    struct host_name name = parse("abc.sandbox.example.com");
    CHECK_INT(name.kind, HOST_NAME_SANDBOX);
    CHECK_TEXT(name.label, "abc");
    CHECK_INT(name.port, 0);
    name = parse("5173-a-b.sandbox.example.com");
    CHECK_INT(name.kind, HOST_NAME_SANDBOX);
    CHECK_TEXT(name.label, "a-b");
    CHECK_INT(name.port, 5173);
    CHECK_INT(parse("65535-a.sandbox.example.com").port, 65535);
    CHECK_TEXT(parse("80abc.sandbox.example.com").label, "80abc");
}

static void ports_that_cannot_be(void)
{
    static const char *const hosts[] = {
        "0-a.sandbox.example.com",
        "65536-a.sandbox.example.com",
        "080-a.sandbox.example.com",
        "123456-a.sandbox.example.com",
    };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        CHECK_INT(parse(hosts[i]).kind, HOST_NAME_UNKNOWN);
    }
}

static void names_of_deployments_and_others(void)
{
    struct host_name name = parse("my-app-k3v9x0.acme.example.com");
    CHECK_INT(name.kind, HOST_NAME_DEPLOYMENT);
    CHECK_TEXT(name.label, "my-app-k3v9x0");
    CHECK_TEXT(name.tenant, "acme");
    CHECK_INT(parse("app.customer.org").kind, HOST_NAME_CUSTOM);
    CHECK_INT(parse("notexample.com").kind, HOST_NAME_CUSTOM);
    CHECK_INT(parse("xn--bcher-kva.org").kind, HOST_NAME_CUSTOM);
}

static void names_that_are_none(void)
{
    static const char *const hosts[] = {
        "",
        "example.com",
        "sandbox.example.com",
        "a.b.sandbox.example.com",
        ".sandbox.example.com",
        "a..example.com",
        "a.sandbox.example.com.",
        "-a.sandbox.example.com",
        "a-.sandbox.example.com",
        "a_b.org",
        "a b.org",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "A.org",
        "b\xc3\xbc.org",
    };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        CHECK_INT(parse(hosts[i]).kind, HOST_NAME_UNKNOWN);
    }
    char long_label[80] = {0}, long_name[300] = {0};
    memset(long_label, 'a', 64);
    snprintf(long_label + 64, sizeof(long_label) - 64, ".org");
    CHECK_INT(parse(long_label).kind, HOST_NAME_UNKNOWN);
    for (int i = 0; i < 260; i += 2) {
        memcpy(long_name + i, "a.", 3);
    }
    memcpy(long_name + 260, "org", 4);
    CHECK_INT(parse(long_name).kind, HOST_NAME_UNKNOWN);
}

static struct settings settings_of(const char *gateway, const char *tls, int64_t port)
{
    struct settings settings = {.preview_port = port};
    snprintf(settings.gateway, sizeof(settings.gateway), "%s", gateway);
    snprintf(settings.gateway_tls, sizeof(settings.gateway_tls), "%s", tls);
    snprintf(settings.domain, sizeof(settings.domain), "example.com");
    return settings;
}

static void urls_lead_back(void)
{
    char url[URL_SIZE];
    struct settings settings = settings_of("127.0.0.1:8081", "", 0);
    CHECK_TEXT(url_of_preview(&settings, 0, NULL, "abc", 0, url),
               "http://abc.sandbox.example.com:8081");
    CHECK_TEXT(url_of_preview(&settings, 0, NULL, "abc", 3000, url),
               "http://abc.sandbox.example.com:8081");
    CHECK_TEXT(url_of_preview(&settings, 9, NULL, "abc", 4321, url),
               "http://4321-abc.sandbox.example.com:9");
    CHECK_TEXT(url_of_preview(&settings, 0, "my.org", "abc", 80, url), "http://abc.my.org:8081");
    CHECK_TEXT(url_of_preview(&settings, 0, "my.org", "abc", 81, url), "http://81-abc.my.org:8081");
    CHECK_TEXT(url_of_deployment(&settings, 0, "app", "acme", url),
               "http://app.acme.example.com:8081");
    CHECK_TEXT(url_of_domain(&settings, 0, "app.org", url), "http://app.org:8081");
}

static void schemes_and_ports_of_urls(void)
{
    char url[URL_SIZE];
    struct settings plain = settings_of("127.0.0.1:80", "", 0);
    CHECK_TEXT(url_of_domain(&plain, 0, "app.org", url), "http://app.org");
    struct settings tls = settings_of("127.0.0.1:8081", "127.0.0.1:8443", 0);
    CHECK_TEXT(url_of_domain(&tls, 0, "app.org", url), "https://app.org:8443");
    struct settings behind = settings_of("127.0.0.1:8081", "", 443);
    snprintf(behind.preview_scheme, sizeof(behind.preview_scheme), "https");
    CHECK_TEXT(url_of_domain(&behind, 0, "app.org", url), "https://app.org");
}

static const struct check_case cases[] = {
    {"names of sandboxes", names_of_sandboxes},
    {"ports that cannot be", ports_that_cannot_be},
    {"names of deployments and others", names_of_deployments_and_others},
    {"names that are none", names_that_are_none},
    {"URLs lead back", urls_lead_back},
    {"schemes and ports of URLs", schemes_and_ports_of_urls},
};

CHECK_MAIN(cases)
