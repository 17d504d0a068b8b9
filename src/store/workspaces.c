#include "store/store_workspaces.h"

#include "base/clock.h"
#include "store/database.h"
#include "store/store.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* So that a client that makes a workspace or project a request cannot fill the database. */
enum { PLACES_MAX = 10000 };

static const char default_slug[] = "default";

/* "Dr. Smith's Clinic" → "dr-smith-s-clinic". */
static void slug_from_name(const char *name, char slug[PLACE_SLUG_SIZE])
{
    size_t length = 0;
    for (const char *p = name; *p && length + 1 < PLACE_SLUG_SIZE; p++) {
        if (isalnum((unsigned char)*p)) {
            slug[length++] = (char)tolower((unsigned char)*p);
        } else if (length > 0 && slug[length - 1] != '-') {
            slug[length++] = '-';
        }
    }
    while (length > 0 && slug[length - 1] == '-') {
        length--;
    }
    slug[length] = '\0';
    if (length == 0) {
        snprintf(slug, PLACE_SLUG_SIZE, "%s", default_slug);
    }
}

/* Which slug is meant: the given one, or made from the name, or the default. */
static void choose_slug(const char *slug, const char *name, char chosen[PLACE_SLUG_SIZE])
{
    if (slug) {
        snprintf(chosen, PLACE_SLUG_SIZE, "%s", slug);
    } else if (name) {
        slug_from_name(name, chosen);
    } else {
        snprintf(chosen, PLACE_SLUG_SIZE, "%s", default_slug);
    }
}

static int check_count(struct store *store, const char *sql, const char *owner_id,
                       const char *field, struct error *err)
{
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err, sql, "t", owner_id) < 0) {
        return -1;
    }
    int64_t count = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return count < PLACES_MAX ? 0
                              : error_set_field(err, ERR_CAPACITY, field,
                                                "there are %d of them already", PLACES_MAX);
}

/* Reads id, slug, name of a row; 1 found, 0 none, -1. */
static int read_place(sqlite3_stmt *row, int found, char id[ID_SIZE], char slug[PLACE_SLUG_SIZE],
                      char name[PLACE_NAME_SIZE])
{
    if (found == 1) {
        store_column_text(row, 0, id, ID_SIZE);
        store_column_text(row, 1, slug, PLACE_SLUG_SIZE);
        store_column_text(row, 2, name, PLACE_NAME_SIZE);
        sqlite3_reset(row);
    }
    return found;
}

static int workspace_by_id(struct store *store, const char *tenant_id, const char *id,
                           struct placement *place, struct error *err)
{
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT id, slug, name FROM workspaces"
                                " WHERE id = ? AND tenant_id = ?",
                                "tt", id, tenant_id);
    found =
        read_place(row, found, place->workspace_id, place->workspace_slug, place->workspace_name);
    return found == 0
               ? error_set_field(err, ERR_NOT_FOUND, "workspace_id", "there is no such workspace")
           : found < 0 ? -1
                       : 0;
}

static int workspace_by_slug(struct store *store, const char *tenant_id, const char *slug,
                             const char *name, struct placement *place, struct error *err)
{
    char chosen[PLACE_SLUG_SIZE];
    choose_slug(slug, name, chosen);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT id, slug, name FROM workspaces"
                                " WHERE tenant_id = ? AND slug = ?",
                                "tt", tenant_id, chosen);
    found =
        read_place(row, found, place->workspace_id, place->workspace_slug, place->workspace_name);
    if (found != 0) {
        return found < 0 ? -1 : 0;
    }
    if (check_count(store, "SELECT count(*) FROM workspaces WHERE tenant_id = ?", tenant_id,
                    "workspace_slug", err) < 0) {
        return -1;
    }
    id_make("wsp_", place->workspace_id);
    snprintf(place->workspace_slug, PLACE_SLUG_SIZE, "%s", chosen);
    snprintf(place->workspace_name, PLACE_NAME_SIZE, "%s", name ? name : chosen);
    return store_execute(store, err,
                         "INSERT INTO workspaces (id, tenant_id, slug, name, created_ms)"
                         " VALUES (?, ?, ?, ?, ?)",
                         "tttti", place->workspace_id, tenant_id, place->workspace_slug,
                         place->workspace_name, clock_realtime_ms());
}

static int project_by_id(struct store *store, const char *tenant_id, const char *id,
                         struct placement *place, struct error *err)
{
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT id, slug, name FROM projects"
                                " WHERE id = ? AND tenant_id = ? AND workspace_id = ?",
                                "ttt", id, tenant_id, place->workspace_id);
    found = read_place(row, found, place->project_id, place->project_slug, place->project_name);
    return found == 0  ? error_set_field(err, ERR_NOT_FOUND, "project_id",
                                         "there is no such project in this workspace")
           : found < 0 ? -1
                       : 0;
}

static int project_by_slug(struct store *store, const char *tenant_id, const char *slug,
                           const char *name, struct placement *place, struct error *err)
{
    char chosen[PLACE_SLUG_SIZE];
    choose_slug(slug, name, chosen);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT id, slug, name FROM projects"
                                " WHERE workspace_id = ? AND slug = ?",
                                "tt", place->workspace_id, chosen);
    found = read_place(row, found, place->project_id, place->project_slug, place->project_name);
    if (found != 0) {
        return found < 0 ? -1 : 0;
    }
    if (check_count(store, "SELECT count(*) FROM projects WHERE workspace_id = ?",
                    place->workspace_id, "project_slug", err) < 0) {
        return -1;
    }
    id_make("prj_", place->project_id);
    snprintf(place->project_slug, PLACE_SLUG_SIZE, "%s", chosen);
    snprintf(place->project_name, PLACE_NAME_SIZE, "%s", name ? name : chosen);
    return store_execute(store, err,
                         "INSERT INTO projects (id, tenant_id, workspace_id, slug, name,"
                         " created_ms) VALUES (?, ?, ?, ?, ?, ?)",
                         "ttttti", place->project_id, tenant_id, place->workspace_id,
                         place->project_slug, place->project_name, clock_realtime_ms());
}

int placement_default(struct store *store, const char *tenant_id, struct placement *ret_placement,
                      struct error *err)
{
    if (workspace_by_slug(store, tenant_id, NULL, NULL, ret_placement, err) < 0) {
        return -1;
    }
    return project_by_slug(store, tenant_id, NULL, NULL, ret_placement, err);
}

static int resolve(struct store *store, const struct principal *principal,
                   const struct placement_request *request, struct placement *place,
                   struct error *err)
{
    const char *tenant_id = principal->tenant_id;
    bool by_slug = !request->workspace_id && (request->workspace_slug || request->workspace_name);
    int result = by_slug ? workspace_by_slug(store, tenant_id, request->workspace_slug,
                                             request->workspace_name, place, err)
                         : workspace_by_id(store, tenant_id,
                                           request->workspace_id ? request->workspace_id
                                                                 : principal->workspace_id,
                                           place, err);
    if (result < 0) {
        return -1;
    }
    return request->project_id ? project_by_id(store, tenant_id, request->project_id, place, err)
                               : project_by_slug(store, tenant_id, request->project_slug,
                                                 request->project_name, place, err);
}

int store_placement_resolve(struct store *store, const struct principal *principal,
                            const struct placement_request *request,
                            struct placement *ret_placement, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    /* Reading needs no transaction of its own; the rare insert is one statement each. */
    return resolve(store, principal, request, ret_placement, err);
}
