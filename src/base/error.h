/* One error value for every layer: a code, an errno, a message that gains context on its way up. */
#ifndef ATOLL_BASE_ERROR_H
#define ATOLL_BASE_ERROR_H

#include <stddef.h>

/*
 * The table of errors: C name, code that API clients see, HTTP status, may the same request succeed
 * later unchanged, and the next step a user is told when the site that raised the error has none.
 * The enum, the wire protocols, the API and its documentation are all made from this table.
 * Codes in capitals are the API contract's; order is part of the internal wire protocols: append.
 */
#define ERROR_TABLE(X)                                                                             \
    X(ERR_INTERNAL, "INTERNAL_ERROR", 500, 0,                                                      \
      "Retry once; if it happens again, report the x-request-id with the server's log.")          \
    X(ERR_BAD_REQUEST, "BAD_REQUEST", 400, 0, "Correct the request and send it again.")           \
    X(ERR_INVALID_JSON, "INVALID_JSON", 400, 0, "Send one valid UTF-8 JSON object.")              \
    X(ERR_VALIDATION, "VALIDATION_ERROR", 422, 0, "Correct the named field and send it again.")   \
    X(ERR_MISSING_PARAM, "MISSING_PARAM", 400, 0, "Add the named field and send it again.")       \
    X(ERR_INVALID_TEMPLATE, "INVALID_TEMPLATE", 400, 0,                                           \
      "List the templates with GET /api/v1/sandbox-templates and use one of their ids.")          \
    X(ERR_TEMPLATE_NOT_READY, "TEMPLATE_NOT_READY", 409, 0,                                       \
      "Build the template's image on the host with scripts/build-template, then retry.")          \
    X(ERR_INVALID_TOKEN, "invalid_token", 401, 0,                                                 \
      "Send 'Authorization: Bearer <key>' with a key made by 'atoll key create'.")                \
    X(ERR_SCOPE, "insufficient_scope", 403, 0, "Use a key that has the named scope.")             \
    X(ERR_NOT_FOUND, "NOT_FOUND", 404, 0, "Check the id; it may have been destroyed.")            \
    X(ERR_NO_ROUTE, "ROUTE_NOT_FOUND", 404, 0, "See GET /api/v1/openapi.json for the routes.")    \
    X(ERR_METHOD, "METHOD_NOT_ALLOWED", 405, 0, "Use a method that the Allow header lists.")      \
    X(ERR_FILE_NOT_FOUND, "FILE_NOT_FOUND", 404, 0, "Check the path inside the sandbox.")         \
    X(ERR_FILE_EXISTS, "FILE_EXISTS", 409, 0, "Choose another path or delete the existing one.")  \
    X(ERR_IS_DIRECTORY, "IS_DIRECTORY", 400, 0, "Use the path of a regular file.")                \
    X(ERR_NOT_DIRECTORY, "NOT_DIRECTORY", 400, 0, "Use the path of a directory.")                 \
    X(ERR_NOT_EMPTY, "DIRECTORY_NOT_EMPTY", 409, 0, "Pass recursive=true to delete its contents.") \
    X(ERR_FORBIDDEN_PATH, "FORBIDDEN_PATH", 403, 0,                                               \
      "The sandbox's own permissions refuse this path; choose another or change its mode.")       \
    X(ERR_TOO_LARGE, "TOO_LARGE", 413, 0, "Send less at once; 'details' names the limit.")        \
    X(ERR_RANGE, "RANGE_NOT_SATISFIABLE", 416, 0, "Ask for a range inside the file's size.")      \
    X(ERR_HEADERS_TOO_LARGE, "HEADERS_TOO_LARGE", 431, 0, "Send fewer or shorter headers.")       \
    X(ERR_LENGTH, "BAD_FRAMING", 400, 0,                                                          \
      "Send either one Content-Length or 'Transfer-Encoding: chunked', never both.")              \
    X(ERR_RATE_LIMITED, "RATE_LIMITED", 429, 1, "Wait for the Retry-After seconds, then retry.")  \
    X(ERR_SANDBOX_LIMIT, "SANDBOX_LIMIT_EXCEEDED", 409, 0,                                        \
      "Destroy a sandbox, or raise max_sandboxes (ATOLL_MAX_SANDBOXES).")                         \
    X(ERR_NOT_RUNNING, "SANDBOX_NOT_RUNNING", 409, 0,                                             \
      "Resume it with POST /sandboxes/{id}/resume, or create a new one.")                         \
    X(ERR_STARTING, "SANDBOX_STARTING", 409, 1, "Wait two seconds, then retry.")                  \
    X(ERR_NOT_PAUSED, "SANDBOX_NOT_PAUSED", 409, 0, "Only a paused sandbox can be resumed.")      \
    X(ERR_NOT_RESTORABLE, "SANDBOX_NOT_RESTORABLE", 409, 0, "Create a fresh sandbox.")            \
    X(ERR_READY_TIMEOUT, "SANDBOX_READY_TIMEOUT", 504, 1,                                         \
      "Poll GET /sandboxes/{id} until ready is true.")                                            \
    X(ERR_NAME_TAKEN, "NAME_TAKEN", 409, 0, "Choose another name, or GET /sandboxes/by-name/{name}.") \
    X(ERR_IDEMPOTENCY, "IDEMPOTENCY_KEY_REUSED", 422, 0,                                          \
      "Use a new Idempotency-Key for a different request.")                                       \
    X(ERR_IDEMPOTENCY_BUSY, "IDEMPOTENCY_IN_PROGRESS", 409, 1,                                    \
      "The first request with this key is still running; retry in a second.")                     \
    X(ERR_TIMEOUT_TOO_LONG, "TIMEOUT_TOO_LONG", 422, 0, "Use a timeout inside the named range.")  \
    X(ERR_COMMAND_NOT_FOUND, "COMMAND_NOT_FOUND", 422, 0,                                         \
      "Check the command's name and the PATH inside the sandbox.")                                \
    X(ERR_COMMAND_START, "COMMAND_NOT_STARTED", 422, 0,                                           \
      "Check command, cwd and user; 'message' says which one the sandbox refused.")               \
    X(ERR_PROCESS_LIMIT, "PROCESS_LIMIT_REACHED", 409, 1,                                         \
      "End processes inside the sandbox, or create one with a higher process_limit.")             \
    X(ERR_DISK_FULL, "DISK_FULL", 507, 0,                                                         \
      "Delete files inside the sandbox, or create one with a larger disk_mb.")                    \
    X(ERR_AGENT_UNAVAILABLE, "AGENT_UNAVAILABLE", 502, 1,                                         \
      "Retry; if it stays, GET /sandboxes/{id} and read metadata.last_error.")                    \
    X(ERR_AGENT_BUSY, "AGENT_BUSY", 503, 1, "Too many operations at once in this sandbox; retry.") \
    X(ERR_HOST_UNAVAILABLE, "HOST_UNAVAILABLE", 503, 1,                                           \
      "Start the instance again on the host with scripts/up.")                                    \
    X(ERR_HOST_UNSUPPORTED, "HOST_UNSUPPORTED", 422, 0,                                           \
      "This host cannot do it; 'message' says what is missing.")                                  \
    X(ERR_CAPACITY, "CAPACITY_EXHAUSTED", 503, 1,                                                 \
      "The host is out of memory, disk or sandbox slots; destroy sandboxes or retry later.")      \
    X(ERR_CONFLICT, "CONFLICT", 409, 1, "Another request is changing this sandbox; retry.")       \
    X(ERR_ENGINE, "ENGINE_FAILED", 500, 0, "See the server's log for this x-request-id.")         \
    X(ERR_CANCELLED, "CANCELLED", 499, 0, "The client went away before the end.")                 \
    X(ERR_UNSUPPORTED_MEDIA, "UNSUPPORTED_MEDIA_TYPE", 415, 0,                                    \
      "Use application/json, multipart/form-data or application/octet-stream.")                   \
    X(ERR_INVALID_ID, "INVALID_ID", 400, 0, "Use an id as it was returned by the API.")           \
    X(ERR_SHUTTING_DOWN, "SHUTTING_DOWN", 503, 1, "Retry when the service is back.")             \
    X(ERR_URI_TOO_LONG, "URI_TOO_LONG", 414, 0, "Send long values in the body, not in the URL.")  \
    X(ERR_PROCESS_NOT_FOUND, "PROCESS_NOT_FOUND", 404, 0,                                         \
      "List the processes with GET /sandboxes/{id}/processes.")                                   \
    X(ERR_PROCESS_ENDED, "PROCESS_ENDED", 409, 0,                                                 \
      "It has ended: read its logs, or start it again.")                                          \
    X(ERR_JOB_LIMIT, "JOB_LIMIT_EXCEEDED", 409, 0,                                                \
      "Stop a process of the sandbox, or raise max_jobs (ATOLL_MAX_JOBS).")                       \
    X(ERR_TERMINAL_LIMIT, "TERMINAL_LIMIT_EXCEEDED", 409, 0,                                      \
      "Close a terminal of the sandbox, or raise max_terminals (ATOLL_MAX_TERMINALS).")           \
    X(ERR_TERMINAL_NOT_FOUND, "TERMINAL_NOT_FOUND", 404, 0,                                       \
      "Open a new one with POST /sandboxes/{id}/terminal.")                                       \
    X(ERR_INVALID_PORT, "INVALID_PORT", 422, 0, "Use a port from 1 to 65535.")                    \
    X(ERR_PORT_NOT_LISTENING, "SANDBOX_PORT_NOT_LISTENING", 409, 1,                               \
      "Start a server on that port inside the sandbox, then retry.")                              \
    X(ERR_PREVIEW_NOT_FOUND, "PREVIEW_NOT_FOUND", 404, 0,                                         \
      "Expose the port with POST /sandboxes/{id}/expose or /previews.")                           \
    X(ERR_PREVIEW_TOKEN, "PREVIEW_TOKEN_REQUIRED", 401, 0,                                        \
      "Open the URL with a token: POST /sandboxes/{id}/preview-token or /previews/{pid}/share.")  \
    X(ERR_PREVIEW_SCOPE, "PREVIEW_SCOPE", 403, 0, "Use a token of scope 'interact'.")             \
    X(ERR_INVALID_SCOPE, "invalid_scope", 422, 0, "Use scope 'read' or 'interact'.")              \
    X(ERR_DOMAIN_NOT_VERIFIED, "DOMAIN_NOT_VERIFIED", 409, 1,                                     \
      "Create the DNS record or the file that 'message' names, then POST …/verify again.")        \
    X(ERR_RUNTIME_UNAVAILABLE, "SANDBOX_RUNTIME_UNAVAILABLE", 409, 1,                             \
      "Wait until the sandbox is ready, then deploy again.")                                      \
    X(ERR_APP_FAILED, "APP_NOT_READY", 422, 0,                                                    \
      "Read the log that 'details' names, correct the app and start it again.")                   \
    X(ERR_WEBHOOK_URL, "WEBHOOK_URL_REFUSED", 422, 0,                                             \
      "Use a public http or https URL, or set webhook_targets=any (ATOLL_WEBHOOK_TARGETS).")      \
    X(ERR_REPLAY_USED, "REPLAY_ID_USED", 409, 0, "Use a new UUID for each replay.")               \
    X(ERR_UPGRADE_REQUIRED, "UPGRADE_REQUIRED", 426, 0,                                           \
      "Connect with a WebSocket client that names the subprotocol in 'message'.")                 \
    X(ERR_UPSTREAM, "UPSTREAM_FAILED", 502, 1,                                                    \
      "The server inside the sandbox closed the connection or sent no HTTP; read its log.")       \
    X(ERR_UPSTREAM_TIMEOUT, "UPSTREAM_TIMEOUT", 504, 1,                                           \
      "The server inside the sandbox did not answer in time; read its log.")                      \
    X(ERR_WATCH_LIMIT, "WATCH_LIMIT_EXCEEDED", 409, 1,                                            \
      "End a file watch of this sandbox, or watch fewer directories.")                            \
    X(ERR_DEPLOYMENT_STOPPED, "DEPLOYMENT_NOT_RUNNING", 503, 0,                                   \
      "Start it with POST /deployments/{id}/start.")                                              \
    X(ERR_WEBHOOK_LIMIT, "WEBHOOK_LIMIT_EXCEEDED", 409, 0, "Delete a webhook that nobody needs.") \
    X(ERR_SNAPSHOT_IN_USE, "SNAPSHOT_IN_USE", 409, 1,                                             \
      "Wait until what 'details.dependents' names has ended, then retry.")                        \
    X(ERR_SNAPSHOT_NOT_READY, "SNAPSHOT_NOT_READY", 409, 1,                                       \
      "Wait until GET /snapshots/{id} says ready, then retry.")                                   \
    X(ERR_SNAPSHOT_LIMIT, "SNAPSHOT_LIMIT_EXCEEDED", 409, 0,                                      \
      "Delete a snapshot, or raise max_snapshots (ATOLL_MAX_SNAPSHOTS).")                         \
    X(ERR_ENGINE_UNAVAILABLE, "ENGINE_UNAVAILABLE", 409, 0,                                       \
      "See GET /api/v1/engines for what this host has; leave engine out for its default.")

enum error_code {
    ERR_NONE = 0,
#define X(name, api, status, retryable, hint) name,
    ERROR_TABLE(X)
#undef X
        ERROR_CODE_COUNT
};

/* A value; no destructor. Zero-initialise it: struct error err = {0}; */
struct error {
    enum error_code code;
    int errnum;         /* errno behind it, or 0 */
    char field[64];     /* request field at fault, or "" */
    char hint[160];     /* next step for the user when better than the table's, or "" */
    char message[384];  /* "create sandbox sbx_…: mount overlay: No space left on device" */
};

/* Sets *err (err may be NULL) and returns -1, so that callers can `return error_set(...)`.
 * errnum: a positive errno whose text is appended to the message, or 0. */
int error_set(struct error *err, enum error_code code, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As error_set, naming the request field at fault. */
int error_set_field(struct error *err, enum error_code code, const char *field,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Replaces the hint. Returns -1. */
int error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message. Returns -1. */
int error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Rows of the table; an unknown code reads as ERR_INTERNAL. */
const char *error_api_code(enum error_code code);
int error_http_status(enum error_code code);
int error_retryable(enum error_code code);
const char *error_default_hint(enum error_code code);

/* The code for a failed file operation inside a sandbox (ENOENT → ERR_FILE_NOT_FOUND, …). */
enum error_code error_code_for_file_errno(int errnum);

/* The static analyser sees one file at a time: tell it what these return. */
#if defined(__clang_analyzer__) && !defined(ATOLL_BASE_ERROR_DEFINED_HERE)
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_set_field(...) (error_set_field(__VA_ARGS__), -1)
#define error_hint(...) (error_hint(__VA_ARGS__), -1)
#define error_prefix(...) (error_prefix(__VA_ARGS__), -1)
#endif

#endif
