/* Sandboxes in the store: one record each, and the events of their lives. */
#ifndef ATOLL_STORE_STORE_SANDBOXES_H
#define ATOLL_STORE_STORE_SANDBOXES_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store_workspaces.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/*
 * The columns: struct, SQL, binding and reading are all made from this list. Times are milliseconds
 * since 1970, 0 = never. id comes before them; workspace and project names are joined.
 */
#define SANDBOX_TEXT_COLUMNS(X)                                                                    \
    X(tenant_id, ID_SIZE)                                                                          \
    X(owner_id, ID_SIZE)                                                                           \
    X(workspace_id, ID_SIZE)                                                                       \
    X(project_id, ID_SIZE)                                                                         \
    X(name, 128)                                                                                   \
    X(slug, 64)                                                                                    \
    X(state, 16)                                                                                   \
    X(template_id, 80)                                                                             \
    X(image_id, 80)                                                                                \
    X(workdir, 256)                                                                                \
    X(size, 16)                                                                                    \
    X(engine, 32)                                                                                  \
    X(isolation, 160)                                                                              \
    X(accel, 16)            /* "kvm", "tcg", or "none": no virtual machine */                      \
    X(agent_socket, 108)                                                                           \
    X(boot_path, 16)                                                                               \
    X(snapshot_id, ID_SIZE) /* that its files began as, or "" */                                   \
    X(agent_session_id, 129)                                                                       \
    X(last_error, 256)                                                                             \
    X(last_console, 2048)   /* what a machine said last before that, or "" */                      \
    X(last_pause_source, 16)

#define SANDBOX_INT_COLUMNS(X)                                                                     \
    X(cpu_count)                                                                                   \
    X(memory_mb)                                                                                   \
    X(disk_mb)                                                                                     \
    X(process_limit)                                                                               \
    X(network)                                                                                     \
    X(persistent)                                                                                  \
    X(always_on)                                                                                   \
    X(auto_resume)      /* paused: whatever reaches it resumes it */                               \
    X(timeout_sec)                                                                                 \
    X(idle_timeout_sec)                                                                            \
    X(boot_us)                                                                                     \
    X(envd_ready_us)                                                                               \
    X(start_pending)    /* app and services are to be started: 1 again, 2 the first time */        \
    X(processes)        /* 1: its processes are (or may be) there: running or frozen */            \
    X(memory_saved)     /* 1: paused, and its processes are on the host's disk */                  \
    X(files)            /* 1: it has (or may have) a disk on the host, and its name */             \
    X(runtime_ms)       /* time in state running before the current run */                         \
    X(run_started_ms)   /* start of the current run, 0 when not running */                         \
    X(timer_started_ms) /* timeout_sec counts from here */                                         \
    X(last_activity_ms)                                                                            \
    X(last_pause_ms)                                                                               \
    X(created_ms)                                                                                  \
    X(started_ms)                                                                                  \
    X(ready_ms)                                                                                    \
    X(destroyed_ms)

/* Free-form JSON, never changed in place (readers share it), or NULL. */
#define SANDBOX_JSON_COLUMNS(X)                                                                    \
    X(env)                                                                                         \
    X(metadata)                                                                                    \
    X(tags)                                                                                        \
    X(app)      /* what the template's app was started with: command, port, workdir, paths */      \
    X(services) /* name → {command, cwd, env, user, id} */                                         \
    X(external) /* external_workspace_id, external_user_id, external_project_id */

struct sandbox_record {
    char id[ID_SIZE];
#define X(member, size_bytes) char member[size_bytes];
    SANDBOX_TEXT_COLUMNS(X)
#undef X
#define X(member) int64_t member;
    SANDBOX_INT_COLUMNS(X)
#undef X
#define X(member) json_t *member;
    SANDBOX_JSON_COLUMNS(X)
#undef X
    char workspace_slug[PLACE_SLUG_SIZE], workspace_name[PLACE_NAME_SIZE];
    char project_slug[PLACE_SLUG_SIZE], project_name[PLACE_NAME_SIZE];
};

/* Drops the JSON references. */
void sandbox_record_clear(struct sandbox_record *record);

/* What happened; data is borrowed. */
struct store_event {
    const char *type;
    json_t *data;
};

/* The idempotency claim that a create belongs to; both NULL when there is none. */
struct store_claim_ref {
    const char *route, *key;
};

/* Adds the record and its event in one transaction, and notes the sandbox in the claim.
 * ERR_NAME_TAKEN (field "name" or "slug") when a sandbox that has files has it already. */
int store_sandbox_insert(struct store *store, const struct sandbox_record *record,
                         struct store_claim_ref claim, struct store_event event,
                         struct error *err);

/* Replaces the record and adds the event (of type NULL: none) in one transaction. ERR_NAME_TAKEN as above. */
int store_sandbox_update(struct store *store, const struct sandbox_record *record,
                         struct store_event event, struct error *err);

/* Reads one, of any state. 1 (then clear it), 0 when there is none, -1. */
int store_sandbox_find(struct store *store, const char *id, struct sandbox_record *ret_record,
                       struct error *err);

/* All that are not destroyed, oldest first; *ret_records is the caller's (clear each, then free). */
int store_sandbox_load_living(struct store *store, struct sandbox_record **ret_records,
                              size_t *ret_count, struct error *err);

/* The tenant's destroyed ones, newest first, at most limit. */
int store_sandbox_load_destroyed(struct store *store, const char *tenant_id, int64_t limit,
                                 struct sandbox_record **ret_records, size_t *ret_count,
                                 struct error *err);

#endif
