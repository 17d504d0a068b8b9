/* The URLs under which the gateway serves things. Pure functions of settings. gateway_port: what the gateway
 * really listens on, where settings->gateway left that to the kernel (":0"); 0: what settings say. */
#ifndef ATOLL_BASE_URLS_H
#define ATOLL_BASE_URLS_H

#include "base/settings.h"

#include <stdbool.h>

enum { URL_SIZE = 512 };

/* Ports that the bare "{slug}.sandbox.{domain}" may stand for: 3000, 5173, 8080, 8000, 80. */
bool url_is_default_port(int port);

/* "http://{slug}.sandbox.{domain}:8081", or "…//{port}-{slug}.…" for other ports than the default ones
 * (port 0: without). own_domain: the tenant's, which then stands for "sandbox.{domain}"; or NULL. The scheme's own
 * port is left out. Returns url. */
char *url_of_preview(const struct settings *settings, int gateway_port, const char *own_domain,
                     const char *slug, int port, char url[URL_SIZE]);

/* "http://{deployment}.{tenant}.{domain}:8081" */
char *url_of_deployment(const struct settings *settings, int gateway_port, const char *slug,
                        const char *tenant_slug, char url[URL_SIZE]);

/* "http://{hostname}:8081" of a custom domain. */
char *url_of_domain(const struct settings *settings, int gateway_port, const char *hostname,
                    char url[URL_SIZE]);

#endif
