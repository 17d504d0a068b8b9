#include "api/upload.h"

#include "api/file_path.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COPY_BYTES = 64 * 1024 };

static int64_t limit_of(const struct request *request)
{
    return api_of(request)->settings->upload_max_mb * 1024 * 1024;
}

static int too_large(int64_t limit, struct error *err)
{
    error_set(err, ERR_TOO_LARGE, 0, "the file is larger than the limit of %lld MiB",
              (long long)(limit / 1024 / 1024));
    return error_hint(err, "Send at most %lld bytes a file (upload_max_mb), or split the file.",
                      (long long)limit);
}

int upload_check_length(struct request *request, int64_t percent, int64_t slack, struct error *err)
{
    int64_t limit = limit_of(request);
    int64_t body_max = limit / 100 * percent + slack;
    return request_content_length(request) > body_max ? too_large(limit, err) : 0;
}

int upload_begin(struct upload *upload, struct request *request, struct error *err)
{
    upload->spool_fd = -1;
    upload->mode = -1;
    upload->size_max = limit_of(request);
    return file_use_begin(&upload->use, request, err);
}

int upload_set_path(struct upload *upload, const char *text, struct error *err)
{
    if (upload->path[0]) {
        return error_set_field(err, ERR_VALIDATION, "path", "path comes twice");
    }
    return file_use_path(&upload->use, text, "path", upload->path, err);
}

int upload_set_mode(struct upload *upload, const char *text, struct error *err)
{
    if (upload->mode >= 0) {
        return error_set_field(err, ERR_VALIDATION, "mode", "mode comes twice");
    }
    upload->mode_is_late = upload->call != NULL;
    return file_mode_parse(text, "mode", &upload->mode, err);
}

static int start(struct upload *upload, struct error *err)
{
    upload->call =
        agent_write_start(upload->use.sandbox.agent_socket, upload->path, upload->mode, err);
    return upload->call ? 0 : file_use_failed(&upload->use, err);
}

static int send_data(struct upload *upload, const void *bytes, size_t length, struct error *err)
{
    return agent_write_data(upload->call, bytes, length, err) ? file_use_failed(&upload->use, err)
                                                              : 0;
}

static int open_spool(struct upload *upload, struct error *err)
{
    char directory[512], name[600];
    settings_path(upload->use.api->settings, "data", directory, sizeof(directory));
    upload->spool_fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (upload->spool_fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        /* not every file system makes files without a name */
        snprintf(name, sizeof(name), "%s/upload-XXXXXX", directory);
        upload->spool_fd = mkostemp(name, O_CLOEXEC);
        if (upload->spool_fd >= 0) {
            unlink(name);
        }
    }
    return upload->spool_fd >= 0
               ? 0
               : error_set(err, ERR_CAPACITY, errno, "make a temporary file for an upload");
}

static int spool(struct upload *upload, const void *bytes, size_t length, struct error *err)
{
    if (upload->spool_fd < 0 && open_spool(upload, err)) {
        return -1;
    }
    if (write_all(upload->spool_fd, bytes, length)) {
        return error_set(err, ERR_CAPACITY, errno, "keep an upload whose path has not come");
    }
    return 0;
}

/* To the sandbox, or to the temporary file while the path is not known. */
static int pass_on(struct upload *upload, const void *bytes, size_t length, struct error *err)
{
    if (!upload->path[0] || upload->spool_fd >= 0) {
        return spool(upload, bytes, length, err);
    }
    if (!upload->call && start(upload, err)) {
        return -1;
    }
    return send_data(upload, bytes, length, err);
}

static int pass_on_collected(struct upload *upload, struct error *err)
{
    size_t length = upload->collected_length;
    upload->collected_length = 0;
    return length > 0 ? pass_on(upload, upload->collected, length, err) : 0;
}

int upload_data(struct upload *upload, const void *bytes, size_t length, struct error *err)
{
    upload->size += (int64_t)length;
    if (upload->size > upload->size_max) {
        return too_large(upload->size_max, err);
    }
    if (length > sizeof(upload->collected) - upload->collected_length &&
        pass_on_collected(upload, err)) {
        return -1;
    }
    if (length >= sizeof(upload->collected) / 2) {
        return pass_on_collected(upload, err) || pass_on(upload, bytes, length, err) ? -1 : 0;
    }
    memcpy(upload->collected + upload->collected_length, bytes, length);
    upload->collected_length += length;
    return 0;
}

static int send_spool(struct upload *upload, struct error *err)
{
    char bytes[COPY_BYTES];
    off_t offset = 0;
    for (;;) {
        ssize_t got = pread(upload->spool_fd, bytes, sizeof(bytes), offset);
        if (got < 0) {
            return error_set(err, ERR_INTERNAL, errno, "read a kept upload");
        }
        if (got == 0) {
            return 0;
        }
        if (send_data(upload, bytes, (size_t)got, err)) {
            return -1;
        }
        offset += got;
    }
}

int upload_finish(struct upload *upload, struct agent_stat *ret_stat, struct error *err)
{
    if (!upload->path[0]) {
        return error_set_field(err, ERR_MISSING_PARAM, "path", "path is missing");
    }
    if (pass_on_collected(upload, err) || (!upload->call && start(upload, err))) {
        return -1;
    }
    if (upload->spool_fd >= 0 && send_spool(upload, err)) {
        return -1;
    }
    FAULT_POINT("daemon.write.sent");
    if (agent_write_finish(upload->call, ret_stat, err)) {
        return file_use_failed(&upload->use, err);
    }
    FAULT_POINT("daemon.write.done");
    if (!upload->mode_is_late) {
        return 0;
    }
    ret_stat->mode = upload->mode;
    return agent_chmod(upload->use.sandbox.agent_socket, upload->path, upload->mode, err)
               ? file_use_failed(&upload->use, err)
               : 0;
}

void upload_end(struct upload *upload)
{
    upload->call = agent_call_free(upload->call);
    upload->spool_fd = close_fd(upload->spool_fd);
    file_use_end(&upload->use);
}
