#include "store/store_secrets.h"

#include "store/database.h"

#include <string.h>

int store_secret(struct store *store, const char *name, char secret[SECRET_SIZE], struct error *err)
{
    char fresh[SECRET_SIZE];
    secret_make(fresh, sizeof(fresh));
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    if (store_execute(store, err,
                      "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
                      "tt", name, fresh) < 0) {
        return -1;
    }
    int found =
        store_first_row(store, &row, err, "SELECT value FROM secrets WHERE name = ?", "t", name);
    if (found != 1) {
        return found < 0 ? -1 : error_set(err, ERR_INTERNAL, 0, "the secret '%s' is gone", name);
    }
    store_column_text(row, 0, secret, SECRET_SIZE);
    sqlite3_reset(row);
    return 0;
}
