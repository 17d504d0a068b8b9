/* Who asks, may they, and have they asked too often. */
#include "http/request.h"

#include "base/clock.h"
#include "http/tickets.h"

#include <string.h>
#include <strings.h>

static const char *bearer_of(const struct request *request)
{
    const char *header = request_header(request, "Authorization");
    if (!header || strncasecmp(header, "Bearer", 6) != 0 || header[6] != ' ') {
        return NULL;
    }
    return header + 6 + strspn(header + 6, " ");
}

static int identify_ticket(struct request *request, const char *ticket, struct error *err)
{
    char key_id[ID_SIZE];
    if (tickets_take(request->server->tickets, ticket, key_id, err)) {
        return -1;
    }
    return store_key_recall(request->server->store, key_id, &request->principal, err);
}

static int identify(struct request *request, struct error *err)
{
    const struct route *route = request->match.route;
    int own = route->authenticate ? route->authenticate(request, &request->principal, err) : 0;
    if (own) {
        return own > 0 ? 0 : -1;
    }
    const char *key = bearer_of(request);
    const char *ticket = route->flags & ROUTE_SSE_TICKET ? request_query(request, "ticket") : NULL;
    if (ticket && !key) {
        return identify_ticket(request, ticket, err);
    }
    if (!key || !*key) {
        return error_set(err, ERR_INVALID_TOKEN, 0, "there is no 'Authorization: Bearer' header");
    }
    if (strlen(key) >= KEY_TEXT_SIZE) {
        return error_set(err, ERR_INVALID_TOKEN, 0, "the key is not one of this server's");
    }
    return store_key_verify(request->server->store, key, &request->principal, err);
}

static int check_tenant(const struct request *request, struct error *err)
{
    const char *tenant = request_header(request, "X-MIOSA-Tenant");
    if (tenant && *tenant && strcmp(tenant, request->principal.tenant_id) != 0) {
        error_set_field(err, ERR_SCOPE, "X-MIOSA-Tenant", "the key belongs to another tenant");
        return error_hint(err, "Leave the header out, or send the tenant_id that the key has.");
    }
    return 0;
}

static int check_rate(struct request *request, struct error *err)
{
    int64_t wait_ms = ratelimit_take(request->server->limit, request->principal.workspace_id,
                                     request->started_us / 1000);
    if (wait_ms == 0) {
        return 0;
    }
    request->server->rate_limited_total++;
    request->retry_after_ms = wait_ms;
    return error_set(err, ERR_RATE_LIMITED, 0,
                     "the workspace has used up its %lld requests a minute",
                     (long long)request->server->settings->rate_limit);
}

static int check_scope(const struct request *request, struct error *err)
{
    unsigned missing = request->match.route->scope & ~request->principal.scopes;
    if (missing == 0) {
        return 0;
    }
    return error_set(err, ERR_SCOPE, 0, "insufficient scope - this action requires the '%s' scope",
                     scope_name(missing));
}

int auth_check(struct request *request, struct error *err)
{
    if (request->match.route->flags & ROUTE_PUBLIC) {
        return 0;
    }
    if (identify(request, err)) {
        request->server->auth_failed_total += err->code == ERR_INVALID_TOKEN;
        return -1;
    }
    request->is_authenticated = true;
    if (check_rate(request, err) || check_tenant(request, err) || check_scope(request, err)) {
        return -1;
    }
    return 0;
}

int request_make_ticket(const struct request *request, int64_t lifetime_ms, bool single_use,
                        char text[TICKET_TEXT_SIZE], struct error *err)
{
    return tickets_make(request->server->tickets, request->principal.tenant_id,
                        request->principal.key_id, lifetime_ms, single_use, text, err);
}
