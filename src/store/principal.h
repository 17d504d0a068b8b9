/* Who a request acts for: what a verified credential stands for, and what it may do. */
#ifndef ATOLL_STORE_PRINCIPAL_H
#define ATOLL_STORE_PRINCIPAL_H

#include "base/ids.h"

#include <stddef.h>
#include <stdint.h>

/* The scopes of the API contract: C name, bit, name. Keys keep the bits: never change one, append. */
#define SCOPE_TABLE(X)                                                                             \
    X(SCOPE_SANDBOXES_READ, 0, "sandboxes:read")                                                   \
    X(SCOPE_SANDBOXES_WRITE, 1, "sandboxes:write") /* life cycle and files */                      \
    X(SCOPE_SANDBOXES_EXEC, 2, "sandboxes:exec")                                                   \
    X(SCOPE_KEYS, 3, "keys:write")               /* make and revoke keys of the own tenant */      \
    X(SCOPE_PREVIEWS, 4, "previews:write")       /* expose ports, make share tokens */             \
    X(SCOPE_DEPLOYMENTS, 5, "deployments:write") /* and read */                                    \
    X(SCOPE_DOMAINS, 6, "domains:write")                                                           \
    X(SCOPE_EVENTS_READ, 7, "events:read")   /* tenant-wide streams, webhooks' lists */            \
    X(SCOPE_EVENTS_WRITE, 8, "events:write") /* webhooks */                                        \
    X(SCOPE_OPERATOR, 9, "operator") /* what concerns the whole instance; not among "all" */

/* Other names for them, which are taken but not shown. */
#define SCOPE_ALIASES(X)                                                                           \
    X(SCOPE_SANDBOXES_WRITE, "sandboxes:create")                                                   \
    X(SCOPE_DEPLOYMENTS, "deployments:read")

enum scope {
#define X(scope, bit, name) scope = 1 << (bit),
    SCOPE_TABLE(X)
#undef X
#define X(scope, bit, name) +1
        SCOPE_COUNT = 0 SCOPE_TABLE(X),
#undef X
    SCOPE_ALL = ((1 << SCOPE_COUNT) - 1) & ~SCOPE_OPERATOR, /* of a tenant's own */
};

/* All names, comma-separated: for messages. */
extern const char *const scope_name_list;

/* The name of the lowest bit that is set; "" when none is. */
const char *scope_name(unsigned scopes);

/* The scope of that name or alias (length bytes), or 0. */
unsigned scope_find(const char *name, size_t length);

struct principal {
    char tenant_id[ID_SIZE];    /* "tnt_…" */
    char workspace_id[ID_SIZE]; /* "wsp_…": the key's default workspace */
    char user_id[ID_SIZE];      /* "usr_…" */
    char key_id[ID_SIZE];       /* "key_…" */
    unsigned scopes;            /* enum scope bits */
};

#endif
