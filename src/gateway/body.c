/* Bodies on their way through. */
#include "gateway/client.h"

#include <stdio.h>

/* Content as it is, or as one chunk; the last chunk behind it when the body is done. */
static int send_content(struct loop *loop, struct body *body, struct end *to, char *content,
                        size_t length)
{
    char size[24];
    struct iovec pieces[PIECES_MAX];
    int used = 0;
    if (!body->is_encoded) {
        pieces[used++] = (struct iovec){content, length};
        return length > 0 ? end_send(to, &loop->blocks, pieces, used) : 0;
    }
    if (length > 0) {
        int size_length = snprintf(size, sizeof(size), "%zx\r\n", length);
        pieces[used++] = (struct iovec){size, (size_t)size_length};
        pieces[used++] = (struct iovec){content, length};
        pieces[used++] = (struct iovec){(char *)"\r\n", 2};
    }
    if (body->is_done) {
        pieces[used++] = (struct iovec){(char *)"0\r\n\r\n", 5};
    }
    return used > 0 ? end_send(to, &loop->blocks, pieces, used) : 0;
}

/* What of the bytes that came belongs to the body. -1: malformed. */
static int take_content(struct body *body, struct bytes *in, size_t *ret_consumed,
                        size_t *ret_content)
{
    size_t length = bytes_length(in);
    int done;
    switch (body->framing) {
    case BODY_LENGTH:
        *ret_content = *ret_consumed = (int64_t)length < body->left ? length : (size_t)body->left;
        body->left -= (int64_t)*ret_content;
        body->is_done = body->left == 0;
        return 0;
    case BODY_CHUNKED:
        done = chunked_decode(&body->chunked, bytes_start(in), length, ret_consumed, ret_content);
        body->is_done = done == 1;
        return done < 0 ? -1 : 0;
    case BODY_UNTIL_CLOSE:
        *ret_content = *ret_consumed = length;
        return 0;
    case BODY_EMPTY:
        break;
    }
    *ret_content = *ret_consumed = 0;
    body->is_done = true;
    return 0;
}

int body_pump(struct loop *loop, struct body *body, struct end *from, struct end *to)
{
    if (body->is_done) {
        return 0;
    }
    if (bytes_length(&from->in) == 0 && end_fill(from, &loop->blocks) <= 0) {
        bool is_end = from->eof && body->framing == BODY_UNTIL_CLOSE;
        if (!is_end) {
            return 0;
        }
        body->is_done = true;
        send_content(loop, body, to, NULL, 0);
        return 1;
    }
    size_t consumed, content;
    char *start = bytes_start(&from->in);
    if (take_content(body, &from->in, &consumed, &content)) {
        return -1;
    }
    send_content(loop, body, to, start, content);
    end_consume(from, consumed);
    return 1;
}
