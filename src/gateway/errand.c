/* Clients that wait for the connector. Those that wait for the same thing wait together, so that a burst on one sandbox
 * asks atoll-host once. */
#include "gateway/client.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct errand {
    struct errand *next;
    uint64_t number; /* of its job */
    enum job_kind kind;
    char sandbox_id[ID_SIZE];
    int family;
    struct client *first, **last; /* in the order in which they came */
    int waiting;
};

static struct errand *find_errand(struct loop *loop, enum job_kind kind, const char *sandbox_id,
                                  int family)
{
    for (struct errand *errand = loop->errands; errand; errand = errand->next) {
        if (errand->kind == kind && errand->family == family &&
            strcmp(errand->sandbox_id, sandbox_id) == 0) {
            return errand;
        }
    }
    return NULL;
}

static int submit(struct loop *loop, struct errand *errand, const struct directory_answer *answer)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job) {
        return -1;
    }
    job->kind = errand->kind;
    job->done = loop_take_job;
    job->owner = loop;
    job->number = errand->number = ++loop->errand_count;
    job->family = errand->family;
    job->count = errand->waiting < JOB_SOCKETS_MAX ? errand->waiting : JOB_SOCKETS_MAX;
    memcpy(job->sandbox_id, errand->sandbox_id, sizeof(job->sandbox_id));
    if (answer && (job->answer = malloc(sizeof(*answer)))) {
        *job->answer = *answer;
    }
    if (answer && !job->answer) {
        free(job);
        return -1;
    }
    connector_submit(loop->shared->connector, job);
    return 0;
}

static void add_client(struct errand *errand, struct client *client)
{
    client->wait_next = NULL;
    *errand->last = client;
    errand->last = &client->wait_next;
    errand->waiting++;
    client->errand = errand;
}

/* The client that has waited longest. */
static struct client *next_client(struct errand *errand)
{
    struct client *client = errand->first;
    if (client) {
        errand->first = client->wait_next;
        if (!errand->first) {
            errand->last = &errand->first;
        }
        errand->waiting--;
        client->errand = NULL;
        client->wait_next = NULL;
    }
    return client;
}

static void remove_errand(struct loop *loop, struct errand *errand)
{
    struct errand **slot = &loop->errands;
    while (*slot != errand) {
        slot = &(*slot)->next;
    }
    *slot = errand->next;
    free(errand);
}

/* Everybody who waits is told that it failed. */
static void fail(struct loop *loop, struct errand *errand, const struct error *err)
{
    struct client *client;
    while ((client = next_client(errand))) {
        if (errand->kind == JOB_SOCKETS) {
            answer_error(loop, client, err);
        } else if ((client->failure = malloc(sizeof(*err)))) {
            *client->failure = *err;
            client->state = CLIENT_HEAD;
        }
        client_again(loop, client);
    }
}

void errand_join(struct loop *loop, struct client *client, enum job_kind kind,
                 const char *sandbox_id, int family, const struct directory_answer *answer)
{
    client->state = CLIENT_WAITING;
    client->since_ms = loop->now_ms;
    struct errand *errand = find_errand(loop, kind, sandbox_id, family);
    if (errand) {
        add_client(errand, client);
        return;
    }
    errand = calloc(1, sizeof(*errand));
    if (!errand) {
        client_close(loop, client, true);
        return;
    }
    errand->kind = kind;
    errand->family = family;
    memcpy(errand->sandbox_id, sandbox_id, sizeof(errand->sandbox_id));
    errand->last = &errand->first;
    errand->next = loop->errands;
    loop->errands = errand;
    add_client(errand, client);
    if (submit(loop, errand, answer)) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, ENOMEM, "reach the sandbox");
        fail(loop, errand, &err);
        remove_errand(loop, errand);
    }
}

void errand_leave(struct loop *loop, struct client *client)
{
    (void)loop;
    struct errand *errand = client->errand;
    if (!errand) {
        return;
    }
    struct client **slot = &errand->first;
    while (*slot != client) {
        slot = &(*slot)->wait_next;
    }
    *slot = client->wait_next;
    if (!*slot) {
        errand->last = slot;
    }
    errand->waiting--;
    client->errand = NULL;
}

static void hand_out_sockets(struct loop *loop, struct errand *errand, struct job *job)
{
    struct client *client;
    for (int i = 0; i < job->count; i++) {
        int fd = take_fd(&job->fds[i]);
        if ((client = next_client(errand))) {
            upstream_connect(loop, client, fd, job->family, job->address);
            client_again(loop, client);
        } else {
            close_fd(fd);
        }
    }
}

/* The sandbox has no such family. */
static void miss(struct loop *loop, struct errand *errand)
{
    struct client *client;
    while ((client = next_client(errand))) {
        upstream_miss(loop, client, errand->family);
    }
}

static void let_go(struct loop *loop, struct errand *errand)
{
    struct client *client;
    while ((client = next_client(errand))) {
        client->state = CLIENT_HEAD;
        client_again(loop, client);
    }
}

void errand_done(struct loop *loop, struct job *job)
{
    struct errand *errand = loop->errands;
    while (errand && errand->number != job->number) {
        errand = errand->next;
    }
    if (!errand) {
        job_free(job);
        return;
    }
    /* Nobody can join while it is served: who needs another socket meanwhile starts an errand of its own. */
    struct errand *mine = errand, **slot = &loop->errands;
    while (*slot != errand) {
        slot = &(*slot)->next;
    }
    *slot = errand->next;
    if (job->kind == JOB_SOCKETS && job->error.code == ERR_HOST_UNSUPPORTED) {
        miss(loop, mine);
    } else if (job->error.code != ERR_NONE) {
        fail(loop, mine, &job->error);
    } else if (job->kind == JOB_WAKE) {
        let_go(loop, mine);
    } else {
        hand_out_sockets(loop, mine, job);
    }
    job_free(job);
    mine->next = loop->errands;
    loop->errands = mine;
    if (mine->waiting == 0 || submit(loop, mine, NULL)) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, ENOMEM, "reach the sandbox");
        fail(loop, mine, &err);
        remove_errand(loop, mine);
    }
}

void errands_free(struct loop *loop)
{
    while (loop->errands) {
        struct errand *errand = loop->errands;
        loop->errands = errand->next;
        free(errand);
    }
}
