/* Files between this machine and a sandbox. */
#ifndef ATOLL_CLI_COPY_H
#define ATOLL_CLI_COPY_H

#include "cli/client.h"

/* One end of a copy. */
struct copy_end {
    char sandbox_id[64]; /* "" : this machine */
    const char *path;    /* absolute in a sandbox; "-" here is standard input or output */
};

enum { COPY_PATH_MAX = 4096, COPY_DEPTH_MAX = 64 };

/* A sandbox's path of an API request, appended: "/sandboxes/ID/ROUTE?path=ESCAPED". */
int copy_request_path(struct buffer *buffer, const char *sandbox_id, const char *route,
                      const char *path);

/* What a path in the sandbox is. ERR_FILE_NOT_FOUND when nothing is there. */
int copy_stat(struct client *client, const char *sandbox_id, const char *path, bool *ret_is_dir,
              int64_t *ret_mode, struct error *err);

/* Copies one source to a destination of the other kind. A destination that is a directory, or ends
 * in a slash, takes the source's name; a directory is copied whole only when recursive. Symbolic
 * links inside a directory are reported on standard error and left out. */
int copy_up(struct client *client, const char *source, const struct copy_end *target,
            bool recursive, struct error *err);
int copy_down(struct client *client, const struct copy_end *source, const char *target,
              bool recursive, struct error *err);

/* directory + "/" + name into path[COPY_PATH_MAX]. */
int copy_join(char *path, const char *directory, const char *name, struct error *err);

/* The last component of a path, without slashes at the end, into name[256]. */
int copy_name(char *name, const char *path, struct error *err);

#endif
