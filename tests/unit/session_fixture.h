/* Jobs and terminals of the shared agent, started and read in one line. */
#ifndef ATOLL_TESTS_SESSION_FIXTURE_H
#define ATOLL_TESTS_SESSION_FIXTURE_H

#include "agent_fixture.h"
#include "agentclient/sessions.h"

/* A request for /bin/sh -c script as a job; change what the test needs. Borrowed until the next call. */
struct session_start *job_request(const char *id, const char *script);

/* The same as a terminal of 24 rows and 80 columns. */
struct session_start *terminal_request(const char *id, const char *script);

/* Starts it; the error's code, ERR_NONE when it runs. */
enum error_code start_session(const struct session_start *request);

/* What reading gave. */
struct reading {
    struct agent_exit exit;
    struct error err;
    char out[64 * 1024]; /* NUL-terminated, both streams as they came, cut */
    size_t out_length;   /* whole */
    size_t stderr_length;
    int64_t position;
    int64_t lost_bytes;
    bool exited, caught_up;
};

/* Reads what is kept (follow: until it has ended). */
void read_session(const char *id, int64_t from, bool follow, struct reading *ret_reading);

/* Reads on until out holds the text. False when the session ended first. */
bool read_until(struct agent_call *call, const char *text, struct reading *reading);

/* Follows one from its beginning; the caller's to free. */
struct agent_call *follow_session(const char *id);

/* Its state, or 0 when there is none. */
int session_state(const char *id);

#endif
