/* The gateway's pure parts: what a head means, where tokens are, how chunks end. */
#include "check.h"

#include "gateway/chunked.h"
#include "gateway/client.h"
#include "gateway/credentials.h"

#include <string.h>

static struct head head;

static enum error_code parse(const char *text)
{
    struct error err = {0};
    size_t at = 0;
    ssize_t length = head_length(text, strlen(text), &at);
    if (length <= 0) {
        return ERR_INTERNAL;
    }
    return head_parse_request(text, (size_t)length, &head, &err) ? err.code : ERR_NONE;
}

static void test_a_head_ends_at_its_empty_line(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
    size_t at = 0;
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        ssize_t wanted = length < 27 ? 0 : 27;
        CHECK_INT(head_length(text, length, &at), wanted);
        if (wanted) {
            at = 0;
        }
    }
    at = 0;
    CHECK_INT(head_length("GET / HTTP/1.1\n", 15, &at), -1);
}

static void test_what_a_request_says(void)
{
    CHECK_INT(
        parse("POST /a?b HTTP/1.1\r\nHost: A.b:80\r\nContent-Length: 12\r\n"
              "Connection: Upgrade, close\r\nUpgrade: websocket\r\nExpect: 100-Continue\r\n\r\n"),
        ERR_NONE);
    CHECK_INT(head.content_length, 12);
    CHECK(text_is(head.target, "/a?b"));
    CHECK(text_is(head.upgrade, "websocket"));
    CHECK(!head.keep_alive && head.expects_continue && !head.names_hops);
    CHECK_INT(parse("GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive, X-A\r\nX-A: 1\r\n\r\n"),
              ERR_NONE);
    CHECK(head.keep_alive && head.names_hops);
    CHECK(head_names_hop(&head, head.fields[2].name));
    CHECK(!head_names_hop(&head, head.fields[0].name));
}

static void test_limits_have_their_own_codes(void)
{
    static char text[40 * 1024];
    int used = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < GATEWAY_FIELDS_MAX; i++) {
        used += snprintf(text + used, sizeof(text) - (size_t)used, "X: y\r\n");
    }
    snprintf(text + used, sizeof(text) - (size_t)used, "\r\n");
    CHECK_INT(parse(text), ERR_HEADERS_TOO_LARGE);
    used = snprintf(text, sizeof(text), "GET /");
    memset(text + used, 'a', GATEWAY_TARGET_MAX);
    snprintf(text + used + GATEWAY_TARGET_MAX, 64, " HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(parse(text), ERR_URI_TOO_LONG);
    CHECK_INT(parse("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), ERR_METHOD);
}

static void test_hosts(void)
{
    static const struct {
        const char *text, *wanted;
    } hosts[] = {{"A.Example.", "a.example"},
                 {"a:8081", "a"},
                 {"a:", "a"},
                 {"[::1]:80", "[::1]"},
                 {"a:b", NULL},
                 {"a b", NULL},
                 {"a/b", NULL},
                 {"a@b", NULL},
                 {".a", NULL},
                 {"", NULL},
                 {"a:123456", NULL},
                 {"::1", NULL}};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char host[GATEWAY_HOST_MAX + 1];
        bool good = host_normalize((struct text){hosts[i].text, strlen(hosts[i].text)}, host);
        CHECK_TEXT(good ? host : "-", hosts[i].wanted ? hosts[i].wanted : "-");
    }
}

static void expect_target(const char *target, const char *wanted, const char *wanted_token)
{
    char clean[512], token[CREDENTIAL_SIZE];
    size_t length;
    credentials_of_target((struct text){target, strlen(target)}, clean, &length, token);
    clean[length] = '\0';
    CHECK_TEXT(clean, wanted);
    CHECK_TEXT(token, wanted_token);
}

static void test_tokens_leave_the_target(void)
{
    expect_target("/a?preview_token=x", "/a", "x");
    expect_target("/a?b=1&preview_token=x%2Dy&c", "/a?b=1&c", "x-y");
    expect_target("/a?mt=mp_1&ms=500&mt=3", "/a?ms=500&mt=3", "mp_1");
    expect_target("/a?ms=miosa_pv_1", "/a", "miosa_pv_1");
    expect_target("/a?", "/a?", "");
    expect_target("/preview_token=x", "/preview_token=x", "");
    expect_target("/a?preview_token=%0a", "/a", "?");
    expect_target("/a?xpreview_token=1&preview_tokens=2", "/a?xpreview_token=1&preview_tokens=2",
                  "");
}

static void test_our_cookie_leaves_the_others(void)
{
    static const char cookies[] = "a=1;atoll_preview=x; b=2; atoll_preview=y ; atoll_previews=3";
    char clean[2 * sizeof(cookies)], tokens[COOKIE_TOKENS_MAX][CREDENTIAL_SIZE];
    struct text text = {cookies, sizeof(cookies) - 1};
    clean[credentials_clean_cookie(text, clean)] = '\0';
    CHECK_TEXT(clean, "a=1; b=2; atoll_previews=3");
    CHECK_INT((long long)credentials_of_cookie(text, tokens, 0), 2);
    CHECK_TEXT(tokens[0], "x");
    CHECK(credentials_is_our_cookie((struct text){" atoll_preview=z; Path=/", 24}));
    CHECK(!credentials_is_our_cookie((struct text){"x=1; atoll_preview=z", 20}));
}

static void test_chunks(void)
{
    char text[] = "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\nnext";
    struct chunked chunked = {0};
    size_t consumed, content;
    CHECK_INT(chunked_decode(&chunked, text, sizeof(text) - 1, &consumed, &content), 1);
    CHECK_INT((long long)consumed, sizeof(text) - 5);
    CHECK_INT((long long)content, 6);
    CHECK(memcmp(text, "hello!", 6) == 0);
}

static const struct check_case cases[] = {
    {"a head ends at its empty line", test_a_head_ends_at_its_empty_line},
    {"what a request says", test_what_a_request_says},
    {"limits have codes of their own", test_limits_have_their_own_codes},
    {"hosts", test_hosts},
    {"tokens leave the target", test_tokens_leave_the_target},
    {"our cookie leaves the others", test_our_cookie_leaves_the_others},
    {"chunks", test_chunks},
};

CHECK_MAIN(cases)
