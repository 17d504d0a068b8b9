/*
 * One file on its way into a sandbox. Path and content may come in any order: content that comes first waits
 * in an unlinked temporary file of the state directory. Nothing appears in the sandbox before
 * upload_finish.
 */
#ifndef ATOLL_API_UPLOAD_H
#define ATOLL_API_UPLOAD_H

#include "agentclient/agentclient.h"
#include "api/file_use.h"

#include <stdbool.h>
#include <stdint.h>

/* Smaller pieces of content are collected before they are sent on. */
enum { UPLOAD_COLLECT_BYTES = 32 * 1024 };

struct upload {
    struct file_use use;
    struct agent_call *call; /* once the path is known and content came */
    int spool_fd;            /* -1: not needed so far */
    int64_t size, size_max;
    int64_t mode;              /* -1: keep an existing file's, else 0644 */
    bool mode_is_late;         /* came when the file was on its way already */
    char path[AGENT_PATH_MAX]; /* "" = not known yet */
    size_t collected_length;
    char collected[UPLOAD_COLLECT_BYTES];
};

/* Takes hold of the sandbox. upload is zeroed by the caller; upload_end is due in both cases. */
int upload_begin(struct upload *upload, struct request *request, struct error *err);

int upload_set_path(struct upload *upload, const char *text, struct error *err);
int upload_set_mode(struct upload *upload, const char *text, struct error *err);

/* ERR_TOO_LARGE over the limit. */
int upload_data(struct upload *upload, const void *bytes, size_t length, struct error *err);

/* The file is there when this returns 0. */
int upload_finish(struct upload *upload, struct agent_stat *ret_stat, struct error *err);

/* Drops what was not finished. */
void upload_end(struct upload *upload);

/* Refuses a body by its announced length: over percent of the largest file's size and slack bytes. */
int upload_check_length(struct request *request, int64_t percent, int64_t slack, struct error *err);

#endif
