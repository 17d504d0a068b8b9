/* Tokens that open one terminal's stream. */
#include "check.h"

#include "api/stream_token.h"

#include <stdlib.h>
#include <string.h>

static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const struct principal owner = {.tenant_id = "tnt_a",
                                       .workspace_id = "wsp_a",
                                       .user_id = "usr_a",
                                       .key_id = "key_a",
                                       .scopes = SCOPE_ALL};
static const struct stream_claims claims = {"sbx_a", "trm_a", 1000};

static int check(const char *token, const char *with_key, const char *sandbox_id,
                 const char *session_id, int64_t now_sec)
{
    struct stream_claims wanted = {sandbox_id, session_id, 0};
    struct principal who = {0};
    struct error err = {0};
    if (stream_token_check(with_key, token, &wanted, now_sec, &who, &err)) {
        return err.code;
    }
    CHECK_TEXT(who.tenant_id, "tnt_a");
    CHECK_TEXT(who.workspace_id, "wsp_a");
    CHECK_INT(who.scopes, SCOPE_SANDBOXES_EXEC);
    return ERR_NONE;
}

static void what_it_opens(void)
{
    struct error err = {0};
    char *token = stream_token_make(key, &claims, &owner, &err);
    REQUIRE(token != NULL);
    CHECK_INT(check(token, key, "sbx_a", "trm_a", 999), ERR_NONE);
    CHECK_INT(check(token, key, "sbx_a", "trm_a", 1000), ERR_INVALID_TOKEN);
    CHECK_INT(check(token, key, "sbx_b", "trm_a", 999), ERR_SCOPE);
    CHECK_INT(check(token, key, "sbx_a", "trm_b", 999), ERR_SCOPE);
    CHECK_INT(check(token, key, "sbx_a", "", 999), ERR_SCOPE);
    CHECK_INT(check(token, "another key", "sbx_a", "trm_a", 999), ERR_INVALID_TOKEN);
    free(token);
}

/* Any change of any character is noticed; but the last one's spare bits say nothing. */
static void changed_tokens(void)
{
    struct error err = {0};
    char *token = stream_token_make(key, &claims, &owner, &err);
    REQUIRE(token != NULL);
    size_t length = strlen(token);
    for (size_t i = 0; i + 1 < length; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        CHECK_INT(check(token, key, "sbx_a", "trm_a", 999), ERR_INVALID_TOKEN);
        token[i] = kept;
    }
    for (size_t cut = 0; cut < length; cut += 7) {
        char kept = token[cut];
        token[cut] = '\0';
        CHECK_INT(check(token, key, "sbx_a", "trm_a", 999), ERR_INVALID_TOKEN);
        token[cut] = kept;
    }
    free(token);
}

static void forgeries(void)
{
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        /* {"alg":"none"} and {"aud":"terminal","sandbox_id":"sbx_a","session_id":"trm_a","exp":9999} */
        "eyJhbGciOiJub25lIn0."
        "eyJhdWQiOiJ0ZXJtaW5hbCIsInNhbmRib3hfaWQiOiJzYnhfYSIsInNlc3Npb25faWQiOiJ0cm1fYSIsImV4cCI6OT"
        "k5OX0.",
        /* the same with {"alg":"HS512","typ":"JWT"} and no signature */
        "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9."
        "eyJhdWQiOiJ0ZXJtaW5hbCIsInNhbmRib3hfaWQiOiJzYnhfYSIsInNlc3Npb25faWQiOiJ0cm1fYSIsImV4cCI6OT"
        "k5OX0.",
        /* {"alg":"RS256"}: the key is no PEM file */
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        CHECK_INT(check(tokens[i], key, "sbx_a", "trm_a", 999), ERR_INVALID_TOKEN);
    }
}

static const struct check_case cases[] = {
    {"what it opens", what_it_opens},
    {"changed tokens", changed_tokens},
    {"forgeries", forgeries},
};

CHECK_MAIN(cases)
