#include "store/store_deployments.h"

#include "base/cleanup.h"
#include "store/database.h"

#include <string.h>

static void read_deployment(sqlite3_stmt *row, struct store_deployment *deployment)
{
    char state[16];
    const unsigned char *spec = sqlite3_column_text(row, 7);
    *deployment = (struct store_deployment){
        .port = sqlite3_column_int(row, 5),
        .spec = spec ? json_loads((const char *)spec, 0, NULL) : NULL,
        .created_ms = sqlite3_column_int64(row, 8),
        .updated_ms = sqlite3_column_int64(row, 9),
    };
    store_column_text(row, 0, deployment->id, sizeof(deployment->id));
    store_column_text(row, 1, deployment->tenant_id, sizeof(deployment->tenant_id));
    store_column_text(row, 2, deployment->sandbox_id, sizeof(deployment->sandbox_id));
    store_column_text(row, 3, deployment->name, sizeof(deployment->name));
    store_column_text(row, 4, deployment->slug, sizeof(deployment->slug));
    store_column_text(row, 6, state, sizeof(state));
    store_column_text(row, 10, deployment->tenant_slug, sizeof(deployment->tenant_slug));
    deployment->is_stopped = strcmp(state, "stopped") == 0;
}

int store_deployments_each(struct store *store,
                           void (*visit)(void *context, struct store_deployment *deployment),
                           void *context, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT d.id, d.tenant_id, d.sandbox_id, d.name, d.slug, d.port,"
                               " d.state, d.spec, d.created_ms, d.updated_ms, t.slug"
                               " FROM deployments d JOIN tenants t ON t.id = d.tenant_id"
                               " ORDER BY d.id",
                               "");
    while (more == 1) {
        struct store_deployment deployment;
        read_deployment(row, &deployment);
        visit(context, &deployment);
        more = store_step(store, row, err);
    }
    return more;
}

int store_deployment_put(struct store *store, const struct store_deployment *deployment,
                         struct error *err)
{
    auto_free char *spec = json_dumps(deployment->spec, JSON_COMPACT);
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(store, err,
                      "INSERT INTO deployments (id, tenant_id, sandbox_id, name, slug, port, state,"
                      " spec, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (id) DO UPDATE SET sandbox_id = excluded.sandbox_id,"
                      " name = excluded.name, port = excluded.port, state = excluded.state,"
                      " spec = excluded.spec, updated_ms = excluded.updated_ms",
                      "tttttittii", deployment->id, deployment->tenant_id, deployment->sandbox_id,
                      deployment->name, deployment->slug, (int64_t)deployment->port,
                      deployment->is_stopped ? "stopped" : "running", spec ? spec : "{}",
                      deployment->created_ms, deployment->updated_ms) == 0) {
        return 0;
    }
    return store_not_unique(store, "deployments.slug")
               ? error_set_field(err, ERR_NAME_TAKEN, "slug",
                                 "there is a deployment with this slug already")
               : -1;
}

int store_deployment_delete(struct store *store, const char *id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM deployments WHERE id = ?", "t", id);
}

int store_tenant_slug(struct store *store, const char *tenant_id, char slug[TENANT_SLUG_SIZE],
                      struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found =
        store_first_row(store, &row, err, "SELECT slug FROM tenants WHERE id = ?", "t", tenant_id);
    if (found <= 0) {
        return found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, 0, "there is no such tenant");
    }
    store_column_text(row, 0, slug, TENANT_SLUG_SIZE);
    sqlite3_reset(row);
    return 0;
}
