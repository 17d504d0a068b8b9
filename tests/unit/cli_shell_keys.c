/* Escapes at the beginning of a line, however the keys are cut into pieces. */
#include "check.h"

#include "cli/shell_keys.h"

#include <string.h>

static void check_keys(const char *typed, size_t step, const char *sent, bool leaves)
{
    struct shell_keys keys = {.at_line_start = true};
    char out[256] = "", piece[128];
    bool left = false;
    size_t total = 0;
    for (size_t i = 0; i < strlen(typed) && !left; i += step) {
        size_t length = strlen(typed) - i < step ? strlen(typed) - i : step;
        size_t used = shell_keys_take(&keys, typed + i, length, piece, &left);
        memcpy(out + total, piece, used);
        total += used;
    }
    CHECK_TEXT(out, sent);
    CHECK(left == leaves);
}

static void escapes(void)
{
    static const struct {
        const char *typed, *sent;
        bool leaves;
    } rows[] = {
        {"ls\r", "ls\r", false},
        {"~.", "", true},
        {"ls\r~.never sent", "ls\r", true},
        {"\n~.", "\n", true},
        {"~~", "~", false},
        {"~~.", "~.", false},
        {"~/bin\r", "~/bin\r", false},
        {"cd ~.\r", "cd ~.\r", false},
        {"cd ~\r~x~.", "cd ~\r~x~.", false},
        {"~\r~.", "~\r", true},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step < 5; step++) {
            check_keys(rows[i].typed, step, rows[i].sent, rows[i].leaves);
        }
    }
}

static const struct check_case cases[] = {{"escapes", escapes}};

CHECK_MAIN(cases)
