/* The head of an operation, parsed and checked. Pure; fuzzed. */
#ifndef ATOLL_AGENT_REQUEST_H
#define ATOLL_AGENT_REQUEST_H

#include "wire/agent_protocol.h"
#include "wire/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REQUEST_ARGUMENT_SPARE = 2, /* free slots before arguments[0]: an interpreter and its script */
    REQUEST_ENVIRONMENT_SPARE = 3, /* free slots behind the environment: HOME, USER, LOGNAME */
};

/* Texts lie inside the head's bytes, NUL-terminated; NULL when absent. */
struct request {
    enum agent_operation operation;
    const char *path;
    const char *target;
    const char *cwd;
    const char *user;
    const char *session_id;
    const char *name;
    const char *label;
    const char *command;
    const char *log_path;
    const char *pid_path;
    const char *hostname;
    const char *address;
    const char *resolvers;
    struct bytes_view bytes; /* data NULL: absent */
    struct bytes_view entropy;
    int64_t mode;   /* -1 absent */
    int64_t offset; /* 0 absent */
    int64_t length; /* -1 absent */
    int64_t depth;
    int64_t limit;
    int64_t timeout_ms; /* 0: none */
    int64_t kind;       /* enum agent_session_kind; 0 absent */
    int64_t position;   /* -1 absent */
    int64_t signal;     /* 0 absent */
    int64_t rows, cols; /* 0 absent */
    int64_t detach_ms;  /* 0: never */
    int64_t grace_ms;
    int64_t time_us; /* 0 absent */
    int64_t process_limit; /* 0 absent */
    bool follow;
    bool restart;
    bool end_of_input;
    bool forget;
    bool new_identity;
    bool restored;
    bool recursive;
    bool no_follow;
    bool open_stdin;
    char **
        arguments; /* NULL-terminated, with REQUEST_ARGUMENT_SPARE slots before; NULL if it runs nothing */
    char **environment;
    size_t environment_count;
    void *block; /* memory of both vectors */
};

/* Parses the payload of a HEAD frame, which it rewrites and which must outlive the request. Returns 0, or
 * a positive errno with *ret_problem saying what is wrong; then there is nothing to free. */
int request_parse(unsigned char *head, size_t length, struct request *ret_request,
                  const char **ret_problem);

void request_free(struct request *request);

#endif
