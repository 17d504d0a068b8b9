/* From a request's host to a port of a sandbox: the gateway's hot path. */
#include "base/clock.h"
#include "base/urls.h"
#include "gateway/directory.h"
#include "gateway/directory_private.h"
#include "gateway/domains.h"
#include "gateway/host_name.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct directory_answer *answer)
{
    answer->verdict = DIRECTORY_REFUSE;
}

/* One answer to everything that is not there, so that nobody learns which sandboxes exist. */
static void refuse_unknown(struct directory_answer *answer)
{
    error_set(&answer->error, ERR_NOT_FOUND, 0, "nothing is served under this name");
    error_hint(
        &answer->error,
        "Check the URL. The port may not be exposed any more, or the sandbox was destroyed.");
    refuse(answer);
}

static void refuse_state(struct directory_answer *answer, const char *what, const char *hint)
{
    error_set(&answer->error, ERR_NOT_RUNNING, 0, "%s", what);
    error_hint(&answer->error, "%s", hint);
    refuse(answer);
}

/* Forwards to the sandbox if it runs, or can be made to. */
static void lead_to(const struct sandbox_view *view, int port, bool may_wake,
                    struct directory_answer *answer)
{
    memcpy(answer->sandbox_id, view->id, sizeof(answer->sandbox_id));
    answer->run = view->run;
    answer->port = port;
    answer->await_until_ms = view->brings_back && view->run_since_ms > 0
                                 ? view->run_since_ms + DIRECTORY_START_WAIT_MS
                                 : 0;
    switch (view->state) {
    case SANDBOX_RUNNING:
    case SANDBOX_SNAPSHOTTING:
        answer->verdict = DIRECTORY_FORWARD;
        return;
    case SANDBOX_PROVISIONING:
    case SANDBOX_RESUMING:
        answer->verdict = DIRECTORY_WAKE;
        return;
    case SANDBOX_PAUSING:
    case SANDBOX_PAUSED:
        if (may_wake) {
            answer->verdict = DIRECTORY_WAKE;
            return;
        }
        refuse_state(
            answer, "the sandbox is paused",
            "Resume it with POST /sandboxes/{id}/resume; with auto_resume a request does so.");
        return;
    case SANDBOX_DESTROYING:
    case SANDBOX_DESTROYED:
    case SANDBOX_ERROR:
    case SANDBOX_STATE_COUNT:
        break;
    }
    refuse_unknown(answer);
}

static bool is_live(const struct preview_entry *entry, int64_t now_ms)
{
    return !entry->record.expires_ms || entry->record.expires_ms > now_ms;
}

/* The preview of the port that is open longest, NULL: none is. */
static const struct preview_entry *find_live(const struct exposure *exposure, int port,
                                             bool is_public, int64_t now_ms)
{
    const struct preview_entry *found = NULL;
    for (const struct preview_entry *entry = exposure->previews; entry; entry = entry->next) {
        bool fits = entry->record.port == port && is_live(entry, now_ms) &&
                    (!is_public || entry->record.is_public);
        if (fits && !entry->record.expires_ms) {
            return entry;
        }
        if (fits && (!found || entry->record.expires_ms > found->record.expires_ms)) {
            found = entry;
        }
    }
    return found;
}

static bool is_exposed(const struct exposure *exposure, int port, int64_t now_ms)
{
    return find_live(exposure, port, false, now_ms);
}

/* What a name without a port stands for; 0: nothing. */
static int choose_port(const struct exposure *exposure, int app_port, int64_t now_ms)
{
    if (app_port && is_exposed(exposure, app_port, now_ms)) {
        return app_port;
    }
    for (const struct preview_entry *entry = exposure->previews; entry; entry = entry->next) {
        if (url_is_default_port(entry->record.port) && is_live(entry, now_ms)) {
            return entry->record.port;
        }
    }
    return 0;
}

static bool only_reads(const struct directory_query *query)
{
    return !query->is_upgrade && query->method &&
           (strcmp(query->method, "GET") == 0 || strcmp(query->method, "HEAD") == 0 ||
            strcmp(query->method, "OPTIONS") == 0);
}

/* Looks for a token that allows the request: in the header, the query, the cookie. */
static bool token_allows(struct directory *directory, const struct exposure *exposure, int port,
                         const struct directory_query *query, int64_t now_ms,
                         struct directory_answer *answer)
{
    const char *const texts[] = {query->header_token, query->query_token, query->cookie_token};
    bool seen_good = false;
    for (int i = 0; i < 3; i++) {
        const struct token_entry *token =
            texts[i] ? token_check(directory, texts[i], exposure, port, now_ms) : NULL;
        if (token && (token->record.may_interact || only_reads(query))) {
            answer->set_cookie = texts[i] != query->cookie_token;
            answer->cookie_max_age_sec = (token->record.expires_ms - now_ms) / 1000;
            answer->token = texts[i];
            if (!answer->valid_until_ms || token->record.expires_ms < answer->valid_until_ms) {
                answer->valid_until_ms = token->record.expires_ms;
            }
            return true;
        }
        seen_good = seen_good || token;
    }
    if (seen_good) {
        error_set(&answer->error, ERR_PREVIEW_SCOPE, 0,
                  "this link lets you look (GET, HEAD and OPTIONS), not change anything");
    } else {
        error_set(&answer->error, ERR_PREVIEW_TOKEN, 0,
                  texts[0] || texts[1] || texts[2]
                      ? "this preview is private, and the token is wrong, revoked or expired"
                      : "this preview is private");
    }
    return false;
}

/* May the caller go to the port? *port 0 is chosen first. Otherwise the answer is filled in. */
static bool port_allows(struct directory *directory, const struct sandbox_view *view, int *port,
                        const struct directory_query *query, struct directory_answer *answer)
{
    int64_t now_ms = clock_realtime_ms();
    const struct exposure *exposure = exposure_find(directory, view->id);
    if (exposure && !*port) {
        *port = choose_port(exposure, view->app_port, now_ms);
    }
    const struct preview_entry *any =
        exposure && *port ? find_live(exposure, *port, false, now_ms) : NULL;
    if (!any) {
        refuse_unknown(answer);
        return false;
    }
    const struct preview_entry *open = find_live(exposure, *port, true, now_ms);
    answer->valid_until_ms = open ? open->record.expires_ms : any->record.expires_ms;
    if (open) {
        return true;
    }
    if (token_allows(directory, exposure, *port, query, now_ms, answer)) {
        return true;
    }
    refuse(answer);
    return false;
}

/* tenant_id: whose sandbox it must be, or NULL. */
static void find_preview(struct directory *directory, const struct host_name *name,
                         const char *tenant_id, const struct directory_query *query,
                         struct directory_answer *answer)
{
    struct sandbox_view view;
    int port = name->port;
    if (!sandbox_peek(directory->sandboxes, NULL, name->label, &view) ||
        (tenant_id && strcmp(view.tenant_id, tenant_id) != 0)) {
        refuse_unknown(answer);
        return;
    }
    pthread_rwlock_rdlock(&directory->lock);
    bool allowed = port_allows(directory, &view, &port, query, answer);
    pthread_rwlock_unlock(&directory->lock);
    if (allowed) {
        lead_to(&view, port, view.auto_resume, answer);
    }
}

struct target {
    char sandbox_id[ID_SIZE];
    int port;
    bool is_stopped;
};

static void read_target(const struct deployment_entry *entry, struct target *ret_target)
{
    memcpy(ret_target->sandbox_id, entry->record.sandbox_id, sizeof(ret_target->sandbox_id));
    ret_target->port = entry->record.port;
    ret_target->is_stopped = entry->record.is_stopped;
}

static bool deployment_by_host(struct directory *directory, const struct host_name *name,
                               struct target *ret_target)
{
    char host[2 * HOST_LABEL_SIZE];
    snprintf(host, sizeof(host), "%s.%s", name->label, name->tenant);
    pthread_rwlock_rdlock(&directory->lock);
    struct table_node *node = table_find(&directory->deployment_hosts, host);
    if (node) {
        read_target(TABLE_ENTRY(node, struct deployment_entry, by_host), ret_target);
    }
    pthread_rwlock_unlock(&directory->lock);
    return node;
}

static bool deployment_by_domain(struct directory *directory, const char *hostname,
                                 struct target *ret_target)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct domain_entry *domain = domain_find_verified(directory, hostname);
    struct table_node *node =
        domain ? table_find(&directory->deployment_ids, domain->record.deployment_id) : NULL;
    if (node) {
        read_target(TABLE_ENTRY(node, struct deployment_entry, by_id), ret_target);
    }
    pthread_rwlock_unlock(&directory->lock);
    return node;
}

/* A deployment wakes its sandbox always: that is what it was promoted for. */
static void lead_to_deployment(struct directory *directory, const struct target *target,
                               struct directory_answer *answer)
{
    struct sandbox_view view;
    if (target->is_stopped) {
        error_set(&answer->error, ERR_DEPLOYMENT_STOPPED, 0, "this deployment is stopped");
        refuse(answer);
    } else if (!sandbox_peek(directory->sandboxes, target->sandbox_id, NULL, &view) ||
               view.state == SANDBOX_DESTROYING || view.state == SANDBOX_ERROR) {
        error_set(&answer->error, ERR_DEPLOYMENT_STOPPED, 0,
                  "the sandbox behind this deployment is gone");
        error_hint(&answer->error, "Deploy another sandbox with this deployment's deployment_id.");
        refuse(answer);
    } else {
        lead_to(&view, target->port, true, answer);
    }
}

static bool is_below_preview_domain(struct directory *directory, const char *hostname,
                                    char tenant_id[ID_SIZE])
{
    pthread_rwlock_rdlock(&directory->lock);
    const struct preview_domain_entry *entry = preview_domain_above(directory, hostname);
    if (entry) {
        memcpy(tenant_id, entry->record.tenant_id, ID_SIZE);
    }
    pthread_rwlock_unlock(&directory->lock);
    return entry;
}

/* A name that is not below our domain. */
static void find_custom(struct directory *directory, const struct directory_query *query,
                        struct directory_answer *answer)
{
    struct target target;
    struct host_name name;
    char tenant_id[ID_SIZE];
    bool is_preview = is_below_preview_domain(directory, query->host, tenant_id);
    if (!is_preview && deployment_by_domain(directory, query->host, &target)) {
        lead_to_deployment(directory, &target, answer);
    } else if (directory_challenge(directory, query->host, query->path, answer->text,
                                   sizeof(answer->text))) {
        answer->verdict = DIRECTORY_TEXT;
    } else if (is_preview && host_name_parse_label(query->host, &name)) {
        find_preview(directory, &name, tenant_id, query, answer);
    } else {
        refuse_unknown(answer);
    }
}

void directory_find(struct directory *directory, const struct directory_query *query,
                    struct directory_answer *ret_answer)
{
    struct host_name name;
    struct target target;
    *ret_answer = (struct directory_answer){0};
    host_name_parse(query->host, directory->settings->domain, &name);
    if (name.kind == HOST_NAME_SANDBOX) {
        find_preview(directory, &name, NULL, query, ret_answer);
    } else if (name.kind == HOST_NAME_DEPLOYMENT && deployment_by_host(directory, &name, &target)) {
        lead_to_deployment(directory, &target, ret_answer);
    } else if (name.kind == HOST_NAME_CUSTOM) {
        find_custom(directory, query, ret_answer);
    } else {
        refuse_unknown(ret_answer);
    }
}

/* --- asked again ----------------------------------------------------------------------------- */

/* A sandbox may have another name by now, or another default port: neither ends what was begun. tenant_id: as in
 * find_preview. */
static bool allows_preview(struct directory *directory, const struct directory_pass *pass,
                           const char *tenant_id, struct directory_answer *answer)
{
    struct directory_query query = {.method = "GET", .header_token = pass->token};
    struct sandbox_view view;
    int port = pass->port;
    if (!sandbox_peek(directory->sandboxes, pass->sandbox_id, NULL, &view) ||
        (tenant_id && strcmp(view.tenant_id, tenant_id) != 0)) {
        return false;
    }
    pthread_rwlock_rdlock(&directory->lock);
    bool allowed = port_allows(directory, &view, &port, &query, answer);
    pthread_rwlock_unlock(&directory->lock);
    return allowed;
}

bool directory_allows(struct directory *directory, struct directory_pass *pass)
{
    struct directory_answer answer = {0};
    struct host_name name;
    struct target target;
    char tenant_id[ID_SIZE];
    host_name_parse(pass->host, directory->settings->domain, &name);
    bool is_own =
        name.kind == HOST_NAME_CUSTOM && is_below_preview_domain(directory, pass->host, tenant_id);
    if (name.kind == HOST_NAME_SANDBOX || is_own) {
        bool allowed = allows_preview(directory, pass, is_own ? tenant_id : NULL, &answer);
        pass->valid_until_ms = answer.valid_until_ms;
        return allowed;
    }
    bool found =
        name.kind == HOST_NAME_DEPLOYMENT
            ? deployment_by_host(directory, &name, &target)
            : name.kind == HOST_NAME_CUSTOM && deployment_by_domain(directory, pass->host, &target);
    return found && !target.is_stopped && target.port == pass->port &&
           strcmp(target.sandbox_id, pass->sandbox_id) == 0;
}
