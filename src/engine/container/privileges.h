/* What a parked process gives up, in order, before it becomes a sandbox's first process. */
#ifndef ATOLL_ENGINE_CONTAINER_PRIVILEGES_H
#define ATOLL_ENGINE_CONTAINER_PRIVILEGES_H

#include "base/error.h"
#include "engine/syscall_filter.h"

/* Still as root of the host: priority, limits, place in the order of OOM kills. */
int privileges_set_limits(struct error *err);

/* Enters the user namespace as its root, keeps only the capabilities that stay harmless there, and
 * loads the filter. There is no way back. */
int privileges_drop(int userns_fd, const struct seccomp_filter *filter, struct error *err);

/* A descriptor of a new user namespace with SLOT_UID_COUNT ids from base on; -1 with err. */
int privileges_make_user_namespace(unsigned base, unsigned count, struct error *err);

#endif
