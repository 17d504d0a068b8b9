#include "base/listen.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 1024 };

/* Cuts "[host]:port" or "host:port" in text. */
static int cut(char *text, char **ret_host, char **ret_port)
{
    char *colon = strrchr(text, ':');
    if (!colon || !colon[1]) {
        return -1;
    }
    *colon = '\0';
    *ret_port = colon + 1;
    *ret_host = text;
    size_t length = strlen(text);
    if (text[0] == '[' && length > 2 && text[length - 1] == ']') {
        text[length - 1] = '\0';
        *ret_host = text + 1;
        return 0;
    }
    return strchr(text, ':') ? -1 : 0;
}

static int open_socket(const struct addrinfo *found)
{
    auto_close int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        return -1;
    }
    return take_fd(&fd);
}

int listen_tcp(const char *address, const char *setting, struct error *err)
{
    char text[256], *host, *port;
    snprintf(text, sizeof(text), "%s", address);
    if (cut(text, &host, &port)) {
        return error_set_field(err, ERR_VALIDATION, setting,
                               "%s '%s': an address such as 127.0.0.1:8080 is needed", setting,
                               address);
    }
    struct addrinfo wanted = {.ai_family = *host ? AF_UNSPEC : AF_INET,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(*host ? host : NULL, port, &wanted, &found);
    if (failed) {
        return error_set_field(err, ERR_VALIDATION, setting, "%s '%s': %s", setting, address,
                               gai_strerror(failed));
    }
    int fd = open_socket(found);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        error_set(err, ERR_INTERNAL, saved, "listen on %s", address);
        return error_hint(err, "Choose another address with --%s.", setting);
    }
    return fd;
}
