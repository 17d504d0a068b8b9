/* Mounts, by descriptors where it matters. All blocking; for processes in a mount namespace of
 * their own. */
#ifndef ATOLL_LINUX_MOUNTS_H
#define ATOLL_LINUX_MOUNTS_H

#include "base/error.h"

#include <stdint.h>

/* Mounts a file system at path. flags: MS_*. 0 or -1 with err. */
int mount_at(const char *type, const char *path, unsigned long flags, const char *options,
             struct error *err);

/* A detached copy of the mount at path (without the mounts below it), or -1 with err. */
int mount_clone(const char *path, struct error *err);

/* A detached mount of the file system on a block device; options: NULL-terminated pairs of key and
 * value (value NULL: a flag). -1 with err. */
int mount_device(const char *type, const char *device, const char *const options[],
                 struct error *err);

/* Gives a detached mount attributes (MOUNT_ATTR_RDONLY, …) and, when userns_fd >= 0, the id mapping
 * of that user namespace. */
int mount_set_attributes(int mount_fd, uint64_t attributes, int userns_fd, struct error *err);

/* Attaches a detached mount at path; the last component is not followed when it is a link. */
int mount_attach(int mount_fd, const char *path, struct error *err);

/* Moves what is mounted at from onto the directory that an open descriptor names. */
int mount_move_onto(const char *from, int directory_fd, struct error *err);

/* Makes path the root of this mount namespace, with nothing of the old root left reachable. */
int mount_pivot(const char *path, struct error *err);

#endif
