/*
 * A client's connection and what it is doing: reading a head, waiting for the sandbox, exchanging a request for a
 * response, or passing bytes of an upgraded connection. Used by its loop's thread.
 */
#ifndef ATOLL_GATEWAY_CLIENT_H
#define ATOLL_GATEWAY_CLIENT_H

#include "gateway/chunked.h"
#include "gateway/head.h"
#include "gateway/loop.h"

#include <netinet/in.h>

enum client_state {
    CLIENT_HANDSHAKE, /* of TLS */
    CLIENT_HEAD,      /* a request's head is awaited, or a new request altogether */
    CLIENT_WAITING,   /* for a thread that wakes the sandbox or fetches a socket, for the
                         connection, or for a server that is about to listen */
    CLIENT_EXCHANGE,
    CLIENT_TUNNEL,
    CLIENT_CLOSING, /* what is pending still goes out, what comes in is thrown away */
    CLIENT_DEAD,
};

enum client_phase { PHASE_NOBODY, PHASE_CLIENT_SENDS, PHASE_CLIENT_READS, PHASE_SERVER };

enum body_framing { BODY_EMPTY, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

/* How far one direction's body is. */
struct body {
    enum body_framing framing; /* as it comes */
    bool is_encoded;           /* goes on in chunks */
    bool is_done;
    int64_t left;           /* BODY_LENGTH */
    struct chunked chunked; /* BODY_CHUNKED */
};

/* One request and its response. */
struct exchange {
    char *head; /* of the request as it is forwarded; kept until no retry can need it */
    size_t head_length;
    bool head_is_sent;
    struct body request, response;
    char sandbox_id[ID_SIZE];
    uint64_t run;
    int port;
    int families_tried;
    int64_t await_until_ms; /* see struct directory_answer */
    struct pass *pass;      /* what let it in; moves on to the client of an upgraded connection */
    char *set_cookie;       /* a whole header line, or NULL */
    bool is_head_method;
    bool is_replayable; /* may be sent again when a kept connection turns out to be dead */
    bool is_http10;
    bool asks_upgrade;
    bool wants_html;
    bool expects_continue;
    bool has_answer;     /* the response's head went to the client */
    bool upload_is_over; /* the server takes no more of the request */
    bool close_client;   /* after the response */
    bool close_upstream;
    int keep_alive_sec;
    int status;
};

struct client {
    struct end end;
    struct client *previous, *next; /* all of the loop */
    struct client *again_next;      /* see loop->again */
    struct client *wait_next;       /* of the same errand or vigil */
    struct errand *errand;          /* what it waits for, or NULL */
    struct vigil *vigil;            /* or this */
    enum client_state state;
    bool is_again;
    bool lingers;            /* CLIENT_CLOSING: it may be sending yet */
    enum client_phase phase; /* CLIENT_EXCHANGE: whom we wait for, see slow.c */
    bool is_new_request;     /* idle between requests: nothing of a head has come */
    struct in6_addr address;
    size_t head_at;                  /* see head_length */
    int wakes;                       /* of this request */
    struct error *failure;           /* of a wake, to be answered */
    int64_t since_ms;                /* of the state, or of the last progress */
    int64_t moved_bytes;             /* by whom we wait for, at since_ms */
    int64_t counted_in, counted_out; /* in the loop's counters */
    int64_t touched_ms;
    struct exchange *exchange;
    struct pass *pass; /* CLIENT_TUNNEL: what let it in */
    struct upstream *upstream;
};

/* A connection to a server in a sandbox. */
struct upstream {
    struct end end;
    struct upstream *next; /* in loop->idle or loop->dead_upstreams */
    struct client *client; /* that uses it; NULL: idle */
    char sandbox_id[ID_SIZE];
    uint64_t run;
    int port, family;
    bool is_connecting, is_reused;
    int64_t since_ms;   /* idle or connecting */
    int64_t expires_ms; /* when idle */
};

/* --- client.c: life -------------------------------------------------------------------------- */

/* Takes over an accepted socket. */
void client_accept(struct loop *loop, int fd, bool with_tls, const struct in6_addr *address);

/* Does all that can be done now. */
void client_run(struct loop *loop, struct client *client);

/* Looks at its time limits; called each second. */
void client_tick(struct loop *loop, struct client *client);

void client_close(struct loop *loop, struct client *client, bool with_reset);

/* Closes when what is pending was sent. lingers: also waits a little for the client to read it, as it may be sending yet. */
void client_finish(struct loop *loop, struct client *client, bool lingers);

/* Has it run again in this turn of the loop. */
void client_again(struct loop *loop, struct client *client);

/* Sends pieces to the client. */
int client_send(struct loop *loop, struct client *client, const struct iovec *pieces, int count);

/* Bytes passed: counts as activity of the sandbox, at most once a second. */
void client_touch(struct loop *loop, struct client *client, const char *sandbox_id);

/* --- slow.c: time limits --------------------------------------------------------------------- */

enum slowness {
    SLOW_NOT,
    SLOW_CLOSE, /* nothing needs to be said */
    SLOW_CUT,   /* it does not read */
    SLOW_ERROR, /* it is told */
};

/* Did somebody use up the time? */
enum slowness client_slowness(struct loop *loop, struct client *client, struct error *err);

/* --- request.c: from head to upstream -------------------------------------------------------- */

/* A whole head of that length lies in client->end.in. */
void request_begin(struct loop *loop, struct client *client, size_t head_bytes);
void drop_exchange(struct client *client);

/* --- answer.c: what the gateway says itself -------------------------------------------------- */

/* Answers with the error and ends the exchange. When the request's end is not known, or its body did not all come, the
 * connection is closed. */
void answer_error(struct loop *loop, struct client *client, const struct error *err);

/* head: of the request; for what is answered before there is an exchange. */
void answer_error_to(struct loop *loop, struct client *client, const struct head *head,
                     const struct error *err);
void answer_text(struct loop *loop, struct client *client, const struct head *head,
                 const char *text);
void answer_redirect(struct loop *loop, struct client *client, const struct head *head,
                     struct text target, const char *set_cookie);

/* --- exchange.c ------------------------------------------------------------------------------ */

/* Moves the request and the response on. */
void run_exchange(struct loop *loop, struct client *client);

/* The exchange is over (both sides done, or answered by the gateway): next request, or close. */
void finish_exchange(struct loop *loop, struct client *client);

/* response.c: 1 moved, 0 nothing to do now, -1 the client's state changed: stop. */
int response_pump(struct loop *loop, struct client *client);
/* body.c: moves what there is of a body from one end to the other. 1 moved, 0 not now (or done), -1 malformed. from and
 * to may have failed afterwards. */
int body_pump(struct loop *loop, struct body *body, struct end *from, struct end *to);

void tunnel_begin(struct loop *loop, struct client *client);
void tunnel_run(struct loop *loop, struct client *client);

/* --- forward.c: heads written anew; pure ----------------------------------------------------- */

struct forward_request {
    const struct head *head;
    struct text target; /* without tokens */
    const char *client_address, *scheme;
    bool upgrades;
};

/* Writes into out[size]. Length, or 0 when it does not fit. */
size_t forward_request(const struct forward_request *request, char *out, size_t size);

struct forward_response {
    const struct head *head;
    const char *set_cookie; /* a header line with CR LF, or NULL */
    bool is_chunked, has_length;
    bool closes, says_keep_alive;
    bool upgrades;
};

size_t forward_response(const struct forward_response *response, char *out, size_t size);

/* --- upstream.c ------------------------------------------------------------------------------ */

/* Gives the client a connection to its exchange's server: a kept one, or a new one later (CLIENT_WAITING; client_run
 * is called when there is one). */
void upstream_get(struct loop *loop, struct client *client, bool fresh);

/* The client's exchange with it is over: keeps it for the next one, or closes it. */
void upstream_put(struct loop *loop, struct client *client, bool keep);

/* Takes a socket that was fetched for the client and connects it. */
void upstream_connect(struct loop *loop, struct client *client, int fd, int family,
                      const char *address);

/* An event at an upstream. */
void upstream_event(struct loop *loop, struct upstream *upstream);

/* No socket of that family is to be had for the client: as if nothing listened. */
void upstream_miss(struct loop *loop, struct client *client, int family);

/* Answers that the server cannot be reached. */
void upstream_refuse(struct loop *loop, struct client *client, int errnum);

void upstream_close(struct loop *loop, struct upstream *upstream);

/* Closes what was idle for too long or belongs to a run that is over. */
void upstreams_sweep(struct loop *loop, bool all);

/* --- errand.c: clients that wait for the connector ------------------------------------------- */

/* JOB_SOCKETS (family) or JOB_WAKE (answer, copied). */
void errand_join(struct loop *loop, struct client *client, enum job_kind kind,
                 const char *sandbox_id, int family, const struct directory_answer *answer);
void errand_leave(struct loop *loop, struct client *client);
/* Takes the job. */
void errand_done(struct loop *loop, struct job *job);
void errands_free(struct loop *loop);

/* --- vigil.c: clients that wait for a server to listen --------------------------------------- */

/* Nothing listens on its port. True: it may soon, the client waits. */
bool vigil_join(struct loop *loop, struct client *client);
void vigil_leave(struct client *client);
/* The client was connected: soon the others will be, too. */
void vigil_succeed(struct loop *loop, struct client *client);
void vigils_run(struct loop *loop);
/* When to call that; INT64_MAX: there is none. */
int64_t vigils_next_ms(const struct loop *loop);
void vigils_free(struct loop *loop);

/* --- pass.c: what let clients in ------------------------------------------------------------- */

/* The caller's to free(). NULL: out of memory. */
struct pass *pass_new(const char *host, const struct directory_answer *answer);

/* Cuts those who would not be let in any more (who has no answer yet is told). Asks again only when the directory changed or a pass expired. */
void passes_sweep(struct loop *loop);

#endif
