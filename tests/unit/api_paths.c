/* Paths, modes and byte ranges as requests give them. */
#include "check.h"

#include "api/byte_range.h"
#include "api/file_path.h"

#include <string.h>

static void check_path(const char *base, const char *text, const char *wanted)
{
    char path[AGENT_PATH_MAX];
    struct error err = {0};
    CHECK_INT(file_path_make(base, text, "path", path, &err), 0);
    CHECK_TEXT(path, wanted);
}

static void paths_become_absolute(void)
{
    check_path("/workspace", "/a/b", "/a/b");
    check_path("/workspace", "a/b", "/workspace/a/b");
    check_path("/", "workspace/a", "/workspace/a");
    check_path("/workspace", ".", "/workspace");
    check_path("/workspace", "./a//b/./c/", "/workspace/a/b/c");
    check_path("/workspace", "/", "/");
    check_path("/workspace", "///", "/");
    check_path("/workspace", "..a/b..", "/workspace/..a/b..");
    check_path("/workspace", "/new\nline", "/new\nline");
}

static void check_refused(const char *text)
{
    char path[AGENT_PATH_MAX];
    struct error err = {0};
    CHECK_INT(file_path_make("/workspace", text, "from", path, &err), -1);
    CHECK_INT(err.code, ERR_VALIDATION);
    CHECK_TEXT(err.field, "from");
}

static void bad_paths_name_their_field(void)
{
    char text[2 * AGENT_PATH_MAX];
    check_refused("");
    check_refused("..");
    check_refused("/a/../b");
    check_refused("a/..");
    check_refused("/..");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    check_refused(text);
    text[AGENT_PATH_MAX - 1] = '\0';
    check_refused(text);
    text[0] = '/';
    check_path("/", text, text);
}

static void the_last_component_is_the_name(void)
{
    CHECK_TEXT(file_path_name("/a/b"), "b");
    CHECK_TEXT(file_path_name("/a"), "a");
    CHECK_TEXT(file_path_name("/"), "/");
}

static void modes_are_octal(void)
{
    int64_t mode = 0;
    struct error err = {0};
    CHECK(file_mode_parse("644", "mode", &mode, &err) == 0 && mode == 0644);
    CHECK(file_mode_parse("0755", "mode", &mode, &err) == 0 && mode == 0755);
    CHECK(file_mode_parse("0o600", "mode", &mode, &err) == 0 && mode == 0600);
    CHECK(file_mode_parse("4755", "mode", &mode, &err) == 0 && mode == 04755);
    static const char *const bad[] = {"", "8", "rwx", "-1", "77777", "0x1ff", "644 ", "000000644"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_TEXT(file_mode_parse(bad[i], "mode", &mode, &err) ? "refused" : bad[i], "refused");
    }
}

static void check_range(const char *header, enum byte_range_result wanted, int64_t offset,
                        int64_t length)
{
    int64_t got_offset = 0, got_length = 0;
    CHECK_INT(byte_range_parse(header, 1000, &got_offset, &got_length), wanted);
    CHECK_INT(got_offset, offset);
    CHECK_INT(got_length, length);
}

static void one_range_is_a_part(void)
{
    check_range("bytes=0-0", BYTE_RANGE_PART, 0, 1);
    check_range("bytes=10-19", BYTE_RANGE_PART, 10, 10);
    check_range("bytes=990-", BYTE_RANGE_PART, 990, 10);
    check_range("bytes=990-5000", BYTE_RANGE_PART, 990, 10);
    check_range("bytes=-10", BYTE_RANGE_PART, 990, 10);
    check_range("bytes=-5000", BYTE_RANGE_PART, 0, 1000);
    check_range("BYTES=1-1", BYTE_RANGE_PART, 1, 1);
}

static void ranges_behind_the_end_are_unreachable(void)
{
    check_range("bytes=1000-", BYTE_RANGE_UNREACHABLE, 0, 0);
    check_range("bytes=1000-1001", BYTE_RANGE_UNREACHABLE, 0, 0);
    check_range("bytes=-0", BYTE_RANGE_UNREACHABLE, 0, 0);
    int64_t offset, length;
    CHECK_INT(byte_range_parse("bytes=0-", 0, &offset, &length), BYTE_RANGE_UNREACHABLE);
    CHECK_INT(byte_range_parse("bytes=-5", 0, &offset, &length), BYTE_RANGE_UNREACHABLE);
}

static void what_is_no_single_range_is_ignored(void)
{
    check_range(NULL, BYTE_RANGE_WHOLE, 0, 0);
    check_range("", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=-", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=5-2", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=1-2,4-5", BYTE_RANGE_WHOLE, 0, 0);
    check_range("lines=1-2", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=99999999999999999999-", BYTE_RANGE_WHOLE, 0, 0);
    check_range("bytes=1-x", BYTE_RANGE_WHOLE, 0, 0);
}

static const struct check_case cases[] = {
    {"paths become absolute", paths_become_absolute},
    {"bad paths name their field", bad_paths_name_their_field},
    {"the last component is the name", the_last_component_is_the_name},
    {"modes are octal", modes_are_octal},
    {"one range is a part", one_range_is_a_part},
    {"ranges behind the end are unreachable", ranges_behind_the_end_are_unreachable},
    {"what is no single range is ignored", what_is_no_single_range_is_ignored},
};

CHECK_MAIN(cases)
