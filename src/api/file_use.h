/* A file request's hold on its sandbox. */
#ifndef ATOLL_API_FILE_USE_H
#define ATOLL_API_FILE_USE_H

#include "agentclient/agentclient.h"
#include "api/api.h"

/* Zero-initialise; file_use_end is due also when begin failed. */
struct file_use {
    struct api *api; /* NULL: holds nothing */
    struct sandbox_use sandbox;
};

/* Takes hold of the sandbox that the request's path names. */
int file_use_begin(struct file_use *use, struct request *request, struct error *err);
void file_use_end(struct file_use *use);

#define auto_file_use __attribute__((cleanup(file_use_end)))

/* An absolute path of what the client sent; relative ones lie in the template's working directory. NULL
 * text: ERR_MISSING_PARAM. */
int file_use_path(const struct file_use *use, const char *text, const char *field,
                  char path[AGENT_PATH_MAX], struct error *err);

/* The path of "…/files/{path...}", or else of the query argument "path". */
int file_use_request_path(const struct file_use *use, struct request *request, bool from_url,
                          char path[AGENT_PATH_MAX], struct error *err);

/* Completes the error of a failed agent call. Returns -1. */
int file_use_failed(const struct file_use *use, struct error *err);

#endif
