#include "base/urls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool url_is_default_port(int port)
{
    return port == 3000 || port == 5173 || port == 8080 || port == 8000 || port == 80;
}

static const char *scheme_of(const struct settings *settings)
{
    if (settings->preview_scheme[0]) {
        return settings->preview_scheme;
    }
    return settings->gateway_tls[0] ? "https" : "http";
}

/* The port of "address:port"; 0 when there is none. */
static int port_of(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

static int public_port(const struct settings *settings, int gateway_port, const char *scheme)
{
    if (settings->preview_port > 0) {
        return (int)settings->preview_port;
    }
    if (strcmp(scheme, "https") == 0 && settings->gateway_tls[0]) {
        return port_of(settings->gateway_tls);
    }
    return gateway_port > 0 ? gateway_port : port_of(settings->gateway);
}

static char *url_of_host(const struct settings *settings, int gateway_port, const char *host,
                         char url[URL_SIZE])
{
    const char *scheme = scheme_of(settings);
    int port = public_port(settings, gateway_port, scheme);
    if (port == 0 || port == (strcmp(scheme, "https") == 0 ? 443 : 80)) {
        snprintf(url, URL_SIZE, "%s://%s", scheme, host);
    } else {
        snprintf(url, URL_SIZE, "%s://%s:%d", scheme, host, port);
    }
    return url;
}

char *url_of_preview(const struct settings *settings, int gateway_port, const char *own_domain,
                     const char *slug, int port, char url[URL_SIZE])
{
    char host[URL_SIZE / 2 + 128], prefix[16] = "";
    if (port != 0 && !url_is_default_port(port)) {
        snprintf(prefix, sizeof(prefix), "%d-", port);
    }
    snprintf(host, sizeof(host), "%s%s.%s%s", prefix, slug, own_domain ? "" : "sandbox.",
             own_domain ? own_domain : settings->domain);
    return url_of_host(settings, gateway_port, host, url);
}

char *url_of_deployment(const struct settings *settings, int gateway_port, const char *slug,
                        const char *tenant_slug, char url[URL_SIZE])
{
    char host[URL_SIZE / 2 + 160];
    snprintf(host, sizeof(host), "%s.%s.%s", slug, tenant_slug, settings->domain);
    return url_of_host(settings, gateway_port, host, url);
}

char *url_of_domain(const struct settings *settings, int gateway_port, const char *hostname,
                    char url[URL_SIZE])
{
    return url_of_host(settings, gateway_port, hostname, url);
}
