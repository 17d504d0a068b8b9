/* Keys that the instance made for itself. */
#ifndef ATOLL_STORE_STORE_SECRETS_H
#define ATOLL_STORE_STORE_SECRETS_H

#include "store/store.h"

enum { SECRET_SIZE = 65 }; /* 64 characters of base62: 381 bits, and a NUL */

/* The secret of that name; made at its first use. */
int store_secret(struct store *store, const char *name, char secret[SECRET_SIZE],
                 struct error *err);

#endif
