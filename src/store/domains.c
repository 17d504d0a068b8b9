#include "store/store_domains.h"

#include "store/database.h"

#include <string.h>

static void read_domain(sqlite3_stmt *row, struct store_domain *domain)
{
    const unsigned char *pem = sqlite3_column_text(row, 6);
    *domain = (struct store_domain){.pem = pem ? strdup((const char *)pem) : NULL,
                                    .verified_ms = sqlite3_column_int64(row, 7),
                                    .created_ms = sqlite3_column_int64(row, 8),
                                    .updated_ms = sqlite3_column_int64(row, 9),
                                    .certificate_expires_ms = sqlite3_column_int64(row, 10)};
    store_column_text(row, 0, domain->id, sizeof(domain->id));
    store_column_text(row, 1, domain->tenant_id, sizeof(domain->tenant_id));
    store_column_text(row, 2, domain->hostname, sizeof(domain->hostname));
    store_column_text(row, 3, domain->deployment_id, sizeof(domain->deployment_id));
    store_column_text(row, 4, domain->redirect_policy, sizeof(domain->redirect_policy));
    store_column_text(row, 5, domain->token, sizeof(domain->token));
}

/* sql selects the columns of read_domain. */
static int visit_each(struct store *store, const char *sql,
                      void (*visit)(void *context, struct store_domain *domain), void *context,
                      struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, sql, "");
    while (more == 1) {
        struct store_domain domain;
        read_domain(row, &domain);
        visit(context, &domain);
        more = store_step(store, row, err);
    }
    return more;
}

int store_domains_each(struct store *store,
                       void (*visit)(void *context, struct store_domain *domain), void *context,
                       struct error *err)
{
    return visit_each(store,
                      "SELECT id, tenant_id, hostname, deployment_id, redirect_policy, token,"
                      " certificate, verified_ms, created_ms, updated_ms, certificate_expires_ms"
                      " FROM domains ORDER BY id",
                      visit, context, err);
}

int store_preview_domains_each(struct store *store,
                               void (*visit)(void *context, struct store_domain *domain),
                               void *context, struct error *err)
{
    return visit_each(store,
                      "SELECT '', tenant_id, hostname, '', '', token, certificate, verified_ms,"
                      " created_ms, updated_ms, certificate_expires_ms"
                      " FROM preview_domains ORDER BY tenant_id",
                      visit, context, err);
}

int store_domain_put(struct store *store, const struct store_domain *domain, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(
            store, err,
            "INSERT INTO domains (id, tenant_id, hostname, deployment_id, redirect_policy, token,"
            " certificate, verified_ms, created_ms, updated_ms, certificate_expires_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET deployment_id = excluded.deployment_id,"
            " redirect_policy = excluded.redirect_policy, certificate = excluded.certificate,"
            " verified_ms = excluded.verified_ms, updated_ms = excluded.updated_ms,"
            " certificate_expires_ms = excluded.certificate_expires_ms",
            "tttttttiiii", domain->id, domain->tenant_id, domain->hostname, domain->deployment_id,
            domain->redirect_policy, domain->token, domain->pem, domain->verified_ms,
            domain->created_ms, domain->updated_ms, domain->certificate_expires_ms) == 0) {
        return 0;
    }
    return store_not_unique(store, "domains.hostname")
               ? error_set_field(err, ERR_NAME_TAKEN, "hostname", "this host name is taken")
               : -1;
}

int store_domain_delete(struct store *store, const char *id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM domains WHERE id = ?", "t", id);
}
