#include "agent/file.h"

#include "agent/file_info.h"
#include "agent/machine.h"
#include "agent/path.h"
#include "agent/ports.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0755, SMALL_FRAME_MAX = 64 };

static int reply_mode(int fd, mode_t mode)
{
    unsigned char frame[SMALL_FRAME_MAX];
    struct frame_writer writer;
    frame_start(&writer, frame, sizeof(frame));
    fields_put_int(&writer.fields, AGENT_MODE, mode & 07777);
    reply_send(fd, frame, frame_finish(&writer, AGENT_FRAME_DONE));
    return 0;
}

static int file_stat(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "stat";
    struct stat st;
    auto_close int path_fd =
        path_open(request->path, O_PATH | (request->no_follow ? O_NOFOLLOW : 0));
    if (path_fd < 0 || fstat(path_fd, &st) < 0) {
        return -1;
    }
    file_info_reply(fd, AGENT_FRAME_DONE, request->path, path_fd, &st);
    return 0;
}

/* Flushes what is at path, which is there. */
static int flush_path(const char *path)
{
    struct stat st;
    if (!machine_is_own() || path_stat(path, true, &st) < 0 ||
        !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        return 0;
    }
    auto_close int fd = path_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -1 : machine_flush(fd);
}

static int file_mkdir(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "make directory";
    mode_t mode = request->mode >= 0 ? (mode_t)request->mode : DIRECTORY_MODE;
    char path[AGENT_PATH_MAX];
    path_copy(path, request->path);
    if (request->recursive && path_make_parents(path) < 0) {
        return -1;
    }
    struct stat st;
    if (path_make_directory(path, mode) < 0 &&
        !(errno == EEXIST && request->recursive && path_stat(path, true, &st) == 0 &&
          S_ISDIR(st.st_mode))) {
        return -1;
    }
    if (path_stat(path, true, &st) < 0 || flush_path(path) < 0) {
        return -1;
    }
    return reply_mode(fd, st.st_mode);
}

static int file_chmod(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "change mode";
    struct stat st;
    if (path_change_mode(request->path, (mode_t)request->mode) < 0 ||
        path_stat(request->path, true, &st) < 0 || flush_path(request->path) < 0) {
        return -1;
    }
    return reply_mode(fd, st.st_mode);
}

static int file_sync(const struct request *request, int fd, const char **ret_what)
{
    (void)request;
    *ret_what = "flush the disk";
    auto_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || syncfs(root) < 0) {
        return -1;
    }
    reply_done(fd);
    return 0;
}

static int run(const struct request *request, int fd, const char **ret_what)
{
    switch (request->operation) {
    case AGENT_OP_FILE_WRITE:
        return file_write(request, fd, ret_what);
    case AGENT_OP_FILE_READ:
        return file_read(request, fd, ret_what);
    case AGENT_OP_FILE_LIST:
        return file_list(request, fd, ret_what);
    case AGENT_OP_FILE_STAT:
        return file_stat(request, fd, ret_what);
    case AGENT_OP_FILE_MKDIR:
        return file_mkdir(request, fd, ret_what);
    case AGENT_OP_FILE_RENAME:
        return file_rename(request, fd, ret_what);
    case AGENT_OP_FILE_CHMOD:
        return file_chmod(request, fd, ret_what);
    case AGENT_OP_FILE_REMOVE:
        return file_remove(request, fd, ret_what);
    case AGENT_OP_SYNC:
        return file_sync(request, fd, ret_what);
    case AGENT_OP_PORTS:
        return ports_list(request, fd, ret_what);
    case AGENT_OP_HELLO:
    case AGENT_OP_EXEC:
    default:
        break;
    }
    *ret_what = "unknown operation";
    errno = ENOSYS;
    return -1;
}

void file_operation(struct job *job)
{
    const char *what = "";
    if (run(&job->request, job->fd, &what) < 0) {
        reply_error(job->fd, errno, what);
        if (job->request.operation == AGENT_OP_FILE_WRITE) {
            reply_await_close(job->fd);
        }
    }
}
