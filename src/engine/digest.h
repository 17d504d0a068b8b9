/* SHA-256 of files and texts; for helpers and small texts, since it takes as long as reading does. */
#ifndef ATOLL_ENGINE_DIGEST_H
#define ATOLL_ENGINE_DIGEST_H

#include "base/error.h"
#include "engine/engine.h"

#include <stddef.h>

/* Over the size and, of each block that is not all zeros, its place and bytes: whatever becomes of holes on
 * the way, the same content has the same digest. */
int digest_file(int fd, char digest[ENGINE_DIGEST_SIZE], struct error *err);

/* 0 or -1. */
int digest_text(const void *text, size_t length, char digest[ENGINE_DIGEST_SIZE]);

#endif
