#include "store/database.h"
#include "store/store_domains.h"

#include <string.h>

static void read_domain(sqlite3_stmt *row, struct store_domain *domain)
{
    const unsigned char *pem = sqlite3_column_text(row, 3);
    *domain = (struct store_domain){.pem = pem ? strdup((const char *)pem) : NULL,
                                    .verified_ms = sqlite3_column_int64(row, 4),
                                    .created_ms = sqlite3_column_int64(row, 5),
                                    .updated_ms = sqlite3_column_int64(row, 6),
                                    .certificate_expires_ms = sqlite3_column_int64(row, 7)};
    store_column_text(row, 0, domain->tenant_id, sizeof(domain->tenant_id));
    store_column_text(row, 1, domain->hostname, sizeof(domain->hostname));
    store_column_text(row, 2, domain->token, sizeof(domain->token));
}

int store_preview_domains_each(struct store *store,
                               void (*visit)(void *context, struct store_domain *domain),
                               void *context, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT tenant_id, hostname, token, certificate, verified_ms,"
                               " created_ms, updated_ms, certificate_expires_ms"
                               " FROM preview_domains ORDER BY tenant_id",
                               "");
    while (more == 1) {
        struct store_domain domain;
        read_domain(row, &domain);
        visit(context, &domain);
        more = store_step(store, row, err);
    }
    return more;
}

int store_preview_domain_put(struct store *store, const struct store_domain *domain,
                             struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(
            store, err,
            "INSERT INTO preview_domains (tenant_id, hostname, token, certificate, verified_ms,"
            " created_ms, updated_ms, certificate_expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (tenant_id) DO UPDATE SET hostname = excluded.hostname,"
            " token = excluded.token, certificate = excluded.certificate,"
            " verified_ms = excluded.verified_ms, created_ms = excluded.created_ms,"
            " updated_ms = excluded.updated_ms,"
            " certificate_expires_ms = excluded.certificate_expires_ms",
            "ttttiiii", domain->tenant_id, domain->hostname, domain->token, domain->pem,
            domain->verified_ms, domain->created_ms, domain->updated_ms,
            domain->certificate_expires_ms) == 0) {
        return 0;
    }
    return store_not_unique(store, "preview_domains.hostname")
               ? error_set_field(err, ERR_NAME_TAKEN, "preview_domain", "this domain is taken")
               : -1;
}

int store_preview_domain_delete(struct store *store, const char *tenant_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM preview_domains WHERE tenant_id = ?", "t",
                         tenant_id);
}
