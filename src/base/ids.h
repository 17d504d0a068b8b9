/* Identifiers: prefix and lower-case ULID (github.com/ulid/spec), secrets, DNS-safe slugs. */
#ifndef ATOLL_BASE_IDS_H
#define ATOLL_BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_SIZE = 32, SLUG_SIZE = 16 };

/* Fills bytes from getrandom(2); aborts if the kernel has none, which cannot happen after boot. */
void random_bytes(void *bytes, size_t length);

/* Writes prefix (≤ 5 characters, such as "sbx_") and 26 characters of ULID; returns id. Ids made
 * later sort later (to the millisecond). Any thread. */
char *id_make(const char *prefix, char id[ID_SIZE]);

/* The same of given bytes, which are not told by their order. */
char *id_of_bytes(const char *prefix, const unsigned char bytes[16], char id[ID_SIZE]);

/* Is text exactly prefix and a lower-case ULID? */
bool id_valid(const char *prefix, const char *text);

/* 12 random characters of [a-z0-9], the first a letter: a DNS label. */
char *slug_make(char slug[SLUG_SIZE]);

/* Writes length - 1 random base62 characters and a NUL. */
char *secret_make(char *text, size_t length);

#endif
