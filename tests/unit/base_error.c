#include "base/error.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static void every_code_has_a_row(void)
{
    for (int code = ERR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        enum error_code c = (enum error_code)code;
        CHECK(error_api_code(c) && error_api_code(c)[0]);
        CHECK(error_http_status(c) >= 400 && error_http_status(c) < 600);
        CHECK(error_default_hint(c) && strlen(error_default_hint(c)) > 10);
        CHECK(error_default_hint(c)[strlen(error_default_hint(c)) - 1] == '.');
    }
}

static void api_codes_are_unique(void)
{
    for (int a = ERR_NONE + 1; a < ERROR_CODE_COUNT; a++) {
        for (int b = a + 1; b < ERROR_CODE_COUNT; b++) {
            CHECK(strcmp(error_api_code((enum error_code)a), error_api_code((enum error_code)b)) !=
                  0);
        }
    }
}

static void unknown_codes_read_as_internal(void)
{
    CHECK_TEXT(error_api_code(ERROR_CODE_COUNT), "INTERNAL_ERROR");
    CHECK_TEXT(error_api_code((enum error_code) - 1), "INTERNAL_ERROR");
    CHECK_TEXT(error_api_code(ERR_NONE), "INTERNAL_ERROR");
    CHECK_INT(error_http_status((enum error_code)9999), 500);
}

static void messages_gain_context(void)
{
    struct error err = {0};
    CHECK_INT(error_set(&err, ERR_DISK_FULL, ENOSPC, "write %s", "/a"), -1);
    CHECK_TEXT(err.message, "write /a: No space left on device");
    CHECK_INT(err.errnum, ENOSPC);
    CHECK_INT(error_prefix(&err, "upload %d", 7), -1);
    CHECK_TEXT(err.message, "upload 7: write /a: No space left on device");
    CHECK_INT(err.code, ERR_DISK_FULL);
}

static void fields_and_hints_are_kept_apart(void)
{
    struct error err = {0};
    error_set_field(&err, ERR_VALIDATION, "cwd", "cwd must be absolute");
    CHECK_TEXT(err.field, "cwd");
    CHECK_TEXT(err.hint, "");
    error_hint(&err, "Begin it with %c.", '/');
    CHECK_TEXT(err.hint, "Begin it with /.");
    CHECK_TEXT(err.message, "cwd must be absolute");
}

static void long_messages_are_cut(void)
{
    char text[1000];
    struct error err = {0};
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERR_INTERNAL, EIO, "%s", text);
    CHECK_INT((long long)strlen(err.message), sizeof(err.message) - 1);
    error_prefix(&err, "%s", text);
    CHECK_INT((long long)strlen(err.message), sizeof(err.message) - 1);
}

static void nobody_may_want_the_error(void)
{
    CHECK_INT(error_set(NULL, ERR_INTERNAL, 0, "x"), -1);
    CHECK_INT(error_set_field(NULL, ERR_VALIDATION, "f", "x"), -1);
    CHECK_INT(error_prefix(NULL, "x"), -1);
    CHECK_INT(error_hint(NULL, "x"), -1);
}

static void file_errnos_have_codes(void)
{
    CHECK_INT(error_code_for_file_errno(ENOENT), ERR_FILE_NOT_FOUND);
    CHECK_INT(error_code_for_file_errno(EDQUOT), ERR_DISK_FULL);
    CHECK_INT(error_code_for_file_errno(EROFS), ERR_FORBIDDEN_PATH);
    CHECK_INT(error_code_for_file_errno(ELOOP), ERR_VALIDATION);
    CHECK_INT(error_code_for_file_errno(EIO), ERR_INTERNAL);
}

static const struct check_case cases[] = {
    {"every code has a row", every_code_has_a_row},
    {"API codes are unique", api_codes_are_unique},
    {"unknown codes read as internal", unknown_codes_read_as_internal},
    {"messages gain context", messages_gain_context},
    {"fields and hints are kept apart", fields_and_hints_are_kept_apart},
    {"long messages are cut", long_messages_are_cut},
    {"nobody may want the error", nobody_may_want_the_error},
    {"file errnos have codes", file_errnos_have_codes},
};
CHECK_MAIN(cases)
