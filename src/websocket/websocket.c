#include "websocket/connection.h"

#include "base/clock.h"
#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

static int make_mask(uint8_t *bytes, size_t length, void *context)
{
    (void)context;
    random_bytes(bytes, length);
    return 0;
}

static int init(struct websocket *websocket, const void *early, size_t early_length)
{
    static const struct wslay_frame_callbacks callbacks = {websocket_send_bytes,
                                                           websocket_recv_bytes, make_mask};
    if (early_length > 0) {
        websocket->early = malloc(early_length);
        if (!websocket->early) {
            return -1;
        }
        memcpy(websocket->early, early, early_length);
        websocket->early_length = early_length;
    }
    /* Two contexts, so that sending and receiving threads share nothing. */
    return wslay_frame_context_init(&websocket->in, &callbacks, websocket) ||
                   wslay_frame_context_init(&websocket->out, &callbacks, websocket)
               ? -1
               : 0;
}

struct websocket *websocket_new(int fd, bool is_client, const void *early, size_t early_length)
{
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket) {
        return NULL;
    }
    websocket->fd = fd;
    websocket->is_client = is_client;
    websocket->heard_ms = clock_monotonic_ms();
    /* One more for the NUL that is promised behind text. */
    websocket->message = BUFFER_INIT(WEBSOCKET_MESSAGE_MAX + 1);
    pthread_mutex_init(&websocket->mutex, NULL);
    return init(websocket, early, early_length) ? websocket_free(websocket) : websocket;
}

struct websocket *websocket_free(struct websocket *websocket)
{
    if (websocket) {
        wslay_frame_context_free(websocket->in);
        wslay_frame_context_free(websocket->out);
        pthread_mutex_destroy(&websocket->mutex);
        buffer_free(&websocket->message);
        free(websocket->early);
        free(websocket);
    }
    return NULL;
}
