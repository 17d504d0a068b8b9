/* The directory: who may go where, and that a restart changes nothing of it. */
#include "check.h"
#include "sandbox_fixture.h"

#include "base/clock.h"
#include "gateway/deployments.h"
#include "gateway/directory.h"
#include "gateway/domains.h"
#include "gateway/preview_domains.h"
#include "gateway/previews.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;
static struct directory *directory;
static char sandbox_id[ID_SIZE], slug[64];

static bool open_all(const char *request)
{
    if (!fixture_open(&fixture)) {
        return false;
    }
    json_t *object = fixture_create(&fixture, request, NULL);
    snprintf(sandbox_id, sizeof(sandbox_id), "%s", member_text(object, "id"));
    snprintf(slug, sizeof(slug), "%s", member_text(object, "slug"));
    json_decref(object);
    directory = directory_open(&fixture.settings, fixture.store, fixture.sandboxes, &fixture.err);
    return directory && sandbox_id[0];
}

static void close_all(void)
{
    directory = directory_close(directory);
    fixture_close(&fixture);
}

static bool restart(void)
{
    directory = directory_close(directory);
    if (!fixture_restart(&fixture)) {
        return false;
    }
    directory = directory_open(&fixture.settings, fixture.store, fixture.sandboxes, &fixture.err);
    return directory;
}

/* Exposes a port; returns the preview's id. */
static const char *expose(int port, bool is_public, int64_t expires_ms)
{
    static char id[ID_SIZE];
    struct store_preview preview = {.port = port,
                                    .is_public = is_public,
                                    .origin = "preview",
                                    .created_ms = clock_realtime_ms(),
                                    .expires_ms = expires_ms};
    id_make("prv_", preview.id);
    memcpy(id, preview.id, sizeof(id));
    memcpy(preview.tenant_id, fixture.tenant.tenant_id, ID_SIZE);
    memcpy(preview.sandbox_id, sandbox_id, ID_SIZE);
    CHECK_INT(directory_put_preview(directory, &preview, true, &fixture.err), 0);
    return id;
}

static struct directory_answer ask_with(const char *host, const char *method, const char *header,
                                        const char *query, const char *cookie, bool is_upgrade)
{
    struct directory_query request = {.host = host,
                                      .method = method,
                                      .path = "/",
                                      .header_token = header,
                                      .query_token = query,
                                      .cookie_token = cookie,
                                      .is_upgrade = is_upgrade};
    struct directory_answer answer;
    directory_find(directory, &request, &answer);
    return answer;
}

/* A GET without token of "{port}-{slug}", or of the bare name when port is 0. */
static struct directory_answer ask(int port)
{
    char host[128];
    snprintf(host, sizeof(host), port ? "%2$d-%1$s.sandbox.localhost" : "%1$s.sandbox.localhost",
             slug, port);
    return ask_with(host, "GET", NULL, NULL, NULL, false);
}

static void only_exposed_ports_are_reached(void)
{
    REQUIRE(open_all("{}"));
    CHECK_INT(ask(3000).error.code, ERR_NOT_FOUND);
    CHECK_INT(ask(0).error.code, ERR_NOT_FOUND);
    expose(3000, true, 0);
    struct directory_answer answer = ask(3000);
    CHECK_INT(answer.verdict, DIRECTORY_FORWARD);
    CHECK_TEXT(answer.sandbox_id, sandbox_id);
    CHECK_INT(answer.port, 3000);
    CHECK_INT(answer.set_cookie, false);
    CHECK(directory_alive(directory, sandbox_id, answer.run));
    CHECK(!directory_alive(directory, sandbox_id, answer.run + 1));
    CHECK_INT(ask(3001).error.code, ERR_NOT_FOUND);
    CHECK_TEXT(ask(3001).error.message,
               ask_with("nobody.sandbox.localhost", "GET", NULL, NULL, NULL, false).error.message);
    close_all();
}

static void the_bare_name_is_the_default_port_that_was_exposed_last(void)
{
    REQUIRE(open_all("{}"));
    expose(4321, true, 0);
    CHECK_INT(ask(0).error.code, ERR_NOT_FOUND);
    expose(8080, true, 0);
    CHECK_INT(ask(0).port, 8080);
    char id[ID_SIZE];
    memcpy(id, expose(5173, true, 0), ID_SIZE);
    CHECK_INT(ask(0).port, 5173);
    CHECK_INT(directory_delete_preview(directory, sandbox_id, id, &fixture.err), 0);
    CHECK_INT(ask(0).port, 8080);
    close_all();
}

static void an_expired_preview_is_closed(void)
{
    REQUIRE(open_all("{}"));
    expose(3000, true, clock_realtime_ms() - 1);
    CHECK_INT(ask(3000).error.code, ERR_NOT_FOUND);
    expose(3000, true, clock_realtime_ms() + 3600 * 1000);
    CHECK_INT(ask(3000).verdict, DIRECTORY_FORWARD);
    close_all();
}

static struct store_preview_token make_token(const char *preview_id, bool may_interact,
                                             int64_t life_ms, char text[PREVIEW_TOKEN_SIZE])
{
    struct store_preview_token token = {
        .kind = "token", .may_interact = may_interact, .expires_ms = clock_realtime_ms() + life_ms};
    memcpy(token.tenant_id, fixture.tenant.tenant_id, ID_SIZE);
    memcpy(token.sandbox_id, sandbox_id, ID_SIZE);
    snprintf(token.preview_id, sizeof(token.preview_id), "%s", preview_id);
    CHECK_INT(directory_make_token(directory, "mp_", &token, text, &fixture.err), 0);
    return token;
}

static void tokens_open_private_previews(void)
{
    char host[128], reading[PREVIEW_TOKEN_SIZE], writing[PREVIEW_TOKEN_SIZE],
        dead[PREVIEW_TOKEN_SIZE];
    REQUIRE(open_all("{}"));
    expose(3000, false, 0);
    snprintf(host, sizeof(host), "%s.sandbox.localhost", slug);
    make_token("", false, 60000, reading);
    make_token("", true, 60000, writing);
    make_token("", true, -1, dead);
    CHECK_INT(ask(0).error.code, ERR_PREVIEW_TOKEN);
    CHECK_INT(ask_with(host, "GET", dead, NULL, NULL, false).error.code, ERR_PREVIEW_TOKEN);
    CHECK_INT(ask_with(host, "GET", "mp_x", NULL, NULL, false).error.code, ERR_PREVIEW_TOKEN);
    struct directory_answer answer = ask_with(host, "GET", NULL, reading, NULL, false);
    CHECK_INT(answer.verdict, DIRECTORY_FORWARD);
    CHECK(answer.set_cookie && answer.cookie_max_age_sec > 50 && answer.cookie_max_age_sec <= 60);
    CHECK_INT(ask_with(host, "POST", NULL, reading, NULL, false).error.code, ERR_PREVIEW_SCOPE);
    CHECK_INT(ask_with(host, "GET", NULL, reading, NULL, true).error.code, ERR_PREVIEW_SCOPE);
    answer = ask_with(host, "POST", NULL, reading, writing, false);
    CHECK_INT(answer.verdict, DIRECTORY_FORWARD);
    CHECK(!answer.set_cookie);
    CHECK_INT(ask_with(host, "GET", writing, NULL, NULL, true).verdict, DIRECTORY_FORWARD);
    close_all();
}

static void a_preview_s_token_opens_no_other(void)
{
    char host[128], text[PREVIEW_TOKEN_SIZE], first[ID_SIZE];
    REQUIRE(open_all("{}"));
    memcpy(first, expose(3000, false, 0), ID_SIZE);
    expose(4000, false, 0);
    make_token(first, true, 60000, text);
    snprintf(host, sizeof(host), "4000-%s.sandbox.localhost", slug);
    CHECK_INT(ask_with(host, "GET", text, NULL, NULL, false).error.code, ERR_PREVIEW_TOKEN);
    snprintf(host, sizeof(host), "3000-%s.sandbox.localhost", slug);
    CHECK_INT(ask_with(host, "GET", text, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    CHECK_INT(directory_revoke_tokens(directory, sandbox_id, first, &fixture.err), 0);
    CHECK_INT(ask_with(host, "GET", text, NULL, NULL, false).error.code, ERR_PREVIEW_TOKEN);
    close_all();
}

static void paused_sandboxes_are_woken_when_they_may_be(void)
{
    REQUIRE(open_all("{}"));
    expose(3000, true, 0);
    REQUIRE(sandbox_pause(fixture.sandboxes, &fixture.tenant, sandbox_id, NULL, &fixture.err) == 0);
    CHECK_INT(ask(3000).error.code, ERR_NOT_RUNNING);
    close_all();
    REQUIRE(open_all("{\"auto_resume\":true}"));
    expose(3000, true, 0);
    REQUIRE(sandbox_pause(fixture.sandboxes, &fixture.tenant, sandbox_id, NULL, &fixture.err) == 0);
    struct directory_answer answer = ask(3000);
    CHECK_INT(answer.verdict, DIRECTORY_WAKE);
    CHECK_INT(directory_wake(directory, &answer, &fixture.err), 0);
    CHECK_INT(ask(3000).verdict, DIRECTORY_FORWARD);
    REQUIRE(sandbox_destroy(fixture.sandboxes, &fixture.tenant, sandbox_id, NULL, &fixture.err) ==
            0);
    CHECK_INT(ask(3000).error.code, ERR_NOT_FOUND);
    close_all();
}

static struct store_deployment deploy(const char *name)
{
    struct store_deployment deployment = {.port = 8000, .created_ms = clock_realtime_ms()};
    id_make("dep_", deployment.id);
    memcpy(deployment.tenant_id, fixture.tenant.tenant_id, ID_SIZE);
    memcpy(deployment.sandbox_id, sandbox_id, ID_SIZE);
    snprintf(deployment.name, sizeof(deployment.name), "%s", name);
    snprintf(deployment.slug, sizeof(deployment.slug), "%s", name);
    CHECK_INT(directory_put_deployment(directory, &deployment, true, &fixture.err), 0);
    return deployment;
}

static void deployments_wake_their_sandbox(void)
{
    char host[160];
    REQUIRE(open_all("{}"));
    struct store_deployment deployment = deploy("shop");
    REQUIRE(sandbox_keep(fixture.sandboxes, &fixture.tenant, sandbox_id, &fixture.err) == 0);
    snprintf(host, sizeof(host), "shop.%s.localhost", deployment.tenant_slug);
    struct directory_answer answer = ask_with(host, "POST", NULL, NULL, NULL, false);
    CHECK_INT(answer.verdict, DIRECTORY_FORWARD);
    CHECK_INT(answer.port, 8000);
    CHECK_INT(ask(8000).error.code, ERR_NOT_FOUND);
    REQUIRE(sandbox_pause(fixture.sandboxes, &fixture.tenant, sandbox_id, NULL, &fixture.err) == 0);
    answer = ask_with(host, "GET", NULL, NULL, NULL, false);
    CHECK_INT(answer.verdict, DIRECTORY_WAKE);
    CHECK_INT(directory_wake(directory, &answer, &fixture.err), 0);
    CHECK_INT(ask_with(host, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    deployment.is_stopped = true;
    CHECK_INT(directory_put_deployment(directory, &deployment, false, &fixture.err), 0);
    CHECK_INT(ask_with(host, "GET", NULL, NULL, NULL, false).error.code, ERR_DEPLOYMENT_STOPPED);
    close_all();
}

static struct store_domain claim(const struct principal *tenant, const char *deployment_id,
                                 bool is_verified)
{
    struct store_domain domain = {.redirect_policy = "none", .created_ms = clock_realtime_ms()};
    id_make("dom_", domain.id);
    memcpy(domain.tenant_id, tenant->tenant_id, ID_SIZE);
    snprintf(domain.hostname, sizeof(domain.hostname), "app.example.org");
    snprintf(domain.deployment_id, sizeof(domain.deployment_id), "%s", deployment_id);
    snprintf(domain.token, sizeof(domain.token), "token-%.20s", domain.id);
    domain.verified_ms = is_verified ? clock_realtime_ms() : 0;
    return domain;
}

static enum directory_verdict challenge_of(const struct store_domain *domain)
{
    char path[128];
    snprintf(path, sizeof(path), "/.well-known/atoll-challenge/%s", domain->token);
    struct directory_query query = {.host = domain->hostname, .method = "GET", .path = path};
    struct directory_answer answer;
    directory_find(directory, &query, &answer);
    return answer.verdict == DIRECTORY_TEXT && strcmp(answer.text, domain->token) != 0
               ? DIRECTORY_FORWARD
               : answer.verdict;
}

static void a_domain_is_of_the_one_who_proves_it(void)
{
    REQUIRE(open_all("{}"));
    struct store_deployment deployment = deploy("shop");
    struct store_domain mine = claim(&fixture.tenant, deployment.id, false);
    struct store_domain theirs = claim(&fixture.other_tenant, "", false);
    CHECK_INT(directory_put_domain(directory, &mine, true, &fixture.err), 0);
    CHECK_INT(ask_with(mine.hostname, "GET", NULL, NULL, NULL, false).error.code, ERR_NOT_FOUND);
    CHECK_INT(challenge_of(&mine), DIRECTORY_TEXT);
    /* two claims: that the name leads here says nothing any more */
    CHECK_INT(directory_put_domain(directory, &theirs, true, &fixture.err), 0);
    CHECK_INT(challenge_of(&mine), DIRECTORY_REFUSE);
    CHECK_INT(challenge_of(&theirs), DIRECTORY_REFUSE);
    mine.verified_ms = clock_realtime_ms();
    CHECK_INT(directory_put_domain(directory, &mine, false, &fixture.err), 0);
    CHECK_INT(ask_with(mine.hostname, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    theirs.verified_ms = clock_realtime_ms();
    CHECK_INT(directory_put_domain(directory, &theirs, false, &fixture.err), -1);
    CHECK_INT(fixture.err.code, ERR_NAME_TAKEN);
    close_all();
}

static void everything_is_there_after_a_restart(void)
{
    char host[160], text[PREVIEW_TOKEN_SIZE], private_host[128], *pem = NULL, key[] = "key";
    char name[DIRECTORY_HOST_SIZE];
    uint64_t generation;
    REQUIRE(open_all("{}"));
    expose(3000, true, 0);
    expose(4000, false, 0);
    make_token("", true, 60000, text);
    struct store_deployment deployment = deploy("shop");
    struct store_domain domain = claim(&fixture.tenant, deployment.id, true);
    domain.pem = key;
    CHECK_INT(directory_put_domain(directory, &domain, true, &fixture.err), 0);
    REQUIRE(restart());
    CHECK_INT(ask(3000).verdict, DIRECTORY_FORWARD);
    snprintf(private_host, sizeof(private_host), "4000-%s.sandbox.localhost", slug);
    CHECK_INT(ask(4000).error.code, ERR_PREVIEW_TOKEN);
    CHECK_INT(ask_with(private_host, "GET", text, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    snprintf(host, sizeof(host), "shop.%s.localhost", deployment.tenant_slug);
    CHECK_INT(ask_with(host, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    CHECK_INT(ask_with("app.example.org", "GET", NULL, NULL, NULL, false).verdict,
              DIRECTORY_FORWARD);
    CHECK(directory_certificate(directory, "app.example.org", &pem, name, &generation));
    CHECK_TEXT(name, "app.example.org");
    CHECK_TEXT(pem ? pem : "", "key");
    free(pem);
    close_all();
}

static bool preview_is_told(const char *tenant_id)
{
    char hostname[PREVIEW_DOMAIN_SIZE];
    return sandboxes_preview_domain(fixture.sandboxes, tenant_id, hostname) &&
           strcmp(hostname, "pages.example.org") == 0;
}

static void a_preview_domain_serves_its_tenant_alone(void)
{
    char name[128];
    REQUIRE(open_all("{}"));
    expose(3000, true, 0);
    struct store_domain domain = {.hostname = "pages.example.org", .token = "t", .created_ms = 1};
    snprintf(domain.tenant_id, ID_SIZE, "%s", fixture.tenant.tenant_id);
    snprintf(name, sizeof(name), "%s.pages.example.org", slug);
    struct directory_pass pass = {.host = name, .port = 3000};
    snprintf(pass.sandbox_id, ID_SIZE, "%s", sandbox_id);
    CHECK_INT(directory_put_preview_domain(directory, &domain, &fixture.err), 0);
    CHECK_INT(ask_with(name, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_REFUSE);
    CHECK(!directory_allows(directory, &pass));
    CHECK_INT(directory_prove_preview_domain(directory, domain.tenant_id, "x", &fixture.err), -1);
    CHECK_INT(fixture.err.code, ERR_CONFLICT);
    CHECK_INT(directory_prove_preview_domain(directory, domain.tenant_id, "t", &fixture.err), 0);
    CHECK_INT(ask_with(name, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    CHECK(directory_allows(directory, &pass));
    CHECK(preview_is_told(domain.tenant_id));
    CHECK(!preview_is_told("ten_00000000000000000000000000"));
    REQUIRE(restart());
    CHECK_INT(ask_with(name, "GET", NULL, NULL, NULL, false).verdict, DIRECTORY_FORWARD);
    uint64_t changes = directory_changes(directory);
    CHECK_INT(directory_delete_preview_domain(directory, domain.tenant_id, &fixture.err), 0);
    CHECK(directory_changes(directory) != changes);
    CHECK(!directory_allows(directory, &pass));
    CHECK(!preview_is_told(domain.tenant_id));
    close_all();
}

static void count_preview(void *context, const struct store_preview *preview)
{
    (void)preview;
    ++*(int *)context;
}

static void count_token(void *context, const struct store_preview_token *token)
{
    (void)token;
    ++*(int *)context;
}

static void what_belongs_to_a_sandbox_that_is_gone_is_forgotten(void)
{
    char text[PREVIEW_TOKEN_SIZE];
    int previews = 0, tokens = 0;
    REQUIRE(open_all("{}"));
    expose(3000, true, 0);
    expose(4000, false, 0);
    make_token("", true, 60000, text);
    REQUIRE(sandbox_destroy(fixture.sandboxes, &fixture.tenant, sandbox_id, NULL, &fixture.err) ==
            0);
    json_t *object = fixture_create(&fixture, "{}", NULL);
    snprintf(sandbox_id, sizeof(sandbox_id), "%s", member_text(object, "id"));
    json_decref(object);
    for (int i = 0; i < 300; i++) { /* now and then a change looks around */
        char id[ID_SIZE];
        memcpy(id, expose(3000, true, 0), sizeof(id));
        CHECK_INT(directory_delete_preview(directory, sandbox_id, id, &fixture.err), 0);
    }
    CHECK_INT(store_previews_each(fixture.store, count_preview, &previews, &fixture.err), 0);
    CHECK_INT(store_preview_tokens_each(fixture.store, count_token, &tokens, &fixture.err), 0);
    CHECK_INT(previews, 0);
    CHECK_INT(tokens, 0);
    close_all();
}

static void there_is_an_end_to_tokens(void)
{
    char text[PREVIEW_TOKEN_SIZE];
    REQUIRE(open_all("{}"));
    make_token("", true, -1, text); /* expired ones do not count */
    for (int i = 0; i < PREVIEW_TOKENS_MAX; i++) {
        make_token("", true, 60000, text);
    }
    struct store_preview_token token = {.kind = "token", .expires_ms = clock_realtime_ms() + 60000};
    memcpy(token.tenant_id, fixture.tenant.tenant_id, ID_SIZE);
    memcpy(token.sandbox_id, sandbox_id, ID_SIZE);
    CHECK_INT(directory_make_token(directory, "mp_", &token, text, &fixture.err), -1);
    CHECK_INT(fixture.err.code, ERR_CAPACITY);
    close_all();
}

static const struct check_case cases[] = {
    {"only exposed ports are reached", only_exposed_ports_are_reached},
    {"the bare name is the default port that was exposed last",
     the_bare_name_is_the_default_port_that_was_exposed_last},
    {"an expired preview is closed", an_expired_preview_is_closed},
    {"tokens open private previews", tokens_open_private_previews},
    {"a preview's token opens no other", a_preview_s_token_opens_no_other},
    {"paused sandboxes are woken when they may be", paused_sandboxes_are_woken_when_they_may_be},
    {"deployments wake their sandbox", deployments_wake_their_sandbox},
    {"a domain is of the one who proves it", a_domain_is_of_the_one_who_proves_it},
    {"everything is there after a restart", everything_is_there_after_a_restart},
    {"what belongs to a sandbox that is gone is forgotten",
     what_belongs_to_a_sandbox_that_is_gone_is_forgotten},
    {"there is an end to tokens", there_is_an_end_to_tokens},
    {"a preview domain serves its tenant alone", a_preview_domain_serves_its_tenant_alone},
};

CHECK_MAIN(cases)
