#include "gateway/host_name.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

static const char digits[] = "0123456789";
static const char label_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

static bool label_valid(const char *label, size_t length)
{
    return length > 0 && length < HOST_LABEL_SIZE && label[0] != '-' && label[length - 1] != '-' &&
           strspn(label, label_characters) >= length;
}

/* Checks every label; *ret_count: how many there are. */
static bool labels_valid(const char *host, size_t *ret_count)
{
    *ret_count = 0;
    for (;;) {
        size_t length = strcspn(host, ".");
        if (!label_valid(host, length)) {
            return false;
        }
        ++*ret_count;
        if (host[length] == '\0') {
            return true;
        }
        host += length + 1;
    }
}

bool host_name_valid(const char *host)
{
    size_t count;
    if (strlen(host) > HOST_NAME_MAX_BYTES || !labels_valid(host, &count) || count < 2) {
        return false;
    }
    const char *last = strrchr(host, '.') + 1;
    return last[strspn(last, digits)] != '\0';
}

bool host_label_has_port(const char *label)
{
    size_t length = strspn(label, digits);
    return length > 0 && label[length] == '-';
}

/* "5173-slug" → 5173 and "slug". false: such a name cannot be. */
static bool take_port(const char *label, struct host_name *name)
{
    if (!host_label_has_port(label)) {
        snprintf(name->label, sizeof(name->label), "%s", label);
        return true;
    }
    size_t length = strspn(label, digits);
    long port = length <= PORT_DIGITS_MAX && label[0] != '0' ? strtol(label, NULL, 10) : 0;
    if (port < 1 || port > PORT_MAX) {
        return false;
    }
    name->port = (int)port;
    snprintf(name->label, sizeof(name->label), "%s", label + length + 1);
    return true;
}

bool host_name_parse_label(const char *host, struct host_name *ret_name)
{
    char label[HOST_LABEL_SIZE];
    *ret_name = (struct host_name){.kind = HOST_NAME_SANDBOX};
    snprintf(label, sizeof(label), "%.*s", (int)strcspn(host, "."), host);
    return take_port(label, ret_name);
}

/* What precedes ".{domain}"; 0 when host does not end so. */
static size_t length_below(const char *host, const char *domain)
{
    size_t host_length = strlen(host), domain_length = strlen(domain);
    if (host_length < domain_length + 2 ||
        strcasecmp(host + host_length - domain_length, domain) != 0 ||
        host[host_length - domain_length - 1] != '.') {
        return 0;
    }
    return host_length - domain_length - 1;
}

static void parse_below(const char *host, size_t length, struct host_name *name)
{
    char label[HOST_LABEL_SIZE], group[HOST_LABEL_SIZE];
    size_t first = strcspn(host, ".");
    if (first + 1 >= length || memchr(host + first + 1, '.', length - first - 1)) {
        return;
    }
    snprintf(label, sizeof(label), "%.*s", (int)first, host);
    snprintf(group, sizeof(group), "%.*s", (int)(length - first - 1), host + first + 1);
    if (strcmp(group, "sandbox") == 0) {
        name->kind = take_port(label, name) ? HOST_NAME_SANDBOX : HOST_NAME_UNKNOWN;
        return;
    }
    name->kind = HOST_NAME_DEPLOYMENT;
    memcpy(name->label, label, sizeof(label));
    memcpy(name->tenant, group, sizeof(group));
}

void host_name_parse(const char *host, const char *domain, struct host_name *ret_name)
{
    *ret_name = (struct host_name){0};
    size_t count;
    if (strlen(host) > HOST_NAME_MAX_BYTES || !labels_valid(host, &count) ||
        strcasecmp(host, domain) == 0) {
        return;
    }
    size_t below = length_below(host, domain);
    if (below > 0) {
        parse_below(host, below, ret_name);
    } else if (host_name_valid(host)) {
        ret_name->kind = HOST_NAME_CUSTOM;
    }
}
