#include "api/socket_link.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/upgrade.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    NEWS_MS = 300, /* the end of a sandbox is known shortly after its agent went silent */
    TICK_MS = 1000,
    PING_MS = 20 * 1000,
    SILENCE_MAX_MS = 3 * PING_MS, /* two unanswered pings */
    STALL_MAX_MS = 30 * 1000,
    CLOSE_WAIT_MS = 2 * 1000, /* for the client's close frame */
    CLOSE_STEP_MS = 250,
};

void socket_link_init(struct socket_link *link, struct request *request,
                      struct websocket *websocket, int fd, const struct sandbox_view *view)
{
    *link = (struct socket_link){
        .api = api_of(request),
        .websocket = websocket,
        .fd = fd,
        .ending_fd = request_ending_fd(request),
        .run = view->run,
        .more = true, /* what came together with the handshake */
        .pinged_ms = clock_monotonic_ms(),
        .checked_ms = clock_monotonic_ms(),
    };
    memcpy(link->sandbox_id, view->id, sizeof(link->sandbox_id));
}

/* --- ends --- */

/* Only a reset lets the kernel forget at once what a client does not read. */
static void cut(struct socket_link *link, const char *why)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    log_info("socket.cut", "why=%s", why);
    setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

static int unread_bytes(const struct socket_link *link)
{
    int unread = 0;
    return ioctl(link->fd, SIOCOUTQ, &unread) == 0 ? unread : 0;
}

static bool is_ending(const struct socket_link *link)
{
    struct pollfd ending = {.fd = link->ending_fd, .events = POLLIN};
    return poll(&ending, 1, 0) == 1;
}

/* A client that still reads what came before the close frame is given the time for it: a connection that is
 * closed with something left to receive takes back what was not read. */
void socket_link_end(struct socket_link *link, int code, const char *reason)
{
    struct websocket_message message = {.type = WEBSOCKET_TEXT};
    int unread = unread_bytes(link);
    int64_t moved_ms = clock_monotonic_ms();
    if (websocket_close(link->websocket, code, reason)) {
        return;
    }
    while (websocket_receive(link->websocket, CLOSE_STEP_MS, &message) >= 0 &&
           message.type != WEBSOCKET_CLOSE) {
        int64_t now_ms = clock_monotonic_ms();
        int still_unread = unread_bytes(link);
        bool waits = still_unread > 0 && !is_ending(link);
        if (still_unread != unread) {
            moved_ms = now_ms;
            unread = still_unread;
        }
        if (now_ms - moved_ms >= (waits ? STALL_MAX_MS : CLOSE_WAIT_MS)) {
            return;
        }
    }
}

/* Is the sandbox, NULL: there is none, still what the link was made to? A close code and why, or 0. */
static int end_of_view(const struct socket_link *link, const struct sandbox_view *view,
                       const char **ret_reason)
{
    if (!view || view->state == SANDBOX_DESTROYED || view->state == SANDBOX_DESTROYING) {
        *ret_reason = "the sandbox was destroyed";
        return SOCKET_CLOSE_NOT_FOUND;
    }
    if (view->state == SANDBOX_PAUSED) {
        *ret_reason = "the sandbox was paused";
        return SOCKET_CLOSE_NOT_RUNNING;
    }
    if (view->state == SANDBOX_ERROR || view->run != link->run) {
        *ret_reason = "the sandbox's processes have ended";
        return SOCKET_CLOSE_NOT_RUNNING;
    }
    return 0;
}

static int sandbox_end_of(const struct socket_link *link, const char **ret_reason)
{
    struct sandbox_view view;
    bool found = sandbox_peek(link->api->sandboxes, link->sandbox_id, NULL, &view);
    return end_of_view(link, found ? &view : NULL, ret_reason);
}

/* The same once the agent is silent, which may be known before what became of the sandbox is. */
static int sandbox_end_after_silence(const struct socket_link *link, const char **ret_reason)
{
    struct sandbox_view view;
    bool found =
        sandbox_await_end(link->api->sandboxes, link->sandbox_id, link->run, NEWS_MS, &view);
    if (found && view.state == SANDBOX_PAUSING) { /* and its processes are gone, or kept on disk */
        view.state = SANDBOX_PAUSED;
    }
    return end_of_view(link, found ? &view : NULL, ret_reason);
}

void socket_link_end_failed(struct socket_link *link, const struct error *err)
{
    const char *reason = err->message;
    int code = err->code == ERR_AGENT_UNAVAILABLE ? sandbox_end_after_silence(link, &reason)
                                                  : sandbox_end_of(link, &reason);
    log_info("socket.failed", "code=%d error=%s", code, err->message);
    socket_link_end(link, code ? code : socket_close_code(err), reason);
}

int socket_close_code(const struct error *err)
{
    switch (err->code) {
    case ERR_NOT_FOUND:
    case ERR_TERMINAL_NOT_FOUND:
        return SOCKET_CLOSE_NOT_FOUND;
    case ERR_NOT_RUNNING:
    case ERR_STARTING:
        return SOCKET_CLOSE_NOT_RUNNING;
    case ERR_TERMINAL_LIMIT:
        return SOCKET_CLOSE_LIMIT;
    case ERR_AGENT_BUSY:
        return SOCKET_CLOSE_BUSY;
    default:
        return SOCKET_CLOSE_FAILED;
    }
}

/* --- waiting --- */

/* What is due every second. -1: it is over. */
static int look_around(struct socket_link *link, int64_t now_ms)
{
    link->checked_ms = now_ms;
    const char *reason;
    int code = sandbox_end_of(link, &reason);
    if (code) {
        socket_link_end(link, code, reason);
        return -1;
    }
    if (now_ms - websocket_heard_ms(link->websocket) > SILENCE_MAX_MS) {
        cut(link, "silent");
        return -1;
    }
    if (now_ms - link->pinged_ms >= PING_MS && link->stalled_ms == 0) {
        link->pinged_ms = now_ms;
        return websocket_ping(link->websocket);
    }
    return 0;
}

/* Does the client still take what is for it, however slowly? */
static int mind_stall(struct socket_link *link, bool writes, int64_t now_ms)
{
    if (!writes || link->writable) {
        link->stalled_ms = 0;
        return 0;
    }
    int unread = unread_bytes(link);
    if (link->stalled_ms == 0 || unread < link->stalled_bytes) {
        link->stalled_ms = now_ms;
        link->stalled_bytes = unread;
    } else if (now_ms - link->stalled_ms >= STALL_MAX_MS) {
        cut(link, "stalled");
        return -1;
    }
    return 0;
}

int socket_link_wait(struct socket_link *link, bool reads, bool writes, struct pollfd *peer)
{
    short wanted = (short)((reads ? POLLIN : POLLRDHUP) | (writes ? POLLOUT : 0));
    struct pollfd polled[] = {
        {.fd = link->fd, .events = wanted}, {.fd = link->ending_fd, .events = POLLIN}, *peer};
    bool at_once = reads && link->more;
    int ready = poll(polled, 3, at_once ? 0 : TICK_MS);
    if (ready < 0 && errno != EINTR) {
        return -1;
    }
    peer->revents = ready > 0 ? polled[2].revents : 0;
    short client = ready > 0 ? polled[0].revents : 0;
    link->readable = client & (POLLIN | POLLHUP | POLLERR);
    link->writable = client & POLLOUT;
    if (ready > 0 && polled[1].revents) {
        socket_link_end(link, SOCKET_CLOSE_RESTART, "the service is restarting: connect again");
        return -1;
    }
    if (!reads && (client & (POLLRDHUP | POLLHUP | POLLERR))) {
        return -1;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (mind_stall(link, writes, now_ms)) {
        return -1;
    }
    return now_ms - link->checked_ms >= TICK_MS ? look_around(link, now_ms) : 0;
}

int socket_link_receive(struct socket_link *link, struct websocket_message *ret_message)
{
    if (!link->readable && !link->more) {
        return 0;
    }
    int got = websocket_receive(link->websocket, 0, ret_message);
    link->readable = false;
    link->more = got == 1;
    return got;
}

int socket_link_send(struct socket_link *link, struct bytes_view *bytes)
{
    size_t part = bytes->length < SOCKET_PART_BYTES ? bytes->length : SOCKET_PART_BYTES;
    if (websocket_send(link->websocket, WEBSOCKET_BINARY, bytes->data, part)) {
        cut(link, "unsendable");
        return -1;
    }
    bytes->data += part;
    bytes->length -= part;
    return 0;
}

void socket_link_touch(struct socket_link *link)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - link->touched_ms >= TICK_MS || link->touched_ms == 0) {
        link->touched_ms = now_ms;
        sandbox_touch(link->api->sandboxes, link->sandbox_id);
    }
}
