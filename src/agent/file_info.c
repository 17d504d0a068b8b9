#include "agent/file_info.h"

#include "base/cleanup.h"

#include <fcntl.h>

enum agent_file_type file_type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return AGENT_FILE_REGULAR;
    case S_IFDIR:
        return AGENT_FILE_DIRECTORY;
    case S_IFLNK:
        return AGENT_FILE_SYMLINK;
    default:
        return AGENT_FILE_OTHER;
    }
}

static void look_up(struct owner_names *names, uid_t uid, gid_t gid)
{
    if (names->valid && names->uid == uid && names->gid == gid) {
        return;
    }
    auto_close int etc_fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    account_user_name(etc_fd, uid, names->user);
    account_group_name(etc_fd, gid, names->group);
    names->uid = uid;
    names->gid = gid;
    names->valid = true;
}

size_t file_info_frame(unsigned char *data, enum agent_frame type, const char *path,
                       const struct stat *st, const char *link_target, struct owner_names *names)
{
    struct frame_writer writer;
    frame_start(&writer, data, FILE_FRAME_MAX);
    struct fields_writer *fields = &writer.fields;
    look_up(names, st->st_uid, st->st_gid);
    fields_put_string(fields, AGENT_PATH, path);
    fields_put_int(fields, AGENT_FILE_TYPE, file_type_of(st->st_mode));
    fields_put_int(fields, AGENT_SIZE, st->st_size);
    fields_put_int(fields, AGENT_MODIFIED_MS,
                   (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000);
    fields_put_int(fields, AGENT_MODE, st->st_mode & 07777);
    fields_put_int(fields, AGENT_UID, st->st_uid);
    fields_put_int(fields, AGENT_GID, st->st_gid);
    fields_put_string(fields, AGENT_OWNER, names->user);
    fields_put_string(fields, AGENT_GROUP, names->group);
    if (link_target) {
        fields_put_string(fields, AGENT_LINK_TARGET, link_target);
    }
    return frame_finish(&writer, type);
}

int file_info_reply(int fd, enum agent_frame type, const char *path, int path_fd,
                    const struct stat *st)
{
    unsigned char frame[FILE_FRAME_MAX];
    char target[AGENT_PATH_MAX];
    struct owner_names names = {.valid = false};
    ssize_t length = -1;
    if (S_ISLNK(st->st_mode)) {
        length = readlinkat(path_fd, "", target, sizeof(target) - 1);
    }
    if (length >= 0) {
        target[length] = '\0';
    }
    size_t frame_length =
        file_info_frame(frame, type, path, st, length >= 0 ? target : NULL, &names);
    return reply_send(fd, frame, frame_length);
}
