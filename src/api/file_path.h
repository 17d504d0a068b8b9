/* Paths as requests give them, made absolute without looking at any file system: the sandbox resolves
 * them. Pure. */
#ifndef ATOLL_API_FILE_PATH_H
#define ATOLL_API_FILE_PATH_H

#include "agentclient/agentclient.h"
#include "base/error.h"

/*
 * Writes text as an absolute path into path: relative ones begin at base ("/workspace", or "/" for the rest
 * of a URL, which has lost its leading slash). Doubled slashes, "." components and a trailing slash go.
 * ".." is refused rather than resolved, because only the sandbox could do that right. Errors
 * (ERR_VALIDATION) name field; so do they for an empty path or one over 4095 bytes.
 */
int file_path_make(const char *base, const char *text, const char *field, char path[AGENT_PATH_MAX],
                   struct error *err);

/* The last component; "/" for the root. Borrowed from path. */
const char *file_path_name(const char *path);

/* Permission bits of octal text such as "644", "0644" or "0o644" into *ret_mode. */
int file_mode_parse(const char *text, const char *field, int64_t *ret_mode, struct error *err);

#endif
