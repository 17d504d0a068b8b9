#include "store/database.h"
#include "store/store_domains.h"

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
