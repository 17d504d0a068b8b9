#include "api/upload_json.h"

#include "agentclient/agentclient.h"
#include "api/json_scanner.h"
#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

/* Decoded content is handed on in pieces of at most this. */
enum { PIECE_BYTES = 48 * 1024, MODE_TEXT_SIZE = 16 };

enum member { MEMBER_NONE, MEMBER_PATH, MEMBER_MODE, MEMBER_PLAIN, MEMBER_BASE64 };

struct upload_json {
    struct json_scanner scanner;
    struct upload_json_handler handler;
    bool plain;
    enum member member;
    const char *field; /* the member's name, for errors */
    bool seen_path, seen_mode, seen_content;
    bool has_content;
    struct base64_decoder decoder;
    char text[AGENT_PATH_MAX];
    size_t text_length;
    unsigned char piece[PIECE_BYTES];
};

static enum member member_of(const struct upload_json *parser, const char *key,
                             const char **ret_name)
{
    static const char *const names[] = {"path", "mode", "content", "content_base64"};
    const enum member members[] = {MEMBER_PATH, MEMBER_MODE,
                                   parser->plain ? MEMBER_PLAIN : MEMBER_BASE64, MEMBER_BASE64};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(key, names[i]) == 0) {
            *ret_name = names[i];
            return members[i];
        }
    }
    return MEMBER_NONE;
}

static int begin_member(void *context, const char *key, bool *ret_wanted, struct error *err)
{
    struct upload_json *parser = context;
    parser->member = member_of(parser, key, &parser->field);
    parser->text_length = 0;
    *ret_wanted = parser->member != MEMBER_NONE;
    if (!*ret_wanted) {
        return 0;
    }
    bool *seen = parser->member == MEMBER_PATH   ? &parser->seen_path
                 : parser->member == MEMBER_MODE ? &parser->seen_mode
                                                 : &parser->seen_content;
    if (*seen) {
        return error_set_field(err, ERR_VALIDATION, parser->field, "%s comes twice", parser->field);
    }
    *seen = true;
    return 0;
}

/* path and mode */
static int collect_text(struct upload_json *parser, const char *text, size_t length,
                        struct error *err)
{
    size_t size = parser->member == MEMBER_MODE ? MODE_TEXT_SIZE : sizeof(parser->text);
    if (length >= size - parser->text_length) {
        return error_set_field(err, ERR_VALIDATION, parser->field, "%s is longer than %zu bytes",
                               parser->field, size - 1);
    }
    if (memchr(text, '\0', length)) {
        return error_set_field(err, ERR_VALIDATION, parser->field, "%s holds a NUL", parser->field);
    }
    memcpy(parser->text + parser->text_length, text, length);
    parser->text_length += length;
    return 0;
}

static int not_base64(const struct upload_json *parser, struct error *err)
{
    error_set_field(err, ERR_VALIDATION, parser->field, "%s is not base64", parser->field);
    return error_hint(err, "Encode the file's bytes in base64, or send them raw: PUT "
                           "/sandboxes/{id}/files/raw?path=…");
}

/* Line breaks and blanks in base64 are left out. */
static bool is_break(char c)
{
    return c == '\n' || c == '\r' || c == ' ';
}

static int decode_content(struct upload_json *parser, const char *text, size_t length,
                          struct error *err)
{
    while (length > 0) {
        size_t step = length < PIECE_BYTES / 3 * 4 - 4 ? length : PIECE_BYTES / 3 * 4 - 4;
        size_t used;
        size_t made = base64_decode(&parser->decoder, text, step, parser->piece, &used);
        if (made > 0 &&
            parser->handler.on_content(parser->handler.context, parser->piece, made, err)) {
            return -1;
        }
        if (used < step && !is_break(text[used])) {
            return not_base64(parser, err);
        }
        used += used < step ? 1 : 0;
        text += used;
        length -= used;
    }
    return 0;
}

static int take_text(void *context, const char *text, size_t length, struct error *err)
{
    struct upload_json *parser = context;
    if (parser->member == MEMBER_PLAIN) {
        return parser->handler.on_content(parser->handler.context, text, length, err);
    }
    if (parser->member == MEMBER_BASE64) {
        return decode_content(parser, text, length, err);
    }
    return collect_text(parser, text, length, err);
}

static int end_value(void *context, bool is_string, struct error *err)
{
    struct upload_json *parser = context;
    parser->text[parser->text_length] = '\0';
    if (!is_string && parser->member != MEMBER_MODE) {
        return error_set_field(err, ERR_VALIDATION, parser->field, "%s must be a string",
                               parser->field);
    }
    switch (parser->member) {
    case MEMBER_PATH:
        return parser->handler.on_path(parser->handler.context, parser->text, err);
    case MEMBER_MODE:
        return is_string ? parser->handler.on_mode(parser->handler.context, parser->text, err) : 0;
    case MEMBER_BASE64:
        parser->has_content = true;
        return base64_complete(&parser->decoder) ? 0 : not_base64(parser, err);
    default:
        parser->has_content = true;
        return 0;
    }
}

struct upload_json *upload_json_new(bool plain, struct upload_json_handler handler)
{
    struct upload_json *parser = malloc(sizeof(*parser));
    if (parser) {
        memset(parser, 0, offsetof(struct upload_json, piece));
        parser->plain = plain;
        parser->handler = handler;
        parser->scanner.handler = (struct json_scanner_handler){
            .on_member = begin_member,
            .on_text = take_text,
            .on_value = end_value,
            .context = parser,
        };
    }
    return parser;
}

int upload_json_push(struct upload_json *parser, const void *bytes, size_t length,
                     struct error *err)
{
    return json_scanner_push(&parser->scanner, bytes, length, err);
}

int upload_json_finish(struct upload_json *parser, struct error *err)
{
    if (json_scanner_finish(&parser->scanner, err)) {
        return -1;
    }
    if (!parser->seen_path) {
        return error_set_field(err, ERR_MISSING_PARAM, "path", "path is missing");
    }
    if (!parser->has_content) {
        return error_set_field(err, ERR_MISSING_PARAM, "content", "content is missing");
    }
    return 0;
}

struct upload_json *upload_json_free(struct upload_json *parser)
{
    free(parser);
    return NULL;
}
