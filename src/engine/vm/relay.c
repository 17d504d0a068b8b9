#include "engine/vm/relay.h"

#include "base/cleanup.h"
#include "wire/guest_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/*
 * Each end of a link reads into what the other end is to write. What cannot be written at once is kept, and until
 * it is gone nothing more is read: a link holds at most one chunk a direction, an idle one none.
 */

enum { EVENTS_MAX = 64, CLIENT = 0, GUEST = 1 };

struct link;

struct end {
    struct link *link;
    int fd;
    uint32_t watched; /* events that epoll was told */
    bool read_ended;  /* its peer sends no more */
    bool write_ended; /* nothing more is sent to its peer */
    char *kept;       /* to be written to it */
    size_t kept_length;
};

struct link {
    struct end end[2];
    bool connected;
    bool dead;
    struct link *next_dead;
};

struct relay {
    int epoll;
    int listener;
    int links;
    bool accepting;
    struct link *dead; /* freed when all events of a round were seen */
    char chunk[RELAY_CHUNK_BYTES];
};

static void watch_listener(struct relay *relay, bool accepting)
{
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0, .data.ptr = relay};
    relay->accepting = accepting;
    epoll_ctl(relay->epoll, EPOLL_CTL_MOD, relay->listener, &event);
}

struct relay *relay_new(int listener)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = relay};
    if (relay) {
        relay->listener = listener;
        relay->accepting = true;
        relay->epoll = epoll_create1(EPOLL_CLOEXEC);
    }
    if (!relay || relay->epoll < 0 ||
        epoll_ctl(relay->epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        free(relay);
        return NULL;
    }
    return relay;
}

int relay_fd(const struct relay *relay)
{
    return relay->epoll;
}

static void kill_link(struct relay *relay, struct link *link)
{
    if (link->dead) {
        return;
    }
    link->dead = true;
    for (int i = 0; i < 2; i++) {
        link->end[i].fd = close_fd(link->end[i].fd);
        free(take_pointer(&link->end[i].kept));
    }
    link->next_dead = relay->dead;
    relay->dead = link;
    relay->links--;
    if (!relay->accepting) {
        watch_listener(relay, true);
    }
}

static struct end *other(struct end *end)
{
    return &end->link->end[end == &end->link->end[CLIENT] ? GUEST : CLIENT];
}

static void watch(struct relay *relay, struct end *end)
{
    bool reads = end->link->connected && !end->read_ended && !other(end)->kept;
    bool writes = end->kept || (!end->link->connected && end == &end->link->end[GUEST]);
    uint32_t wanted = (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U);
    if (wanted != end->watched) {
        struct epoll_event event = {.events = wanted, .data.ptr = end};
        end->watched = wanted;
        epoll_ctl(relay->epoll, EPOLL_CTL_MOD, end->fd, &event);
    }
}

/* Passes the end of the input on when nothing is left to write. Both directions ended: the link has. */
static void pass_end(struct relay *relay, struct end *from)
{
    struct end *to = other(from);
    if (from->read_ended && !to->kept && !to->write_ended) {
        to->write_ended = true;
        shutdown(to->fd, SHUT_WR);
    }
    if (from->write_ended && to->write_ended) {
        kill_link(relay, from->link);
    }
}

/* 0, or -1 when the link is dead. */
static int write_some(struct relay *relay, struct end *to, const char *bytes, size_t length,
                      size_t *ret_written)
{
    *ret_written = 0;
    while (*ret_written < length) {
        ssize_t sent =
            send(to->fd, bytes + *ret_written, length - *ret_written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return 0;
        }
        if (sent < 0) {
            kill_link(relay, to->link);
            return -1;
        }
        *ret_written += (size_t)sent;
    }
    return 0;
}

static void write_kept(struct relay *relay, struct end *to)
{
    size_t written;
    if (write_some(relay, to, to->kept, to->kept_length, &written) < 0) {
        return;
    }
    to->kept_length -= written;
    if (to->kept_length > 0) {
        memmove(to->kept, to->kept + written, to->kept_length);
    } else {
        free(take_pointer(&to->kept));
        pass_end(relay, other(to));
    }
}

static void keep(struct relay *relay, struct end *to, const char *bytes, size_t length)
{
    to->kept = malloc(length);
    if (!to->kept) {
        kill_link(relay, to->link);
        return;
    }
    memcpy(to->kept, bytes, length);
    to->kept_length = length;
}

static void pass_input(struct relay *relay, struct end *from)
{
    struct end *to = other(from);
    size_t written;
    ssize_t got = recv(from->fd, relay->chunk, sizeof(relay->chunk), MSG_DONTWAIT);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            kill_link(relay, from->link);
        }
        return;
    }
    if (got == 0) {
        from->read_ended = true;
        pass_end(relay, from);
        return;
    }
    if (write_some(relay, to, relay->chunk, (size_t)got, &written) == 0 && written < (size_t)got) {
        keep(relay, to, relay->chunk + written, (size_t)got - written);
    }
}

static void finish_connect(struct relay *relay, struct link *link)
{
    int problem = 0;
    socklen_t size = sizeof(problem);
    if (getsockopt(link->end[GUEST].fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0 || problem) {
        kill_link(relay, link);
        return;
    }
    link->connected = true;
}

static void on_end(struct relay *relay, struct end *end, uint32_t events)
{
    struct link *link = end->link;
    if (link->dead) {
        return;
    }
    if (!link->connected && end == &link->end[GUEST]) {
        finish_connect(relay, link);
    } else if (events & EPOLLIN) {
        pass_input(relay, end);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        kill_link(relay,
                  link); /* closed, and everything it sent was read, or nobody waits for it */
    }
    if (!link->dead && (events & EPOLLOUT) && end->kept) {
        write_kept(relay, end);
    }
    if (!link->dead) {
        watch(relay, &link->end[CLIENT]);
        watch(relay, &link->end[GUEST]);
    }
}

static int start_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(GUEST_AGENT_PORT)};
    int one = 1;
    inet_pton(AF_INET, GUEST_AGENT_ADDRESS, &address.sin_addr);
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 &&
         errno != EINPROGRESS)) {
        return -1;
    }
    return take_fd(&fd);
}

static int add_end(struct relay *relay, struct link *link, int which, int fd, uint32_t events)
{
    struct end *end = &link->end[which];
    struct epoll_event event = {.events = events, .data.ptr = end};
    *end = (struct end){.link = link, .fd = fd, .watched = events};
    return epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(struct relay *relay)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    int guest = start_connect();
    struct link *link = guest >= 0 ? calloc(1, sizeof(*link)) : NULL;
    if (!link) {
        close_fd(client);
        close_fd(guest);
        return;
    }
    relay->links++;
    int failed = add_end(relay, link, CLIENT, client, 0);
    failed |= add_end(relay, link, GUEST, guest, EPOLLOUT);
    if (failed) {
        kill_link(relay, link);
    } else if (relay->links >= RELAY_LINKS_MAX) {
        watch_listener(relay, false);
    }
}

static void free_dead(struct relay *relay)
{
    while (relay->dead) {
        struct link *link = relay->dead;
        relay->dead = link->next_dead;
        free(link);
    }
}

void relay_work(struct relay *relay)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(relay->epoll, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == relay) {
            accept_one(relay);
        } else {
            on_end(relay, events[i].data.ptr, events[i].events);
        }
    }
    free_dead(relay);
}
