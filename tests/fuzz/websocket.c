/* What our end makes of a WebSocket peer that says arbitrary things. The first byte chooses the end. */
#include "websocket/websocket.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* A message is whole: of a known type, within the limit, its bytes readable. */
static void look_at(const struct websocket_message *message)
{
    static volatile unsigned char sum;
    assert(message->type <= WEBSOCKET_CLOSE && message->length <= WEBSOCKET_MESSAGE_MAX);
    for (size_t i = 0; i < message->length; i++) {
        sum = (unsigned char)(sum + (unsigned char)message->bytes[i]);
    }
    assert(message->type != WEBSOCKET_CLOSE || message->close_code >= 1000);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int pair[2];
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        return 0;
    }
    /* Some of it came with the handshake. */
    size_t early = (size_t)data[0] >> 1 < size - 1 ? (size_t)data[0] >> 1 : size - 1;
    struct websocket *websocket = websocket_new(pair[0], data[0] & 1, data + 1, early);
    ssize_t sent = send(pair[1], data + 1 + early, size - 1 - early, MSG_DONTWAIT | MSG_NOSIGNAL);
    assert(websocket && sent == (ssize_t)(size - 1 - early));
    shutdown(pair[1], SHUT_WR);
    struct websocket_message message;
    bool closed = false;
    while (websocket_receive(websocket, 1000, &message) == 1) {
        assert(!closed);
        look_at(&message);
        closed = message.type == WEBSOCKET_CLOSE;
    }
    assert(closed);
    websocket_free(websocket);
    close(pair[0]);
    close(pair[1]);
    return 0;
}
