/*
 * Files whose SHA-256 was found to be right a while ago and that were not written to since, so that it need not be
 * computed again for each of many forks. One table in memory that atoll-host shares with its helpers.
 */
#ifndef ATOLL_ENGINE_VM_KNOWN_H
#define ATOLL_ENGINE_VM_KNOWN_H

#include "engine/engine.h"

struct vm_known;

/* NULL with err. */
struct vm_known *vm_known_new(struct error *err);
/* Accepts NULL; returns NULL. */
struct vm_known *vm_known_free(struct vm_known *known);

/* Does the file have that digest? known may be NULL. -1 with err: ERR_NOT_RESTORABLE, naming it. */
int vm_known_check(struct vm_known *known, int directory_fd, const char *name, const char *digest,
                   struct error *err);

/* The file's digest, and its bytes on the host's disk are added to *stored_bytes (may be NULL). */
int vm_known_digest(struct vm_known *known, int directory_fd, const char *name,
                    char digest[ENGINE_DIGEST_SIZE], int64_t *stored_bytes, struct error *err);

#endif
