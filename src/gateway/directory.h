/*
 * Where a request to the gateway leads: from its Host to a port of a sandbox, and whether the caller may go
 * there. In memory; fed by the API, loaded from the store at start. Any thread; directory_find never blocks on
 * I/O.
 */
#ifndef ATOLL_GATEWAY_DIRECTORY_H
#define ATOLL_GATEWAY_DIRECTORY_H

#include "base/error.h"
#include "base/ids.h"
#include "base/settings.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct directory;

struct directory *directory_open(const struct settings *settings, struct store *store,
                                 struct sandboxes *sandboxes, struct error *err);
struct directory *directory_close(struct directory *directory);

enum {
    DIRECTORY_TOKEN_SIZE = 256,
    DIRECTORY_HOST_SIZE = 256,
    /* So long after the start of a sandbox that brings an app or services back, requests wait for a port that
     * nothing listens on yet. */
    DIRECTORY_START_WAIT_MS = 30 * 1000,
};

/* What the gateway knows of a request when its head is complete. Strings are borrowed, NULL when absent. */
struct directory_query {
    const char *host;         /* lower case, without port and trailing dot */
    const char *method;
    const char *path;         /* for /.well-known/ challenges of domains */
    const char *header_token; /* x-miosa-preview-token */
    const char *query_token;  /* preview_token=, mt= or ms= of the target, decoded */
    const char *cookie_token; /* of the gateway's own cookie */
    bool is_upgrade;
};

enum directory_verdict {
    DIRECTORY_FORWARD, /* to sandbox_id:port */
    DIRECTORY_WAKE,    /* call directory_wake in a thread that may block, then ask again */
    DIRECTORY_REFUSE,  /* answer with err */
    DIRECTORY_TEXT,    /* answer 200 with text (a challenge) */
};

struct directory_answer {
    enum directory_verdict verdict;
    char sandbox_id[ID_SIZE];
    uint64_t run;         /* changes with every start of the sandbox: connections of another run are dead */
    int port;
    bool set_cookie;      /* the token came in the query or header and was good: remember it in a cookie */
    int64_t cookie_max_age_sec;
    int64_t await_until_ms; /* monotonic, see DIRECTORY_START_WAIT_MS; 0: nothing is to be waited for */
    const char *token;      /* of the query: that which let the request in; NULL: none was needed */
    int64_t valid_until_ms; /* realtime: what let it in expires then; 0: never */
    char text[256];
    struct error error;
};

/* What let a request in, and where. */
struct directory_pass {
    const char *host, *token; /* as in the query and its answer */
    char sandbox_id[ID_SIZE];
    int port;
    int64_t valid_until_ms;
};

void directory_find(struct directory *directory, const struct directory_query *query,
                    struct directory_answer *ret_answer);

/* Would the pass be given today? Whether the sandbox runs does not matter. Brings valid_until_ms up to date. */
bool directory_allows(struct directory *directory, struct directory_pass *pass);

/* Counts what may have ended a pass: while it stays the same, passes are good until they expire. */
uint64_t directory_changes(const struct directory *directory);

/* Resumes the sandbox of an answer. Blocks. */
int directory_wake(struct directory *directory, const struct directory_answer *answer,
                   struct error *err);

/* A request or bytes of an upgraded connection passed: resets the idle clock. Cheap. */
void directory_touch(struct directory *directory, const char *sandbox_id);

/* Is it still the same run of a sandbox that runs? (false: close pooled connections.) */
bool directory_alive(struct directory *directory, const char *sandbox_id, uint64_t run);

/* Chain and key in PEM for a TLS server name, the caller's to free(); false when there is none (then the
 * gateway's own certificate is used). name: what they are for, the host name or "*.…" with many of them. generation
 * tells whether a cached context is still right. */
bool directory_certificate(struct directory *directory, const char *hostname, char **ret_pem,
                           char name[DIRECTORY_HOST_SIZE], uint64_t *ret_generation);

#endif
