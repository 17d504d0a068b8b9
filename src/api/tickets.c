/* Tickets for event streams: for browsers, whose EventSource cannot send a key. */
#include "api/api.h"

#include <string.h>

enum { SHORT_SEC = 60, LONG_SEC = 3600 };

static void answer(struct request *request, int64_t lifetime_sec, bool single_use)
{
    struct error err = {0};
    char text[TICKET_TEXT_SIZE];
    if (request_make_ticket(request, lifetime_sec * 1000, single_use, text, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:s, s:I, s:b}", "ticket", text, "expires_in",
                           (json_int_t)lifetime_sec, "single_use", single_use));
    explicit_bzero(text, sizeof(text));
}

static void single_handle(struct request *request)
{
    answer(request, SHORT_SEC, true);
}

static void hour_handle(struct request *request)
{
    answer(request, LONG_SEC, false);
}

/* No scope of their own: a ticket opens what its key may read, and nothing else. */
const struct route api_ticket_routes[] = {
    {.method = "POST", .pattern = "/auth/sse-ticket", .body = BODY_JSON, .handler = single_handle},
    {.method = "POST", .pattern = "/sse/ticket", .body = BODY_JSON, .handler = hour_handle},
    {0},
};
