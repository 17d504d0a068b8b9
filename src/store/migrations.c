#include "store/database.h"

#include <sqlite3.h>
#include <stdio.h>

/* Each entry brings a database of version i to version i + 1. Never change one that was released:
 * append. */
static const char *const migrations[] = {
    /* tenants and what belongs to them */
    "CREATE TABLE tenants (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE users (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " name TEXT NOT NULL, created_ms INTEGER NOT NULL, UNIQUE (tenant_id, name)) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE workspaces (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " slug TEXT NOT NULL, name TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " UNIQUE (tenant_id, slug)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE projects (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " workspace_id TEXT NOT NULL REFERENCES workspaces, slug TEXT NOT NULL, name TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, UNIQUE (workspace_id, slug)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE api_keys (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " workspace_id TEXT NOT NULL REFERENCES workspaces, user_id TEXT NOT NULL REFERENCES users,"
    " name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL,"
    " last_four TEXT NOT NULL, scopes INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX api_keys_tenant ON api_keys (tenant_id);"

    /* sandboxes; times are milliseconds since 1970, 0 = never */
    "CREATE TABLE sandboxes (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " owner_id TEXT NOT NULL, workspace_id TEXT NOT NULL REFERENCES workspaces,"
    " project_id TEXT NOT NULL REFERENCES projects, name TEXT NOT NULL, slug TEXT NOT NULL,"
    " state TEXT NOT NULL, template_id TEXT NOT NULL, image_id TEXT NOT NULL,"
    " workdir TEXT NOT NULL, size TEXT NOT NULL, engine TEXT NOT NULL, isolation TEXT NOT NULL,"
    " agent_socket TEXT NOT NULL, boot_path TEXT NOT NULL, agent_session_id TEXT NOT NULL,"
    " last_error TEXT NOT NULL, last_pause_source TEXT NOT NULL, cpu_count INTEGER NOT NULL,"
    " memory_mb INTEGER NOT NULL, disk_mb INTEGER NOT NULL, process_limit INTEGER NOT NULL,"
    " network INTEGER NOT NULL, persistent INTEGER NOT NULL, always_on INTEGER NOT NULL,"
    " timeout_sec INTEGER NOT NULL, idle_timeout_sec INTEGER NOT NULL, boot_us INTEGER NOT NULL,"
    " envd_ready_us INTEGER NOT NULL, processes INTEGER NOT NULL, files INTEGER NOT NULL,"
    " runtime_ms INTEGER NOT NULL, run_started_ms INTEGER NOT NULL,"
    " timer_started_ms INTEGER NOT NULL, last_activity_ms INTEGER NOT NULL,"
    " last_pause_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    " ready_ms INTEGER NOT NULL, destroyed_ms INTEGER NOT NULL, env TEXT, metadata TEXT, tags TEXT,"
    " external TEXT, updated_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    /* names and slugs are free again when nothing is left of the sandbox but its record */
    "CREATE UNIQUE INDEX sandboxes_name ON sandboxes (tenant_id, name)"
    " WHERE name <> '' AND files = 1;"
    "CREATE UNIQUE INDEX sandboxes_slug ON sandboxes (slug) WHERE files = 1;"
    /* Partial, so that most transitions do not touch them: what is loaded at start besides those that
     * have files, and the history that lists may ask for. */
    "CREATE INDEX sandboxes_failed ON sandboxes (id) WHERE files = 0 AND state <> 'destroyed';"
    "CREATE INDEX sandboxes_destroyed ON sandboxes (tenant_id, id) WHERE state = 'destroyed';"
    "CREATE INDEX sandboxes_old ON sandboxes (destroyed_ms) WHERE state = 'destroyed';"

    "CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    " sandbox_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, at_ms INTEGER NOT NULL)"
    " STRICT;"
    "CREATE INDEX events_sandbox ON events (sandbox_id, seq);"

    "CREATE TABLE idempotency (tenant_id TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,"
    " request_hash TEXT NOT NULL, created_ms INTEGER NOT NULL, status INTEGER, body TEXT,"
    " resource_id TEXT, PRIMARY KEY (tenant_id, route, key)) STRICT;"
    "CREATE INDEX idempotency_created ON idempotency (created_ms);",

    /* live work: events by tenant, apps and services of a sandbox, previews, deployments, webhooks */
    "ALTER TABLE sandboxes ADD COLUMN auto_resume INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN start_pending INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN app TEXT;"
    "ALTER TABLE sandboxes ADD COLUMN services TEXT;"
    "ALTER TABLE events ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';"
    "UPDATE events SET tenant_id = coalesce("
    "(SELECT tenant_id FROM sandboxes WHERE sandboxes.id = events.sandbox_id), '');"
    "CREATE INDEX events_tenant ON events (tenant_id, seq);"
    /* a DNS label of its own for each tenant; names that are none, or mean something here, get one made up */
    "ALTER TABLE tenants ADD COLUMN slug TEXT NOT NULL DEFAULT '';"
    "UPDATE tenants SET slug = CASE WHEN name NOT GLOB '*[^a-z0-9]*' AND length(name) BETWEEN 1 "
    "AND 40"
    " AND name NOT IN ('sandbox', 'preview', 'www', 'api') THEN name ELSE 't' || substr(id, -12) "
    "END;"
    "CREATE UNIQUE INDEX tenants_slug ON tenants (slug) WHERE slug <> '';"
    /* keys that could do everything still can */
    "UPDATE api_keys SET scopes = scopes | 496 WHERE scopes & 15 = 15;"

    "CREATE TABLE previews (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " sandbox_id TEXT NOT NULL, name TEXT NOT NULL, port INTEGER NOT NULL, visibility TEXT NOT "
    "NULL,"
    " origin TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "CREATE INDEX previews_sandbox ON previews (sandbox_id);"
    /* what opens private previews; preview_id '' = all of the sandbox */
    "CREATE TABLE preview_tokens (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " sandbox_id TEXT NOT NULL, preview_id TEXT NOT NULL, kind TEXT NOT NULL, hash TEXT NOT NULL "
    "UNIQUE,"
    " prefix TEXT NOT NULL, scope TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX preview_tokens_sandbox ON preview_tokens (sandbox_id);"
    "CREATE INDEX preview_tokens_expiry ON preview_tokens (expires_ms);"

    "CREATE TABLE deployments (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " sandbox_id TEXT NOT NULL, name TEXT NOT NULL, slug TEXT NOT NULL, port INTEGER NOT NULL,"
    " state TEXT NOT NULL, spec TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, UNIQUE (tenant_id, slug)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX deployments_sandbox ON deployments (sandbox_id);"

    "CREATE TABLE domains (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " hostname TEXT NOT NULL, deployment_id TEXT NOT NULL, redirect_policy TEXT NOT NULL,"
    " token TEXT NOT NULL, verified_ms INTEGER NOT NULL, certificate TEXT,"
    " certificate_expires_ms INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " UNIQUE (tenant_id, hostname)) STRICT, WITHOUT ROWID;"
    /* Several tenants may claim a name; one can have it. */
    "CREATE UNIQUE INDEX domains_verified ON domains (hostname) WHERE verified_ms > 0;"

    /* the one under which a tenant serves its previews */
    "CREATE TABLE preview_domains (tenant_id TEXT PRIMARY KEY REFERENCES tenants,"
    " hostname TEXT NOT NULL, token TEXT NOT NULL, verified_ms INTEGER NOT NULL, certificate TEXT,"
    " certificate_expires_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX preview_domains_verified ON preview_domains (hostname)"
    " WHERE verified_ms > 0;"

    "CREATE TABLE webhooks (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " workspace_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, url TEXT NOT NULL,"
    " events TEXT NOT NULL, headers TEXT NOT NULL, metadata TEXT NOT NULL, secret TEXT NOT NULL,"
    " state TEXT NOT NULL, retry_count INTEGER NOT NULL, failure_count INTEGER NOT NULL,"
    " last_triggered_ms INTEGER NOT NULL, last_status_code INTEGER NOT NULL,"
    " seq INTEGER NOT NULL," /* events up to this one have become deliveries */
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX webhooks_tenant ON webhooks (tenant_id);"
    "CREATE TABLE webhook_deliveries (id TEXT PRIMARY KEY, webhook_id TEXT NOT NULL,"
    " tenant_id TEXT NOT NULL, event_type TEXT NOT NULL, payload TEXT NOT NULL, state TEXT NOT "
    "NULL,"
    " attempts INTEGER NOT NULL, next_attempt_ms INTEGER NOT NULL, last_status_code INTEGER NOT "
    "NULL,"
    " last_error TEXT NOT NULL, replay_of TEXT NOT NULL, replay_id TEXT,"
    " created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL, UNIQUE (webhook_id, replay_id))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);"
    "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_ms)"
    " WHERE state = 'pending';"
    "CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_ms);"

    /* keys that this instance made for itself */
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

    /* snapshots outlive their sandboxes; a sandbox names the one that its files came from */
    "ALTER TABLE sandboxes ADD COLUMN snapshot_id TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE snapshots (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants,"
    " sandbox_id TEXT NOT NULL, workspace_id TEXT NOT NULL, sandbox_name TEXT NOT NULL,"
    " parent_id TEXT NOT NULL, status TEXT NOT NULL, comment TEXT NOT NULL, error TEXT NOT NULL,"
    " digest TEXT NOT NULL, memory INTEGER NOT NULL, disk_bytes INTEGER NOT NULL,"
    " stored_bytes INTEGER NOT NULL, pause_us INTEGER NOT NULL, keep INTEGER NOT NULL,"
    " retention_sec INTEGER NOT NULL, expires_ms INTEGER NOT NULL, last_used_ms INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, definition TEXT NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "CREATE INDEX snapshots_tenant ON snapshots (tenant_id, id);"
    "CREATE INDEX snapshots_expiry ON snapshots (expires_ms) WHERE expires_ms > 0;",

    /* a second engine, which keeps processes on disk, and whose machines have a console */
    "ALTER TABLE sandboxes ADD COLUMN accel TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN last_console TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN memory_saved INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE snapshots ADD COLUMN engine TEXT NOT NULL DEFAULT 'container';"
    "ALTER TABLE snapshots ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;"
    /* names of snapshots, which keep them; made: the snapshot was taken for the name */
    "CREATE TABLE named_snapshots (tenant_id TEXT NOT NULL REFERENCES tenants,"
    " name TEXT NOT NULL COLLATE NOCASE, snapshot_id TEXT NOT NULL UNIQUE,"
    " made INTEGER NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (tenant_id, name)) STRICT,"
    " WITHOUT ROWID;"
    /* sandboxes that are kept ready; of the instance, not of a tenant */
    "CREATE TABLE warm_pools (template_id TEXT NOT NULL, engine TEXT NOT NULL,"
    " network TEXT NOT NULL, cpu_count INTEGER NOT NULL, memory_mb INTEGER NOT NULL,"
    " disk_mb INTEGER NOT NULL, process_limit INTEGER NOT NULL, target INTEGER NOT NULL,"
    " PRIMARY KEY (template_id, engine, network, cpu_count, memory_mb, disk_mb, process_limit))"
    " STRICT, WITHOUT ROWID;",
};

enum { MIGRATION_COUNT = sizeof(migrations) / sizeof(migrations[0]) };

static int schema_version(struct store *store, int *ret_version, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        sqlite3_finalize(statement);
        return store_fail(store, err, "read its version");
    }
    *ret_version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return 0;
}

/* Applies the next migration, unless another process did so first. */
static int apply_next(struct store *store, int *version, struct error *err)
{
    if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        return store_fail(store, err, "begin a migration");
    }
    if (schema_version(store, version, err) < 0 || *version >= MIGRATION_COUNT) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return *version >= MIGRATION_COUNT ? 0 : -1;
    }
    char set_version[64];
    snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d; COMMIT;", *version + 1);
    if (sqlite3_exec(store->db, migrations[*version], NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(store->db, set_version, NULL, NULL, NULL) != SQLITE_OK) {
        store_fail(store, err, "migration");
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return error_prefix(err, "to version %d", *version + 1);
    }
    ++*version;
    return 0;
}

int store_migrate(struct store *store, struct error *err)
{
    int version = 0;
    if (schema_version(store, &version, err) < 0) {
        return -1;
    }
    if (version > MIGRATION_COUNT) {
        error_set(err, ERR_INTERNAL, 0,
                  "the database was made by a newer atoll (its version is %d, this one knows %d)",
                  version, MIGRATION_COUNT);
        return error_hint(err, "Run the newer atoll, or restore a backup of the database.");
    }
    while (version < MIGRATION_COUNT) {
        if (apply_next(store, &version, err) < 0) {
            return -1;
        }
    }
    return 0;
}
