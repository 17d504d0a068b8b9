/* JSON that carries a file: read in pieces of every size, and refused when it is not right. */
#include "check.h"

#include "api/upload_json.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 512 };

struct found {
    char path[TEXT_SIZE], mode[TEXT_SIZE], content[TEXT_SIZE];
    size_t content_length;
};

static int on_path(void *context, const char *text, struct error *err)
{
    (void)err;
    strcpy(((struct found *)context)->path, text);
    return 0;
}

static int on_mode(void *context, const char *text, struct error *err)
{
    (void)err;
    strcpy(((struct found *)context)->mode, text);
    return 0;
}

static int on_content(void *context, const void *bytes, size_t length, struct error *err)
{
    struct found *found = context;
    if (found->content_length + length >= TEXT_SIZE) {
        return error_set(err, ERR_TOO_LARGE, 0, "more than the test expects");
    }
    memcpy(found->content + found->content_length, bytes, length);
    found->content_length += length;
    return 0;
}

static int parse(const char *text, size_t length, size_t step, bool plain, struct found *found,
                 struct error *err)
{
    *found = (struct found){0};
    *err = (struct error){0};
    struct upload_json_handler handler = {on_path, on_mode, on_content, found};
    struct upload_json *parser = upload_json_new(plain, handler);
    int result = 0;
    for (size_t at = 0; at < length && result == 0; at += step) {
        result = upload_json_push(parser, text + at, length - at < step ? length - at : step, err);
    }
    if (result == 0) {
        result = upload_json_finish(parser, err);
    }
    upload_json_free(parser);
    return result;
}

/* The same in pieces of every size. */
static void check_upload(const char *text, bool plain, const char *path, const char *mode,
                         const char *content)
{
    size_t length = strlen(text);
    for (size_t step = 1; step <= length; step++) {
        struct found found;
        struct error err;
        CHECK_TEXT(parse(text, length, step, plain, &found, &err) ? err.message : "", "");
        CHECK_TEXT(found.path, path);
        CHECK_TEXT(found.mode, mode);
        CHECK_TEXT(found.content, content);
    }
}

static void check_refused(const char *text, enum error_code code, const char *field)
{
    size_t length = strlen(text);
    for (size_t step = 1; step <= length + 1; step++) {
        struct found found;
        struct error err;
        CHECK_INT(parse(text, length, step, false, &found, &err), -1);
        CHECK_TEXT(error_api_code(err.code), error_api_code(code));
        CHECK_TEXT(err.field, field);
    }
}

static void members_come_in_any_order(void)
{
    check_upload("{\"path\":\"/a\",\"content\":\"aGVsbG8=\"}", false, "/a", "", "hello");
    check_upload("{\"content\":\"aGVsbG8\",\"mode\":\"0644\",\"path\":\"/a\"}", false, "/a", "0644",
                 "hello");
    check_upload("{\"content_base64\":\"\",\"path\":\"b\",\"mode\":null}", false, "b", "", "");
    check_upload("\r\n{ \"path\" : \"/a\" ,\t\"content\" : \"YQ==\" } \n", false, "/a", "", "a");
}

static void escapes_are_resolved(void)
{
    check_upload(
        "{\"p\\u0061th\":\"\\/w\\u0020x\\ud83d\\ude00\",\"content\":\"aGVs\\u0062G8\\u003d\"}",
        false, "/w x\xf0\x9f\x98\x80", "", "hello");
    check_upload("{\"path\":\"/a\",\"content\":\"aGVs\\r\\nbG8=\\n\"}", false, "/a", "", "hello");
}

static void plain_text_is_taken_as_it_is(void)
{
    check_upload("{\"content\":\"a\\n\\\"b\\\" \\u00fc\\\\ü\",\"path\":\"/a\"}", true, "/a", "",
                 "a\n\"b\" ü\\ü");
    check_upload("{\"content_base64\":\"YQ==\",\"path\":\"/a\"}", true, "/a", "", "a");
}

static void other_members_are_left_out(void)
{
    check_upload(
        "{\"x\":{\"path\":\"/no\",\"y\":[1,-2.5e+3,{}],\"z\":\"}\\\"\"},\"path\":\"/a\",\"n\":null,"
        "\"t\":true,\"f\":[false,[]],\"content\":\"YQ==\",\"content2\":7}",
        false, "/a", "", "a");
}

static void missing_members_are_named(void)
{
    check_refused("{}", ERR_MISSING_PARAM, "path");
    check_refused("{\"content\":\"\"}", ERR_MISSING_PARAM, "path");
    check_refused("{\"path\":\"/a\"}", ERR_MISSING_PARAM, "content");
}

static void wrong_members_are_named(void)
{
    check_refused("{\"path\":1,\"content\":\"\"}", ERR_VALIDATION, "path");
    check_refused("{\"path\":null,\"content\":\"\"}", ERR_VALIDATION, "path");
    check_refused("{\"path\":\"/a\",\"content\":{}}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\",\"content\":[]}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\",\"content\":true}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\",\"content\":\"*\"}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\",\"content\":\"YQ=\"}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\",\"content\":\"YR==\"}", ERR_VALIDATION, "content");
    check_refused("{\"path\":\"/a\\u0000b\",\"content\":\"\"}", ERR_VALIDATION, "path");
    check_refused("{\"path\":\"/a\",\"path\":\"/b\",\"content\":\"\"}", ERR_VALIDATION, "path");
    check_refused("{\"path\":\"/a\",\"content\":\"\",\"content_base64\":\"\"}", ERR_VALIDATION,
                  "content_base64");
    check_refused("{\"path\":\"/a\",\"mode\":\"00000000000000000644\"}", ERR_VALIDATION, "mode");
}

static void what_is_not_json_is_refused(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "\"\"",
        "{",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":nul}",
        "{\"a\":truefalse}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\n\"}",
        "{\"a\":\"\\ud800\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xc3\"}",
        "{\"a\\u0000\":1}",
        "{'a':1}",
        "{\"path\":\"/a\",\"content\":\"\"}x",
        "{\"path\":\"/a\",\"content\":\"\"}{}",
        "\xef\xbb\xbf{}",
        "{\"a\":11111111111111111111111111111111111111111111111}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_refused(bad[i], ERR_INVALID_JSON, "");
    }
}

static void a_refusal_of_the_handler_ends_it(void)
{
    char text[2 * TEXT_SIZE] = "{\"path\":\"/a\",\"content\":\"";
    size_t length = strlen(text);
    memset(text + length, 'A', TEXT_SIZE);
    struct found found;
    struct error err;
    CHECK_INT(parse(text, length + TEXT_SIZE, 64, true, &found, &err), -1);
    CHECK_INT(err.code, ERR_TOO_LARGE);
}

static const struct check_case cases[] = {
    {"members come in any order", members_come_in_any_order},
    {"escapes are resolved", escapes_are_resolved},
    {"plain text is taken as it is", plain_text_is_taken_as_it_is},
    {"other members are left out", other_members_are_left_out},
    {"missing members are named", missing_members_are_named},
    {"wrong members are named", wrong_members_are_named},
    {"what is not JSON is refused", what_is_not_json_is_refused},
    {"a refusal of the handler ends it", a_refusal_of_the_handler_ends_it},
};

CHECK_MAIN(cases)
