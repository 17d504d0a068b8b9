#include "api/json_scanner.h"

#include <assert.h>
#include <string.h>

static int malformed(struct error *err, const char *what)
{
    return error_set(err, ERR_INVALID_JSON, 0, "the body is not valid JSON: %s", what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* --- containers --- */

static int open_container(struct json_scanner *scanner, bool array, struct error *err)
{
    if (scanner->depth == JSON_SCANNER_DEPTH_MAX) {
        return malformed(err, "nested too deep");
    }
    unsigned bit = 1U << scanner->depth;
    scanner->arrays = array ? scanner->arrays | bit : scanner->arrays & ~bit;
    scanner->depth++;
    scanner->state = array ? JSON_SCANNER_VALUE_OR_END : JSON_SCANNER_KEY_OR_END;
    return 0;
}

static bool in_array(const struct json_scanner *scanner)
{
    assert(scanner->depth > 0);
    return scanner->arrays >> (scanner->depth - 1) & 1;
}

static int close_container(struct json_scanner *scanner, char closer, struct error *err)
{
    if (in_array(scanner) != (closer == ']')) {
        return malformed(err, "a bracket does not match");
    }
    scanner->depth--;
    scanner->state = scanner->depth == 0 ? JSON_SCANNER_DONE : JSON_SCANNER_AFTER;
    return 0;
}

/* --- strings --- */

static bool hands_out(const struct json_scanner *scanner)
{
    return scanner->wanted && scanner->depth == 1 && !scanner->in_key;
}

static int give_text(struct json_scanner *scanner, const char *text, size_t length,
                     struct error *err)
{
    if (scanner->in_key && scanner->depth == 1) {
        size_t room = sizeof(scanner->key) - 1 - scanner->key_length;
        size_t step = length < room ? length : room;
        memcpy(scanner->key + scanner->key_length, text, step);
        scanner->key_length += step;
    } else if (hands_out(scanner)) {
        return scanner->handler.on_text(scanner->handler.context, text, length, err);
    }
    return 0;
}

static void begin_string(struct json_scanner *scanner, bool key)
{
    scanner->in_key = key;
    scanner->key_length = key ? 0 : scanner->key_length;
    scanner->state = JSON_SCANNER_STRING;
}

static int end_string(struct json_scanner *scanner, struct error *err)
{
    if (scanner->in_key) {
        scanner->in_key = false;
        scanner->state = JSON_SCANNER_COLON;
        if (scanner->depth > 1) {
            return 0;
        }
        if (memchr(scanner->key, '\0', scanner->key_length)) {
            return malformed(err, "a NUL in a member's name");
        }
        scanner->key[scanner->key_length] = '\0';
        scanner->wanted = false;
        return scanner->handler.on_member(scanner->handler.context, scanner->key, &scanner->wanted,
                                          err);
    }
    scanner->state = JSON_SCANNER_AFTER;
    return hands_out(scanner) ? scanner->handler.on_value(scanner->handler.context, true, err) : 0;
}

/* Length of what needs no thought: up to a quote, a backslash or a control character. */
static size_t plain_length(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && text[i] != '"' && text[i] != '\\' && (unsigned char)text[i] >= 0x20) {
        i++;
    }
    return i;
}

/* Returns how many bytes were used, or 0 with err. */
static size_t scan_string(struct json_scanner *scanner, const char *text, size_t length,
                          struct error *err)
{
    size_t plain = plain_length(text, length);
    if (scanner->surrogate_due && (plain > 0 || text[0] != '\\')) {
        malformed(err, "half of a surrogate pair");
        return 0;
    }
    if (plain > 0) {
        return give_text(scanner, text, plain, err) ? 0 : plain;
    }
    if (text[0] == '"') {
        return end_string(scanner, err) ? 0 : 1;
    }
    if (text[0] != '\\') {
        malformed(err, "a control character in a string");
        return 0;
    }
    scanner->state = JSON_SCANNER_ESCAPE;
    return 1;
}

static int scan_escape(struct json_scanner *scanner, char c, struct error *err)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (c == 'u') {
        scanner->state = JSON_SCANNER_HEX;
        scanner->hex = 0;
        scanner->hex_count = 0;
        return 0;
    }
    const char *known = c ? strchr(from, c) : NULL;
    if (!known || scanner->surrogate_due) {
        return malformed(err, known ? "half of a surrogate pair" : "an unknown escape");
    }
    scanner->state = JSON_SCANNER_STRING;
    return give_text(scanner, &to[known - from], 1, err);
}

static int give_code_point(struct json_scanner *scanner, unsigned code_point, struct error *err)
{
    char bytes[4];
    size_t length = utf8_encode(code_point, bytes);
    return give_text(scanner, bytes, length, err);
}

/* Four hexadecimal digits were read. */
static int take_code_unit(struct json_scanner *scanner, struct error *err)
{
    unsigned unit = scanner->hex;
    bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
    scanner->state = JSON_SCANNER_STRING;
    if (is_low != scanner->surrogate_due) {
        return malformed(err, "half of a surrogate pair");
    }
    if (is_low) {
        scanner->surrogate_due = false;
        return give_code_point(scanner,
                               0x10000 + ((scanner->high - 0xD800) << 10) + (unit - 0xDC00), err);
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        scanner->surrogate_due = true;
        scanner->high = unit;
        return 0;
    }
    return give_code_point(scanner, unit, err);
}

static int scan_hex(struct json_scanner *scanner, char c, struct error *err)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = c ? strchr(c >= 'A' && c <= 'F' ? digits + 16 : digits, c) : NULL;
    if (!digit) {
        return malformed(err, "\\u without four hexadecimal digits");
    }
    scanner->hex = scanner->hex << 4 | (unsigned)((digit - digits) & 15);
    return ++scanner->hex_count == 4 ? take_code_unit(scanner, err) : 0;
}

/* --- numbers and names --- */

static size_t skip_digits(const char *text, size_t at)
{
    while (text[at] >= '0' && text[at] <= '9') {
        at++;
    }
    return at;
}

static bool is_number(const char *text)
{
    size_t at = text[0] == '-' ? 1 : 0;
    size_t after = text[at] == '0' ? at + 1 : skip_digits(text, at);
    if (after == at) {
        return false;
    }
    at = after;
    if (text[at] == '.') {
        after = skip_digits(text, at + 1);
        if (after == at + 1) {
            return false;
        }
        at = after;
    }
    if (text[at] == 'e' || text[at] == 'E') {
        at += text[at + 1] == '+' || text[at + 1] == '-' ? 2 : 1;
        after = skip_digits(text, at);
        if (after == at) {
            return false;
        }
        at = after;
    }
    return text[at] == '\0';
}

static int end_token(struct json_scanner *scanner, struct error *err)
{
    char *token = scanner->token;
    token[scanner->token_length] = '\0';
    bool is_null = strcmp(token, "null") == 0;
    if (!is_null && strcmp(token, "true") != 0 && strcmp(token, "false") != 0 &&
        !is_number(token)) {
        return malformed(err, "an unknown value");
    }
    scanner->state = JSON_SCANNER_AFTER;
    if (!scanner->wanted || scanner->depth != 1) {
        return 0;
    }
    if (!is_null) {
        return error_set_field(err, ERR_VALIDATION, scanner->key, "%s must be a string",
                               scanner->key);
    }
    return scanner->handler.on_value(scanner->handler.context, false, err);
}

/* 1: the character belongs to the token, 0: the token ended before it, -1. */
static int scan_token(struct json_scanner *scanner, char c, struct error *err)
{
    bool belongs = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' ||
                   c == '-' || c == '.';
    if (!belongs) {
        return end_token(scanner, err);
    }
    if (scanner->token_length == sizeof(scanner->token) - 1) {
        return malformed(err, "a number with too many digits");
    }
    scanner->token[scanner->token_length++] = c;
    return 1;
}

/* --- between them --- */

static int begin_value(struct json_scanner *scanner, char c, struct error *err)
{
    if (c == '"') {
        begin_string(scanner, false);
        return 0;
    }
    if (c == '{' || c == '[') {
        if (scanner->wanted && scanner->depth == 1) {
            return error_set_field(err, ERR_VALIDATION, scanner->key, "%s must be a string",
                                   scanner->key);
        }
        return open_container(scanner, c == '[', err);
    }
    scanner->token_length = 0;
    scanner->state = JSON_SCANNER_TOKEN;
    int belongs = scan_token(scanner, c, err);
    return belongs == 1 ? 0 : malformed(err, "a value is missing");
}

static int scan_after(struct json_scanner *scanner, char c, struct error *err)
{
    if (c == '}' || c == ']') {
        return close_container(scanner, c, err);
    }
    if (c != ',') {
        return malformed(err, "a comma is missing");
    }
    scanner->state = in_array(scanner) ? JSON_SCANNER_VALUE : JSON_SCANNER_KEY;
    return 0;
}

static int scan_structure(struct json_scanner *scanner, char c, struct error *err)
{
    switch (scanner->state) {
    case JSON_SCANNER_START:
        return c == '{' ? open_container(scanner, false, err)
                        : malformed(err, "it must be an object");
    case JSON_SCANNER_KEY_OR_END:
        if (c == '}') {
            return close_container(scanner, c, err);
        }
        __attribute__((fallthrough));
    case JSON_SCANNER_KEY:
        if (c != '"') {
            return malformed(err, "a member's name is missing");
        }
        begin_string(scanner, true);
        return 0;
    case JSON_SCANNER_COLON:
        scanner->state = JSON_SCANNER_VALUE;
        return c == ':' ? 0 : malformed(err, "a colon is missing");
    case JSON_SCANNER_VALUE_OR_END:
        if (c == ']') {
            return close_container(scanner, c, err);
        }
        return begin_value(scanner, c, err);
    case JSON_SCANNER_VALUE:
        return begin_value(scanner, c, err);
    case JSON_SCANNER_AFTER:
        return scan_after(scanner, c, err);
    default:
        return malformed(err, "something follows the object");
    }
}

/* Returns how many bytes were used (at least one unless a token just ended), or -1. */
static ssize_t scan_some(struct json_scanner *scanner, const char *text, size_t length,
                         struct error *err)
{
    switch (scanner->state) {
    case JSON_SCANNER_STRING: {
        size_t used = scan_string(scanner, text, length, err);
        return used > 0 ? (ssize_t)used : -1;
    }
    case JSON_SCANNER_ESCAPE:
        return scan_escape(scanner, text[0], err) ? -1 : 1;
    case JSON_SCANNER_HEX:
        return scan_hex(scanner, text[0], err) ? -1 : 1;
    case JSON_SCANNER_TOKEN:
        return scan_token(scanner, text[0], err);
    default:
        return is_space(text[0]) || scan_structure(scanner, text[0], err) == 0 ? 1 : -1;
    }
}

int json_scanner_push(struct json_scanner *scanner, const void *bytes, size_t length,
                      struct error *err)
{
    const char *text = bytes;
    if (!utf8_check(&scanner->utf8, bytes, length)) {
        return malformed(err, "it is not UTF-8");
    }
    while (length > 0) {
        ssize_t used = scan_some(scanner, text, length, err);
        if (used < 0) {
            return -1;
        }
        text += used;
        length -= (size_t)used;
    }
    return 0;
}

int json_scanner_finish(const struct json_scanner *scanner, struct error *err)
{
    return scanner->state == JSON_SCANNER_DONE ? 0 : malformed(err, "it ends too early");
}
