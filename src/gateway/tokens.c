/* Preview tokens: random texts of which only the SHA-256 is kept. */
#include "base/clock.h"
#include "base/fault.h"
#include "gateway/directory_private.h"
#include "gateway/exposures.h"
#include "gateway/previews.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_LENGTH = 40, SHOWN_LENGTH = 12 };

static void hash_token(const char *text, char hex[PREVIEW_TOKEN_HASH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, strlen(text), hash);
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    hex[PREVIEW_TOKEN_HASH_SIZE - 1] = '\0';
}

static bool has_preview(const struct exposure *exposure, const char *preview_id, int port)
{
    for (const struct preview_entry *entry = exposure->previews; entry; entry = entry->next) {
        if (strcmp(entry->record.id, preview_id) == 0) {
            return port == 0 || entry->record.port == port;
        }
    }
    return false;
}

const struct token_entry *token_check(struct directory *directory, const char *text,
                                      const struct exposure *exposure, int port, int64_t now_ms)
{
    char hex[PREVIEW_TOKEN_HASH_SIZE];
    hash_token(text, hex);
    struct table_node *node = table_find(&directory->tokens, hex);
    const struct token_entry *entry = node ? TABLE_ENTRY(node, struct token_entry, by_hash) : NULL;
    if (!entry || entry->exposure != exposure || entry->record.expires_ms <= now_ms) {
        return NULL;
    }
    bool fits =
        !entry->record.preview_id[0] || has_preview(exposure, entry->record.preview_id, port);
    return fits ? entry : NULL;
}

static int check_room(struct directory *directory, const struct store_preview_token *token,
                      struct error *err)
{
    struct exposure *exposure = exposure_find(directory, token->sandbox_id);
    if (token->preview_id[0] && (!exposure || !has_preview(exposure, token->preview_id, 0))) {
        return error_set(err, ERR_PREVIEW_NOT_FOUND, 0, "the sandbox has no such preview");
    }
    if (exposure && exposure->token_count >= PREVIEW_TOKENS_MAX) {
        exposures_drop_expired_tokens(directory);
    }
    if (!exposure || exposure->token_count < PREVIEW_TOKENS_MAX) {
        return 0;
    }
    error_set(err, ERR_CAPACITY, 0, "the sandbox has %d tokens that are valid", PREVIEW_TOKENS_MAX);
    return error_hint(err, "Revoke shares, or make tokens that expire sooner.");
}

int directory_make_token(struct directory *directory, const char *secret_prefix,
                         struct store_preview_token *token, char text[PREVIEW_TOKEN_SIZE],
                         struct error *err)
{
    char secret[SECRET_LENGTH + 1];
    snprintf(text, PREVIEW_TOKEN_SIZE, "%s%s", secret_prefix, secret_make(secret, sizeof(secret)));
    explicit_bzero(secret, sizeof(secret));
    id_make(strcmp(token->kind, "share") == 0 ? "shr_" : "ptk_", token->id);
    hash_token(text, token->hash);
    snprintf(token->prefix, sizeof(token->prefix), "%.*s", SHOWN_LENGTH, text);
    token->created_ms = clock_realtime_ms();

    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    if (check_room(directory, token, err) < 0 ||
        store_preview_token_add(directory->store, token, err) < 0) {
        return -1;
    }
    FAULT_POINT("preview_token.recorded");
    return exposures_add_token(directory, token, err);
}

int directory_list_tokens(struct directory *directory, const char *sandbox_id, const char *kind,
                          struct store_preview_token **ret_tokens, size_t *ret_count,
                          struct error *err)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    size_t room = exposure ? (size_t)exposure->token_count : 0, count = 0;
    struct store_preview_token *tokens = calloc(room + 1, sizeof(*tokens));
    for (struct token_entry *entry = tokens && exposure ? exposure->tokens : NULL; entry;
         entry = entry->next) {
        if (strcmp(entry->record.kind, kind) == 0) {
            tokens[count++] = entry->record;
        }
    }
    pthread_rwlock_unlock(&directory->lock);
    if (!tokens) {
        return error_set(err, ERR_INTERNAL, errno, "list tokens");
    }
    *ret_tokens = tokens;
    *ret_count = count;
    return 0;
}

static bool has_token(const struct exposure *exposure, const char *kind, const char *token_id)
{
    const struct token_entry *entry = exposure ? exposure->tokens : NULL;
    while (entry && strcmp(entry->record.id, token_id) != 0) {
        entry = entry->next;
    }
    return entry && strcmp(entry->record.kind, kind) == 0;
}

int directory_delete_token(struct directory *directory, const char *sandbox_id, const char *kind,
                           const char *token_id, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    if (!has_token(exposure, kind, token_id)) {
        return error_set(err, ERR_NOT_FOUND, 0, "the sandbox has no such share");
    }
    if (store_preview_token_delete(directory->store, token_id, err) < 0) {
        return -1;
    }
    FAULT_POINT("preview_token.deleted");
    pthread_rwlock_wrlock(&directory->lock);
    exposure_drop_token(directory, exposure, token_id);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}
