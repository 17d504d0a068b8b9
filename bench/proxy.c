/*
 * atoll-bench-proxy: load for a proxy on loopback, from one thread.
 *   atoll-bench-proxy requests PORT CONNECTIONS SECONDS   one request after the other on each connection
 *   atoll-bench-proxy sockets PORT CONNECTIONS            opens upgraded connections, prints a line, waits for a line on
 *                                                         standard input, and has each of them echo
 * Prints one line of JSON.
 */
#include "stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    FILES_MAX = 65536,
    SAMPLES_MAX = 4 * 1000 * 1000,
    RECEIVE_MAX = 64 * 1024
};

static const char request[] = "GET / HTTP/1.1\r\nHost: bench.sandbox.localhost\r\nUser-Agent: "
                              "atoll-bench\r\nAccept: */*\r\n\r\n";
static const char upgrade[] = "GET / HTTP/1.1\r\nHost: bench.sandbox.localhost\r\nConnection: "
                              "Upgrade\r\nUpgrade: echo\r\n\r\n";
static const char message[] = "sixteen bytes ..";

static int port, epoll_fd;
static int64_t sent_ns[FILES_MAX]; /* by descriptor */
static double *samples;
static size_t sample_count;
static long failures;

static int connect_one(void)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || fd >= FILES_MAX ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        failures++;
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void send_text(int fd, const char *text, size_t length)
{
    sent_ns[fd] = now_ns();
    failures += send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length;
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Is it the end of the small page? Proxies may send it in pieces. */
static bool is_whole(const char *data, ssize_t length)
{
    return length > 0 && data[length - 1] == '\n' && data[length - 2] == 'e';
}

static void receive(int fd, bool goes_on)
{
    static char data[RECEIVE_MAX];
    ssize_t length = recv(fd, data, sizeof(data), 0);
    if (length <= 0) {
        failures++;
        close(fd);
        return;
    }
    if (is_whole(data, length) && sample_count < SAMPLES_MAX) {
        samples[sample_count++] = (double)(now_ns() - sent_ns[fd]) / 1e6;
        if (goes_on) {
            send_text(fd, request, sizeof(request) - 1);
        }
    }
}

static json_t *measure_requests(int connections, int seconds)
{
    struct epoll_event events[EVENTS_MAX];
    for (int i = 0; i < connections; i++) {
        int fd = connect_one();
        if (fd >= 0) {
            watch(fd);
            send_text(fd, request, sizeof(request) - 1);
        }
    }
    int64_t start_ns = now_ns(), end_ns = start_ns + (int64_t)seconds * 1000000000;
    while (now_ns() < end_ns && failures < connections) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);
        for (int i = 0; i < count; i++) {
            receive(events[i].data.fd, true);
        }
    }
    double per_second = (double)sample_count * 1e9 / (double)(now_ns() - start_ns);
    return json_pack("{s:o, s:f, s:i, s:i, s:I}", "ms", stats_json(samples, sample_count),
                     "per_second", per_second, "concurrency", connections, "failures",
                     (int)failures, "requests", (json_int_t)sample_count);
}

/* --- upgraded connections -------------------------------------------------------------------- */

static bool is_upgraded(int fd)
{
    char data[1024];
    send_text(fd, upgrade, sizeof(upgrade) - 1);
    ssize_t length = recv(fd, data, sizeof(data), 0);
    return length > 12 && memcmp(data + 9, "101", 3) == 0;
}

static bool echo(int fd)
{
    char data[64];
    send_text(fd, message, sizeof(message) - 1);
    ssize_t length = recv(fd, data, sizeof(message) - 1, MSG_WAITALL);
    return length == sizeof(message) - 1 && memcmp(data, message, (size_t)length) == 0;
}

static json_t *measure_sockets(int connections)
{
    int *fds = calloc((size_t)connections, sizeof(*fds));
    int open_count = 0;
    for (int i = 0; fds && i < connections; i++) {
        int fd = connect_one();
        if (fd >= 0 && is_upgraded(fd) && echo(fd)) {
            fds[open_count++] = fd;
        } else {
            failures++;
        }
    }
    printf("%d\n", open_count);
    fflush(stdout);
    char line[16];
    if (!fgets(line, sizeof(line), stdin)) {
        failures++;
    }
    for (int i = 0; i < open_count; i++) {
        if (echo(fds[i])) {
            samples[sample_count++] = (double)(now_ns() - sent_ns[fds[i]]) / 1e6;
        } else {
            failures++;
        }
    }
    free(fds);
    return json_pack("{s:o, s:i, s:i}", "ms", stats_json(samples, sample_count), "connections",
                     open_count, "failures", (int)failures);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    bool is_requests = argc == 5 && strcmp(argv[1], "requests") == 0;
    bool is_sockets = argc == 4 && strcmp(argv[1], "sockets") == 0;
    if (!is_requests && !is_sockets) {
        fputs("usage: atoll-bench-proxy requests PORT CONNECTIONS SECONDS | sockets PORT "
              "CONNECTIONS\n",
              stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    port = atoi(argv[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    if (!samples || epoll_fd < 0) {
        return EXIT_FAILURE;
    }
    json_t *result = is_requests ? measure_requests(atoi(argv[3]), atoi(argv[4]))
                                 : measure_sockets(atoi(argv[3]));
    json_dumpf(result, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(result);
    free(samples);
    return EXIT_SUCCESS;
}
