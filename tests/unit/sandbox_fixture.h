/* A store, a catalogue and sandboxes over the fake host, in a temporary directory. */
#ifndef ATOLL_TESTS_SANDBOX_FIXTURE_H
#define ATOLL_TESTS_SANDBOX_FIXTURE_H

#include "fake_host.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

struct fixture {
    char directory[64];
    struct settings settings;
    struct store *store;
    struct hostclient *host;
    struct catalogue *catalogue;
    struct sandboxes *sandboxes;
    struct principal tenant, other_tenant;
    struct error err; /* of the last call that failed */
};

/* Opens everything on a new directory; false when that failed. */
bool fixture_open(struct fixture *fixture);
/* Ends and removes everything. */
void fixture_close(struct fixture *fixture);

/* atolld is killed and started again: memory is lost, store and host go on. */
bool fixture_restart(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);
bool fixture_start(struct fixture *fixture);

/* Parses the request and creates; returns the object or NULL (err). Idempotency key or NULL. */
json_t *fixture_create(struct fixture *fixture, const char *request, const char *key);

/* The same; its id. */
bool fixture_create_id(struct fixture *fixture, const char *request, char id[ID_SIZE]);

/* Copies the text member; "" when absent. */
const char *member_text(json_t *object, const char *key);

/* The state as GET shows it; "" when not found. */
const char *fixture_state(struct fixture *fixture, const char *id);
/* Waits until the state is that, bounded. */
bool fixture_await(struct fixture *fixture, const char *id, const char *state);
/* metadata.last_error, or metadata.last_pause.source. */
void fixture_metadata(struct fixture *fixture, const char *id, char *text, size_t size);

/* --- for files whose tests share "static struct fixture f" --- */

/* A function of the tenant on one of its sandboxes. */
#define CALL(function, id, ...) function(f.sandboxes, &f.tenant, id, ##__VA_ARGS__, &f.err)

/* The test with the fixture open, and its row in the table of tests. */
#define FIXTURE_CASE(name)                                                                         \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        if (CHECK(fixture_open(&f))) {                                                             \
            name();                                                                                \
        }                                                                                          \
        fixture_close(&f);                                                                         \
    }
#define FIXTURE_ROW(name) {#name, run_##name},

#endif
