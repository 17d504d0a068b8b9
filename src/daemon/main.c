/* atolld: HTTP API, store, life cycle. Never root while it serves. */
#include "api/api.h"
#include "base/log.h"
#include "daemon/admin.h"
#include "daemon/serve.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_help(void)
{
    puts("atolld serves the HTTP API of one atoll instance. It asks atoll-host, which must run on "
         "the\n"
         "same state directory, for everything that needs privileges. Started as root, it becomes "
         "the\n"
         "user of the setting 'user'.\n"
         "\n"
         "  atolld [FLAGS]                                serves until SIGTERM or SIGINT");
    admin_print_help(stdout);
    puts(
        "  atolld --print-routes                         lists the API's routes\n"
        "  atolld --version, atolld --help\n"
        "\n"
        "Flags, with the variable and default of each; later wins: default, file, variable, flag:");
    settings_print_help(stdout);
    puts("\nExit status: 0 ended by a signal or done, 1 failed, 2 wrong arguments or settings.");
}

static void print_routes(void)
{
    for (const struct route *route = api_routes(); route->method; route++) {
        bool outside = strncmp(route->pattern, "//", 2) == 0;
        printf("%s %s%s\n", route->method, outside ? "" : "/api/v1",
               route->pattern + (outside ? 1 : 0));
    }
}

/* "level", or "level:json", "level:text". */
static int start_log(const struct settings *settings, struct error *err)
{
    char text[sizeof(settings->log)];
    memcpy(text, settings->log, sizeof(text));
    enum log_format format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    char *colon = strchr(text, ':');
    if (colon) {
        *colon = '\0';
        format = strcmp(colon + 1, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    }
    enum log_level level;
    bool known_format = !colon || strcmp(colon + 1, "json") == 0 || strcmp(colon + 1, "text") == 0;
    if (log_level_parse(text, &level) < 0 || !known_format) {
        return error_set_field(
            err, ERR_VALIDATION, "log",
            "log must be debug, info, warn or error, with ':json' or ':text' behind "
            "it or nothing; not '%s'",
            settings->log);
    }
    log_init("atolld", level, format);
    return 0;
}

/* On the terminal too when the log is JSON: who starts it by hand should read a sentence. */
static int fail(const struct error *err, int status)
{
    const char *hint = err->hint[0] ? err->hint : error_default_hint(err->code);
    fprintf(stderr, "atolld: %s\n", err->message);
    if (status == EXIT_FAILED && hint && *hint) {
        fprintf(stderr, "atolld: %s\n", hint);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        print_help();
        return 0;
    }
    if (strcmp(first, "--version") == 0) {
        puts("atolld " ATOLL_VERSION);
        return 0;
    }
    if (strcmp(first, "--print-routes") == 0) {
        print_routes();
        return 0;
    }
    static struct settings settings;
    struct error err = {0};
    int rest = argc;
    if (settings_load(argc, argv, &settings, &rest, &err) < 0 || start_log(&settings, &err) < 0) {
        return fail(&err, EXIT_USAGE);
    }
    if (rest < argc && strcmp(argv[rest], "admin") == 0) {
        int result = admin_run(&settings, argv + rest + 1, &err);
        return result == 0 ? 0 : fail(&err, err.code == ERR_VALIDATION ? EXIT_USAGE : EXIT_FAILED);
    }
    if (rest < argc) {
        error_set(&err, ERR_VALIDATION, 0, "unexpected argument '%s'; see atolld --help",
                  argv[rest]);
        return fail(&err, EXIT_USAGE);
    }
    return serve(&settings, &err) == 0 ? 0 : fail(&err, EXIT_FAILED);
}
