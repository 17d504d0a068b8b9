/* Paths of the sandbox, as the agent sees them: its root is the sandbox's root. */
#ifndef ATOLL_AGENT_PATH_H
#define ATOLL_AGENT_PATH_H

#include "wire/agent_protocol.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Copies an absolute path shorter than AGENT_PATH_MAX, without slashes at its end. */
void path_copy(char target[AGENT_PATH_MAX], const char *path);

/* The last component: a pointer into path behind its last slash. */
const char *path_base(const char *path);

/* The directory of path into parent[AGENT_PATH_MAX]: "/" or without a slash at its end. */
void path_parent(char parent[AGENT_PATH_MAX], const char *path);

/*
 * As open(2), but a link such as /proc/self/fd/5 or /proc/1/cwd is refused with ELOOP: it would lead to
 * what the agent holds open, which is not the sandbox's. Every path that comes from outside is opened
 * here; nothing else is safe from a link that the sandbox swaps in. Always close-on-exec.
 */
int path_open(const char *path, int flags);

/* The directory that holds path's last component, for the ...at calls. */
int path_open_parent(const char *path);

/* As stat(2), and lstat(2) when follow is false. */
int path_stat(const char *path, bool follow, struct stat *ret_stat);

/* Follows symbolic links in the place of the last component, even if the last one leads nowhere.
 * 0, or -1 with errno (ELOOP). */
int path_follow(char path[AGENT_PATH_MAX]);

/* As chmod(2). */
int path_change_mode(const char *path, mode_t mode);

/* mkdir(2) with exactly that mode, owned by whoever owns the directory around it: what is made for
 * a user's home belongs to that user. 0, or -1 with errno. */
int path_make_directory(const char *path, mode_t mode);

/* Makes the missing directories above path, mode 0755. 0, or -1 with errno. */
int path_make_parents(const char *path);

#endif
