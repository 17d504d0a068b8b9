/* What a host name stands for, by its form alone. Pure. */
#ifndef ATOLL_GATEWAY_HOST_NAME_H
#define ATOLL_GATEWAY_HOST_NAME_H

#include <stdbool.h>

enum { HOST_LABEL_SIZE = 64, HOST_NAME_MAX_BYTES = 253 };

enum host_kind {
    HOST_NAME_UNKNOWN,    /* none of ours, or no host name at all */
    HOST_NAME_SANDBOX,    /* {label}.sandbox.{domain}, {port}-{label}.sandbox.{domain} */
    HOST_NAME_DEPLOYMENT, /* {label}.{tenant}.{domain} */
    HOST_NAME_CUSTOM,     /* a well-formed name that is not below our domain */
};

struct host_name {
    enum host_kind kind;
    char label[HOST_LABEL_SIZE]; /* slug of the sandbox or the deployment */
    char tenant[HOST_LABEL_SIZE];
    int port; /* 0: the name does not say */
};

/* host: lower case, without port and trailing dot. "5173-x" is always port 5173 of slug "x". */
void host_name_parse(const char *host, const char *domain, struct host_name *ret_name);

/* The sandbox, and the port, that the first label of a well-formed name stands for, whatever follows it. false: such a
 * name cannot be. */
bool host_name_parse_label(const char *host, struct host_name *ret_name);

/* Labels of [a-z0-9-] that neither begin nor end with '-', joined by dots: two of them at least, the last one not a
 * number. Names in other scripts come as "xn--…" (RFC 5890). */
bool host_name_valid(const char *host);

/* Does label begin as the ones that name a port do, "5173-"? */
bool host_label_has_port(const char *label);

#endif
