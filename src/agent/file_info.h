/* The fields that describe a file. */
#ifndef ATOLL_AGENT_FILE_INFO_H
#define ATOLL_AGENT_FILE_INFO_H

#include "agent/account.h"
#include "agent/reply.h"

#include <stdbool.h>
#include <sys/stat.h>

/* Room for a frame with two paths of the greatest length. */
enum { FILE_FRAME_MAX = FRAME_HEADER_BYTES + 2 * (AGENT_PATH_MAX + 8) + 512 };

/* The names last looked up: files of one directory mostly have one owner. */
struct owner_names {
    bool valid;
    uid_t uid;
    gid_t gid;
    char user[ACCOUNT_NAME_SIZE];
    char group[ACCOUNT_NAME_SIZE];
};

enum agent_file_type file_type_of(mode_t mode);

/* A complete frame into data[FILE_FRAME_MAX]; returns its length. link_target may be NULL. */
size_t file_info_frame(unsigned char *data, enum agent_frame type, const char *path,
                       const struct stat *st, const char *link_target, struct owner_names *names);

/* Sends such a frame of the file open as path_fd, which st describes; of a link it tells the target. */
int file_info_reply(int fd, enum agent_frame type, const char *path, int path_fd,
                    const struct stat *st);

#endif
