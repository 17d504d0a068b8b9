#include "base/settings.h"

#include "check.h"

#include "base/cleanup.h"

#include <string.h>

static struct error err;
static struct settings settings;
static int rest;

static int load(int argc, const char **argv)
{
    return settings_load(argc, (char **)(void *)argv, &settings, &rest, &err);
}

#define LOAD(...)                                                                                  \
    load(sizeof((const char *[]){"program", __VA_ARGS__}) / sizeof(char *),                        \
         (const char *[]){"program", __VA_ARGS__, NULL})

static void clear_environment(void)
{
#define X(member, key, variable, ...) unsetenv(variable);
    SETTINGS_TEXT(X)
    SETTINGS_INT(X)
#undef X
    setenv("ATOLL_CONFIG", "/dev/null", 1);
}

static void defaults_apply(void)
{
    clear_environment();
    CHECK_INT(LOAD("--"), 0);
    CHECK_TEXT(settings.state, "/var/lib/atoll");
    CHECK_INT(settings.max_sandboxes, 10);
    CHECK_INT(settings.rate_limit, 300);
}

static void flags_beat_variables_beat_file_beats_defaults(void)
{
    char path[] = "/tmp/atoll-unit-settings-XXXXXX";
    auto_close int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    const char text[] = "# a comment\ndomain = file.example\nmax_sandboxes = 11\nrate_limit = 12\n";
    REQUIRE(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
    clear_environment();
    setenv("ATOLL_MAX_SANDBOXES", "21", 1);
    setenv("ATOLL_RATE_LIMIT", "22", 1);
    CHECK_INT(LOAD("--config", path, "--rate-limit=32", "--state", "/s", "serve", "--not-a-flag"),
              0);
    CHECK_TEXT(settings.domain, "file.example");
    CHECK_INT(settings.max_sandboxes, 21);
    CHECK_INT(settings.rate_limit, 32);
    CHECK_TEXT(settings.state, "/s");
    CHECK_INT(rest, 6);
    unlink(path);
}

static void mistakes_name_the_setting(void)
{
    clear_environment();
    CHECK_INT(LOAD("--max-sandboxes=0"), -1);
    CHECK_TEXT(err.field, "max_sandboxes");
    CHECK(strstr(err.message, "from 1 to"));
    CHECK_INT(LOAD("--max-sandboxes=1x"), -1);
    CHECK_INT(LOAD("--max-sandboxes="), -1);
    CHECK_INT(LOAD("--max-sandboxes=99999999999999999999"), -1);
    CHECK_INT(LOAD("--max-jobs=1001"), -1);
    CHECK(strstr(err.message, "from 1 to 1000,"));
    CHECK_INT(LOAD("--max-terminals=257"), -1);
    CHECK(strstr(err.message, "from 1 to 256,"));
    CHECK_INT(LOAD("--no-such=1"), -1);
    CHECK(strstr(err.message, "no_such"));
    CHECK_INT(LOAD("--state"), -1);
    CHECK_INT(LOAD("--state=relative"), -1);
    CHECK_TEXT(err.field, "state");
    setenv("ATOLL_RATE_LIMIT", "many", 1);
    CHECK_INT(LOAD("--"), -1);
    CHECK(strstr(err.message, "ATOLL_RATE_LIMIT"));
}

static void named_file_must_exist(void)
{
    clear_environment();
    CHECK_INT(LOAD("--config=/no/such/file"), -1);
    CHECK(strstr(err.message, "/no/such/file"));
}

static void paths_are_below_the_state(void)
{
    char path[64];
    clear_environment();
    CHECK_INT(LOAD("--state=/s"), 0);
    CHECK_TEXT(settings_path(&settings, "run/x", path, sizeof(path)), "/s/run/x");
}

static const struct check_case cases[] = {
    {"defaults apply", defaults_apply},
    {"flags beat variables beat the file beats defaults",
     flags_beat_variables_beat_file_beats_defaults},
    {"mistakes name the setting", mistakes_name_the_setting},
    {"a named file must exist", named_file_must_exist},
    {"paths are below the state", paths_are_below_the_state},
};
CHECK_MAIN(cases)
