/* A regular file that appears at its path whole or not at all. */
#ifndef ATOLL_AGENT_FILE_TARGET_H
#define ATOLL_AGENT_FILE_TARGET_H

#include "wire/agent_protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct file_target {
    int fd; /* write here */
    int dir_fd;
    bool replaces;  /* a file is there already */
    bool keep_open; /* for more writing after the commit; set by the caller */
    char temporary[32];
    char path[AGENT_PATH_MAX]; /* with links followed */
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

#define FILE_TARGET_NONE ((struct file_target){.fd = -1, .dir_fd = -1})

/* Makes missing parents and a temporary file beside path. mode < 0: an existing file's, else 0644. An
 * existing file's owner stays; a new file gets the owner of its directory. 0, or -1 with errno: EISDIR,
 * EINVAL (exists and is no regular file), … */
int file_target_open(struct file_target *target, const char *path, int64_t mode);

/* Gives the file its mode, owner and name, and closes it unless keep_open. 0 and its state in *ret_stat, or -1 with errno. */
int file_target_commit(struct file_target *target, struct stat *ret_stat);

/* Removes the temporary file if it still exists; keeps errno. For every target, committed or not. */
void file_target_close(struct file_target *target);

#define auto_target __attribute__((cleanup(file_target_close)))

#endif
