/* Forms with files: read in pieces of every size, and refused when they are not right. */
#include "check.h"

#include "api/multipart.h"

#include <stdio.h>
#include <string.h>

enum { LOG_SIZE = 1024 };

/* What happened, as text: "<name>data|". */
struct happened {
    char text[LOG_SIZE];
    size_t length;
};

static void note(struct happened *happened, const char *bytes, size_t length)
{
    if (happened->length + length < LOG_SIZE) {
        memcpy(happened->text + happened->length, bytes, length);
        happened->length += length;
    }
}

static int on_part(void *context, const char *name, struct error *err)
{
    (void)err;
    note(context, "<", 1);
    note(context, name, strlen(name));
    note(context, ">", 1);
    return 0;
}

static int on_data(void *context, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    note(context, bytes, length);
    return 0;
}

static int on_part_end(void *context, struct error *err)
{
    (void)err;
    note(context, "|", 1);
    return 0;
}

static int parse(const char *body, size_t step, struct happened *happened, struct error *err)
{
    *happened = (struct happened){0};
    struct multipart_handler handler = {on_part, on_data, on_part_end, happened};
    struct multipart *multipart =
        multipart_new("multipart/form-data; boundary=\"b--b\"", handler, err);
    size_t length = strlen(body);
    int result = multipart ? 0 : -1;
    for (size_t at = 0; at < length && result == 0; at += step) {
        result = multipart_push(multipart, body + at, length - at < step ? length - at : step, err);
    }
    if (result == 0) {
        result = multipart_finish(multipart, err);
    }
    multipart_free(multipart);
    return result;
}

static void check_form(const char *body, const char *wanted)
{
    for (size_t step = 1; step <= strlen(body); step++) {
        struct happened happened;
        struct error err = {0};
        CHECK_TEXT(parse(body, step, &happened, &err) ? err.message : "", "");
        CHECK_TEXT(happened.text, wanted);
    }
}

static void check_refused(const char *body)
{
    for (size_t step = 1; step <= strlen(body) + 1; step++) {
        struct happened happened;
        struct error err = {0};
        CHECK_INT(parse(body, step, &happened, &err), -1);
        CHECK_INT(err.code, ERR_BAD_REQUEST);
    }
}

#define PART(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void parts_come_with_their_names(void)
{
    check_form("--b--b\r\n" PART("path") "/a\r\n--b--b\r\n" PART("file") "data\r\n--b--b--\r\n",
               "<path>/a|<file>data|");
    check_form("preamble\r\n--b--b  \r\n" PART("x") "\r\n--b--b--epilogue", "<x>|");
    check_form(
        "--b--b\r\ncontent-type: a/b\r\nCONTENT-DISPOSITION:form-data;name=x;"
        " filename=\"a;\\\" b.txt\"\r\nContent-Transfer-Encoding: binary\r\n\r\n1\r\n--b--b--",
        "<x>1|");
}

static void data_may_look_like_a_boundary(void)
{
    check_form("--b--b\r\n" PART("f") "\r\n--\r\n--b\r\n\r\r\n--b-\r\n--b--\r\n\r\n--b--b--",
               "<f>\r\n--\r\n--b\r\n\r\r\n--b-\r\n--b--\r\n|");
    check_form("--b--b\r\n" PART("f") "--b--b--\r\n--b--b--", "<f>--b--b--|");
}

static void what_is_cut_or_ambiguous_is_refused(void)
{
    check_refused("");
    check_refused("--b--b");
    check_refused("--b--b\r\n" PART("f") "data");
    check_refused("--b--b\r\n" PART("f") "data\r\n--b--b\r\n");
    check_refused("--b--b\r\n\r\nno head\r\n--b--b--");
    check_refused("--b--bx\r\n" PART("f") "\r\n--b--b--");
    check_refused("--b--b\n" PART("f") "\r\n--b--b--");
    check_refused("--b--b\r\nContent-Disposition: attachment; name=\"f\"\r\n\r\n\r\n--b--b--");
    check_refused("--b--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--b--");
    check_refused("--b--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n\r\n--b--b--");
    check_refused("--b--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--b--b--");
    check_refused("--b--b\r\nContent-Transfer-Encoding: base64\r\n" PART("f") "\r\n--b--b--");
    check_refused("--b--b\r\nno colon\r\n" PART("f") "\r\n--b--b--");
}

static void a_boundary_is_needed(void)
{
    static const char *const types[] = {
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a\\\"b\"",
        "multipart/form-data; "
        "boundary=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg1234567890",
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct error err = {0};
        struct multipart *multipart = multipart_new(types[i], (struct multipart_handler){0}, &err);
        CHECK_TEXT(multipart ? types[i] : "refused", "refused");
        multipart_free(multipart);
    }
}

static void a_header_has_parameters(void)
{
    char text[16];
    CHECK_INT(header_parameter("a/b; x=1 ; Y=\"2;\\\"3\"", "y", text, sizeof(text)), 1);
    CHECK_TEXT(text, "2;\"3");
    CHECK_INT(header_parameter("a/b; x=1", "y", text, sizeof(text)), 0);
    CHECK_INT(header_parameter("a/b", "y", text, sizeof(text)), 0);
    CHECK_INT(header_parameter("a/b; y", "y", text, sizeof(text)), -1);
    CHECK_INT(header_parameter("a/b; y=12345678901234567890", "y", text, sizeof(text)), -1);
}

static const struct check_case cases[] = {
    {"parts come with their names", parts_come_with_their_names},
    {"data may look like a boundary", data_may_look_like_a_boundary},
    {"what is cut or ambiguous is refused", what_is_cut_or_ambiguous_is_refused},
    {"a boundary is needed", a_boundary_is_needed},
    {"a header has parameters", a_header_has_parameters},
};

CHECK_MAIN(cases)
