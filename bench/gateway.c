/*
 * atoll-bench-gateway: the gateway's proxy alone, before one server on loopback, so that other proxies can be measured
 * before the same one. The directory and atoll-host's sockets are replaced; everything between is the real thing.
 */
#include "gateway/gateway.h"
#include "gateway/directory.h"
#include "hostclient/hostclient.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int upstream_port;

/* --- what it stands on ----------------------------------------------------------------------- */

void directory_find(struct directory *directory, const struct directory_query *query,
                    struct directory_answer *ret_answer)
{
    (void)directory;
    (void)query;
    *ret_answer = (struct directory_answer){.verdict = DIRECTORY_FORWARD, .run = 1};
    snprintf(ret_answer->sandbox_id, sizeof(ret_answer->sandbox_id), "sbx_bench");
    ret_answer->port = upstream_port;
}

int directory_wake(struct directory *directory, const struct directory_answer *answer,
                   struct error *err)
{
    (void)directory;
    (void)answer;
    return error_set(err, ERR_NOT_RUNNING, 0, "nothing to wake");
}

void directory_touch(struct directory *directory, const char *sandbox_id)
{
    (void)directory;
    (void)sandbox_id;
}

bool directory_alive(struct directory *directory, const char *sandbox_id, uint64_t run)
{
    (void)directory;
    (void)sandbox_id;
    return run == 1;
}

uint64_t directory_changes(const struct directory *directory)
{
    (void)directory;
    return 0;
}

bool directory_allows(struct directory *directory, struct directory_pass *pass)
{
    (void)directory;
    (void)pass;
    return true;
}

bool directory_certificate(struct directory *directory, const char *hostname, char **ret_pem,
                           char name[DIRECTORY_HOST_SIZE], uint64_t *ret_generation)
{
    (void)name;
    (void)directory;
    (void)hostname;
    (void)ret_pem;
    (void)ret_generation;
    return false;
}

int host_sockets(struct hostclient *client, const char *id, int family, int count, int *ret_fds,
                 char address[46], struct error *err)
{
    (void)client;
    (void)id;
    if (family != AF_INET) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "IPv4 only");
    }
    snprintf(address, 46, "127.0.0.1");
    for (int i = 0; i < count; i++) {
        ret_fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (ret_fds[i] < 0) {
            while (i > 0) {
                close(ret_fds[--i]);
            }
            return error_set(err, ERR_CAPACITY, errno, "make sockets");
        }
    }
    return 0;
}

/* --- the program ----------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    struct rlimit files;
    struct error err = {0};
    if (argc != 4) {
        fputs("usage: atoll-bench-gateway LISTEN UPSTREAM_PORT THREADS\n", stderr);
        return 2;
    }
    static struct settings settings = {
        .client_timeout_sec = 30, .gateway_connections = 65536, .gateway_timeout_sec = 300};
    snprintf(settings.gateway, sizeof(settings.gateway), "%s", argv[1]);
    upstream_port = atoi(argv[2]);
    settings.gateway_threads = atoi(argv[3]);
    log_init("atoll-bench-gateway", LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    struct gateway *gateway = gateway_start(&settings, NULL, NULL, &err);
    if (!gateway) {
        fprintf(stderr, "atoll-bench-gateway: %s\n", err.message);
        return EXIT_FAILURE;
    }
    printf("%d\n", gateway_port(gateway));
    fflush(stdout);
    int number;
    sigwait(&ending, &number);
    gateway_stop(gateway, 1000);
    return EXIT_SUCCESS;
}
