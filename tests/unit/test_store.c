/* The store: keys, idempotency claims, workspaces, and what happens to the file itself. */
#include "check.h"

#include "base/clock.h"
#include "store/store.h"
#include "store/store_workspaces.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64], path[96];
static struct store *store;
static struct principal tenant;
static struct error err;

static bool open_store(void)
{
    store = store_open(path, &err);
    return store != NULL;
}

static bool set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/atoll-unit-XXXXXX");
    if (!mkdtemp(directory)) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/atoll.db", directory);
    return open_store() && store_tenant_ensure(store, "one", &tenant, &err) == 0;
}

static void tear_down(void)
{
    store = store_close(store);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char file[112];
        snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
        unlink(file);
    }
    rmdir(directory);
}

static void a_key_works_until_it_is_revoked(void)
{
    struct api_key key, *keys = NULL;
    struct principal principal;
    char text[KEY_TEXT_SIZE];
    size_t count = 0;
    REQUIRE(store_key_create(store, &tenant, "ci", SCOPE_SANDBOXES_READ, 0, &key, text, &err) == 0);
    CHECK(strncmp(text, "msk_live_", 9) == 0 && strlen(text) == 49);
    CHECK(strncmp(text, key.prefix, strlen(key.prefix)) == 0);
    CHECK_TEXT(text + 45, key.last_four);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(store_key_verify(store, text, &principal, &err), 0);
        CHECK_TEXT(principal.tenant_id, tenant.tenant_id);
        CHECK_INT(principal.scopes, SCOPE_SANDBOXES_READ);
    }
    REQUIRE(store_key_list(store, tenant.tenant_id, &keys, &count, &err) == 0);
    CHECK_INT(count, 1);
    CHECK_TEXT(keys[0].name, "ci");
    free(keys);
    CHECK_INT(store_key_revoke(store, "tnt_other", key.id, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_INT(store_key_revoke(store, tenant.tenant_id, key.id, &err), 0);
    CHECK_INT(store_key_verify(store, text, &principal, &err), -1);
    CHECK_INT(err.code, ERR_INVALID_TOKEN);
}

static void keys_that_are_none_are_refused(void)
{
    static char long_key[10000];
    struct principal principal;
    memset(long_key, 'a', sizeof(long_key) - 1);
    memcpy(long_key, "msk_", 4);
    const char *const bad[] = {"", "msk_", "msk_live_x", "Bearer", "' OR 1=1 --", long_key};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(store_key_verify(store, bad[i], &principal, &err), -1);
        CHECK_INT(err.code, ERR_INVALID_TOKEN);
    }
}

static void an_expired_key_is_refused(void)
{
    struct api_key key;
    struct principal principal;
    char text[KEY_TEXT_SIZE];
    REQUIRE(store_key_create(store, &tenant, "old", SCOPE_ALL, clock_realtime_ms() - 1, &key, text,
                             &err) == 0);
    CHECK_INT(store_key_verify(store, text, &principal, &err), -1);
    CHECK(strstr(err.message, "expired") != NULL);
}

static void a_secret_is_nowhere_in_the_file(void)
{
    struct api_key key;
    char text[KEY_TEXT_SIZE];
    REQUIRE(store_key_create(store, &tenant, "s", SCOPE_ALL, 0, &key, text, &err) == 0);
    store = store_close(store); /* moves the log into the database */
    FILE *file = fopen(path, "re");
    REQUIRE(file != NULL);
    static char content[1024 * 1024];
    size_t length = fread(content, 1, sizeof(content), file);
    fclose(file);
    CHECK(length > 0 && length < sizeof(content));
    CHECK(memmem(content, length, text + 9, 40) == NULL);
    CHECK(memmem(content, length, key.id, strlen(key.id)) != NULL);
    CHECK(open_store());
}

static void tenants_are_made_once(void)
{
    struct principal again, other;
    CHECK_INT(store_tenant_ensure(store, "one", &again, &err), 0);
    CHECK_TEXT(again.tenant_id, tenant.tenant_id);
    CHECK_TEXT(again.workspace_id, tenant.workspace_id);
    CHECK_INT(store_tenant_ensure(store, "two", &other, &err), 0);
    CHECK(strcmp(other.tenant_id, tenant.tenant_id) != 0);
}

static enum idempotency_state begin(const char *key, const char *hash, int *ret_status,
                                    char **ret_body)
{
    enum idempotency_state state = IDEMPOTENCY_NEW;
    *ret_body = NULL;
    err = (struct error){0};
    store_idempotency_begin(store, tenant.tenant_id, "POST /x", key, hash, &state, ret_status,
                            ret_body, &err);
    return state;
}

static void a_claim_is_replayed_after_its_end(void)
{
    int status = 0;
    char *body;
    CHECK_INT(begin("k", "h", &status, &body), IDEMPOTENCY_NEW);
    CHECK_INT(begin("k", "h", &status, &body), IDEMPOTENCY_RUNNING);
    CHECK_INT(store_idempotency_finish(store, tenant.tenant_id, "POST /x", "k", 201, "{}", &err),
              0);
    store = store_close(store);
    REQUIRE(open_store());
    CHECK_INT(begin("k", "h", &status, &body), IDEMPOTENCY_DONE);
    CHECK_INT(status, 201);
    CHECK_TEXT(body, "{}");
    free(body);
    begin("k", "another body", &status, &body);
    CHECK_INT(err.code, ERR_IDEMPOTENCY);
}

static void an_abandoned_claim_is_free_again(void)
{
    int status;
    char *body;
    CHECK_INT(begin("k", "h", &status, &body), IDEMPOTENCY_NEW);
    CHECK_INT(store_idempotency_abandon(store, tenant.tenant_id, "POST /x", "k", &err), 0);
    CHECK_INT(begin("k", "other", &status, &body), IDEMPOTENCY_NEW);
    begin("", "h", &status, &body);
    CHECK_INT(err.code, ERR_VALIDATION);
}

static void workspaces_and_projects_are_made_on_first_use(void)
{
    struct placement first = {0}, second = {0}, plain = {0};
    struct placement_request request = {.workspace_name = "Dr. Smith's Clinic",
                                        .project_slug = "leads"};
    REQUIRE(store_placement_resolve(store, &tenant, &request, &first, &err) == 0);
    CHECK_TEXT(first.workspace_slug, "dr-smith-s-clinic");
    CHECK_TEXT(first.project_slug, "leads");
    request =
        (struct placement_request){.workspace_id = first.workspace_id, .project_slug = "leads"};
    REQUIRE(store_placement_resolve(store, &tenant, &request, &second, &err) == 0);
    CHECK_TEXT(second.project_id, first.project_id);
    request = (struct placement_request){0};
    REQUIRE(store_placement_resolve(store, &tenant, &request, &plain, &err) == 0);
    CHECK_TEXT(plain.workspace_id, tenant.workspace_id);
}

static void ids_of_other_tenants_places_are_not_found(void)
{
    struct principal other;
    struct placement place = {0};
    REQUIRE(store_tenant_ensure(store, "two", &other, &err) == 0);
    struct placement_request request = {.workspace_id = other.workspace_id};
    CHECK_INT(store_placement_resolve(store, &tenant, &request, &place, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_TEXT(err.field, "workspace_id");
    request = (struct placement_request){.project_id = "prj_nothing"};
    CHECK_INT(store_placement_resolve(store, &tenant, &request, &place, &err), -1);
    CHECK_TEXT(err.field, "project_id");
}

static void a_newer_database_is_refused(void)
{
    store = store_close(store);
    sqlite3 *db = NULL;
    REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 1000", NULL, NULL, NULL);
    sqlite3_close(db);
    CHECK(!open_store());
    CHECK(strstr(err.message, "newer") != NULL);
}

static void maintenance_changes_nothing_that_is_needed(void)
{
    struct principal again;
    CHECK_INT(store_prune(store, &err), 0);
    store_checkpoint(store);
    CHECK_INT(store_tenant_ensure(store, "one", &again, &err), 0);
    CHECK_TEXT(again.tenant_id, tenant.tenant_id);
}

#define CASE(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        if (CHECK(set_up())) {                                                                     \
            name();                                                                                \
        }                                                                                          \
        tear_down();                                                                               \
    }

#define CASES(X)                                                                                   \
    X(a_key_works_until_it_is_revoked)                                                             \
    X(keys_that_are_none_are_refused)                                                              \
    X(an_expired_key_is_refused)                                                                   \
    X(a_secret_is_nowhere_in_the_file)                                                             \
    X(tenants_are_made_once)                                                                       \
    X(a_claim_is_replayed_after_its_end)                                                           \
    X(an_abandoned_claim_is_free_again)                                                            \
    X(workspaces_and_projects_are_made_on_first_use)                                               \
    X(ids_of_other_tenants_places_are_not_found)                                                   \
    X(a_newer_database_is_refused)                                                                 \
    X(maintenance_changes_nothing_that_is_needed)

CASES(CASE)

static const struct check_case cases[] = {
#define X(name) {#name, run_##name},
    CASES(X)
#undef X
};

CHECK_MAIN(cases)
