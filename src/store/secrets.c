#include "store/store_secrets.h"

#include "store/database.h"

#include <string.h>

/* 1 found, 0, -1. */
static int read_secret(struct store *store, const char *name, char secret[SECRET_SIZE],
                       struct error *err)
{
    sqlite3_stmt *row;
    int found =
        store_first_row(store, &row, err, "SELECT value FROM secrets WHERE name = ?", "t", name);
    if (found == 1) {
        store_column_text(row, 0, secret, SECRET_SIZE);
        sqlite3_reset(row);
    }
    return found;
}

int store_secret(struct store *store, const char *name, char secret[SECRET_SIZE], struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    int found = read_secret(store, name, secret, err);
    if (found != 0) {
        return found > 0 ? 0 : -1;
    }
    secret_make(secret, SECRET_SIZE);
    return store_execute(store, err, "INSERT INTO secrets (name, value) VALUES (?, ?)", "tt", name,
                         secret);
}
