/* Workspaces and projects: where a sandbox belongs inside its tenant. */
#ifndef ATOLL_STORE_STORE_WORKSPACES_H
#define ATOLL_STORE_STORE_WORKSPACES_H

#include "base/error.h"
#include "base/ids.h"
#include "store/principal.h"

struct store;

enum { PLACE_SLUG_SIZE = 64, PLACE_NAME_SIZE = 129 };

/* What a request says; each NULL when absent. An id wins over a slug; a name alone makes a slug. */
struct placement_request {
    const char *workspace_id, *workspace_slug, *workspace_name;
    const char *project_id, *project_slug, *project_name;
};

struct placement {
    char workspace_id[ID_SIZE], workspace_slug[PLACE_SLUG_SIZE], workspace_name[PLACE_NAME_SIZE];
    char project_id[ID_SIZE], project_slug[PLACE_SLUG_SIZE], project_name[PLACE_NAME_SIZE];
};

/* Finds the workspace (default: the principal's) and the project in it (default: its default one);
 * a slug or name that is not there yet is made. An id that is not the tenant's is ERR_NOT_FOUND
 * naming the field; too many: ERR_CAPACITY. */
int store_placement_resolve(struct store *store, const struct principal *principal,
                            const struct placement_request *request,
                            struct placement *ret_placement, struct error *err);

/* Inside store/, in a transaction: the tenant's default workspace and project. */
int placement_default(struct store *store, const char *tenant_id, struct placement *ret_placement,
                      struct error *err);

#endif
