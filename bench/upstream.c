/*
 * atoll-bench-upstream: the server that all proxies are measured before. usage: atoll-bench-upstream PORT
 * Answers each request with the same few bytes, and an upgrade with an echo. One thread.
 */
#include <arpa/inet.h>
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

enum { EVENTS_MAX = 256, FILES_MAX = 65536, RECEIVE_MAX = 64 * 1024 };

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\r\n"
    "hello world, this is a small page\n";
static const char switching[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

static bool echoes[FILES_MAX]; /* by descriptor: was upgraded */

static int listen_on(int port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0) {
        perror("atoll-bench-upstream: listen");
        exit(EXIT_FAILURE);
    }
    return fd;
}

static void accept_all(int epoll_fd, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (fd >= FILES_MAX) {
            close(fd);
            continue;
        }
        echoes[fd] = false;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Heads come whole from every proxy here, and one at a time. */
static void serve(int fd)
{
    static char data[RECEIVE_MAX];
    ssize_t length = recv(fd, data, sizeof(data), 0);
    if (length <= 0) {
        close(fd);
    } else if (echoes[fd]) {
        send(fd, data, (size_t)length, MSG_NOSIGNAL);
    } else if (memmem(data, (size_t)length, "pgrade: echo", 12)) {
        echoes[fd] = true;
        send(fd, switching, sizeof(switching) - 1, MSG_NOSIGNAL);
    } else {
        send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct epoll_event events[EVENTS_MAX];
    if (argc != 2) {
        fputs("usage: atoll-bench-upstream PORT\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int listener = listen_on(atoi(argv[1])), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(epoll_fd, listener);
            } else {
                serve(events[i].data.fd);
            }
        }
    }
}
