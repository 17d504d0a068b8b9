/* Who a request acts for: what a verified credential stands for. */
#ifndef ATOLL_STORE_PRINCIPAL_H
#define ATOLL_STORE_PRINCIPAL_H

#include "base/ids.h"

#include <stdint.h>

/* Scopes of the API contract, as bits. A key without a list has all but SCOPE_ADMIN_KEYS' absence. */
enum scope {
    SCOPE_SANDBOXES_READ = 1 << 0,  /* "sandboxes:read" */
    SCOPE_SANDBOXES_WRITE = 1 << 1, /* "sandboxes:write": lifecycle and files; "sandboxes:create" too */
    SCOPE_SANDBOXES_EXEC = 1 << 2,  /* "sandboxes:exec" */
    SCOPE_KEYS = 1 << 3,            /* "keys:write": make and revoke keys of the own tenant */
    SCOPE_PREVIEWS = 1 << 4,        /* "previews:write": expose ports, make share tokens */
    SCOPE_DEPLOYMENTS = 1 << 5,     /* "deployments:write" (and read) */
    SCOPE_DOMAINS = 1 << 6,         /* "domains:write" */
    SCOPE_EVENTS_READ = 1 << 7,     /* "events:read": streams, webhooks' lists */
    SCOPE_EVENTS_WRITE = 1 << 8,    /* "events:write": webhooks */
    SCOPE_ALL = (1 << 9) - 1,
};

struct principal {
    char tenant_id[ID_SIZE];    /* "tnt_…" */
    char workspace_id[ID_SIZE]; /* "wsp_…": the key's default workspace */
    char user_id[ID_SIZE];      /* "usr_…" */
    char key_id[ID_SIZE];       /* "key_…" */
    unsigned scopes;            /* enum scope bits */
};

#endif
