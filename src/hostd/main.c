#include "base/cleanup.h"
#include "base/log.h"
#include "hostd/instance.h"
#include "hostd/server.h"
#include "linux/firewall.h"
#include "linux/process.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Longest wait for what is being ended when the daemon stops. */
enum { STOP_MAX_MS = 20 * 1000 };

struct daemon {
    struct settings settings;
    struct instance instance;
    struct event_loop loop;
    struct engine_context context;
    struct server server;
    struct engines engines;
    struct engine_call closed;
    struct event_timer stop_limit;
    bool complete; /* everything that was to be ended has ended */
};

static void print_help(void)
{
    puts("Usage: atoll-host [flags]            serve one state directory (as root)\n"
         "       atoll-host [flags] stop-all   end every sandbox of it, keeping files\n"
         "\n"
         "SIGTERM ends atoll-host; sandboxes go on and are taken over by the next one.\n"
         "\nFlags (file keys and variables have the same meaning):");
    settings_print_help(stdout);
}

/* "info", "debug:json", "warn:text". */
static int start_log(const char *setting, struct error *err)
{
    char level_name[16];
    enum log_level level;
    const char *format = strchr(setting, ':');
    size_t length = format ? (size_t)(format - setting) : strlen(setting);
    snprintf(level_name, sizeof(level_name), "%.*s", (int)length, setting);
    if (log_level_parse(level_name, &level) < 0 ||
        (format && strcmp(format, ":json") != 0 && strcmp(format, ":text") != 0)) {
        return error_set_field(err, ERR_VALIDATION, "log", "log: '%s' is not a level", setting);
    }
    bool json = format ? strcmp(format, ":json") == 0 : !isatty(2);
    log_init("atoll-host", level, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    return 0;
}

/* Each sandbox takes three descriptors. */
static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_ended(void *owner, const struct engine_ended *ended)
{
    struct daemon *daemon = owner;
    server_report_end(&daemon->server, ended);
}

static void on_closed(struct engine_call *call, const struct error *error)
{
    struct daemon *daemon = call->owner;
    (void)error;
    daemon->complete = true;
    event_loop_stop(&daemon->loop);
}

static void on_stop_limit(void *owner)
{
    struct daemon *daemon = owner;
    log_error("stop.late", "limit_ms=%d", STOP_MAX_MS);
    event_loop_stop(&daemon->loop);
}

static void begin_stop(struct daemon *daemon, bool everything)
{
    daemon->stop_limit.on_due = on_stop_limit;
    daemon->stop_limit.owner = daemon;
    event_timer_set(&daemon->loop, &daemon->stop_limit, STOP_MAX_MS);
    daemon->closed = (struct engine_call){.on_done = on_closed, .owner = daemon};
    engines_close(&daemon->engines, everything, &daemon->closed);
}

static void on_terminate(void *owner)
{
    struct daemon *daemon = owner;
    if (!daemon->stop_limit.armed) {
        log_info("stop", "reason=signal");
        server_close(&daemon->server);
        begin_stop(daemon, false);
    }
}

/* A host without the means still runs sandboxes, without network. A mistake in a setting is one. */
static int load_firewall(struct daemon *daemon, struct error *err)
{
    char network[32];
    struct engine_context *context = &daemon->context;
    struct firewall firewall = {.instance = daemon->instance.number,
                                .network = engine_network_of(daemon->instance.number, network),
                                .allow_private = daemon->settings.allow_private};
    resolvers_find(&context->resolvers);
    firewall.resolvers = context->resolvers;
    if (context->resolvers.fallback) {
        log_warn("network.resolvers", "problem=%s",
                 "the host's resolver listens on loopback only; sandboxes get public ones");
    }
    if (firewall_load(&firewall, err) == 0) {
        return 0;
    }
    if (err->code == ERR_VALIDATION) {
        return -1;
    }
    snprintf(context->network_problem, sizeof(context->network_problem), "%s", err->message);
    log_error("network.unusable", "problem=%s", context->network_problem);
    return 0;
}

static int open_engines(struct daemon *daemon, struct error *err)
{
    static const struct engine_operations *const table[] = {&container_engine, &vm_engine, NULL};
    daemon->context.settings = &daemon->settings;
    daemon->context.loop = &daemon->loop;
    daemon->context.instance = daemon->instance.number;
    daemon->context.user_id = daemon->instance.user_id;
    daemon->context.group_id = daemon->instance.group_id;
    daemon->context.on_ended = on_ended;
    daemon->context.owner = daemon;
    if (engines_open(&daemon->engines, table, &daemon->context, err) < 0) {
        return -1;
    }
    daemon->server = (struct server){.settings = &daemon->settings,
                                     .loop = &daemon->loop,
                                     .engines = &daemon->engines,
                                     .context = &daemon->context,
                                     .listener.fd = -1};
    return engines_adopt(&daemon->engines, err);
}

static int serve(struct daemon *daemon, struct error *err)
{
    pid_t holder;
    if (instance_claim(&daemon->settings, &daemon->instance, &holder, err) < 0 ||
        load_firewall(daemon, err) < 0 || open_engines(daemon, err) < 0 ||
        server_open(&daemon->server, err) < 0) {
        return -1;
    }
    daemon->loop.on_terminate = on_terminate;
    daemon->loop.owner = daemon;
    log_info("start", "state=%s instance=%d", daemon->settings.state, daemon->instance.number);
    event_loop_run(&daemon->loop);
    return 0;
}

/* Ends the atoll-host that serves this state and waits for it. */
static int replace(pid_t holder, struct error *err)
{
    auto_close int pidfd = holder > 0 ? process_open(holder) : -1;
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || process_signal(pidfd, SIGTERM) < 0 || poll(&wait, 1, 2 * STOP_MAX_MS) != 1) {
        return error_set(err, ERR_CONFLICT, 0, "atoll-host (process %d) does not end", holder);
    }
    return 0;
}

static int stop_all(struct daemon *daemon, struct error *err)
{
    pid_t holder;
    daemon->settings.spare_slots = 0;
    if (instance_claim(&daemon->settings, &daemon->instance, &holder, err) < 0 &&
        (err->code != ERR_CONFLICT || replace(holder, err) < 0 ||
         instance_claim(&daemon->settings, &daemon->instance, &holder, err) < 0)) {
        return -1;
    }
    if (open_engines(daemon, err) < 0) {
        return -1;
    }
    begin_stop(daemon, true);
    event_loop_run(&daemon->loop);
    if (!daemon->complete) {
        return error_set(err, ERR_INTERNAL, 0, "some sandboxes do not end");
    }
    server_close(&daemon->server);
    firewall_remove(daemon->instance.number);
    return 0;
}

static int run(struct daemon *daemon, bool stopping, struct error *err)
{
    if (geteuid() != 0) {
        return error_set(err, ERR_VALIDATION, 0, "atoll-host must run as root");
    }
    raise_open_files();
    daemon->instance.state_lock = daemon->instance.number_lock = -1;
    if (event_loop_open(&daemon->loop, err) < 0) {
        return -1;
    }
    int result = stopping ? stop_all(daemon, err) : serve(daemon, err);
    engines_free(&daemon->engines);
    event_loop_close(&daemon->loop);
    instance_release(&daemon->settings, &daemon->instance, stopping && result == 0);
    return result;
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    struct error err = {0};
    int rest;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 0;
        }
    }
    if (settings_load(argc, argv, &daemon.settings, &rest, &err) < 0 ||
        start_log(daemon.settings.log, &err) < 0) {
        fprintf(stderr, "atoll-host: %s\n", err.message);
        return 2;
    }
    bool stopping = rest < argc && strcmp(argv[rest], "stop-all") == 0;
    if (rest < argc && !(stopping && rest + 1 == argc)) {
        fprintf(stderr, "atoll-host: unexpected argument '%s'; see --help\n", argv[rest]);
        return 2;
    }
    if (run(&daemon, stopping, &err) < 0) {
        fprintf(stderr, "atoll-host: %s\n%s%s", err.message, err.hint, err.hint[0] ? "\n" : "");
        return 1;
    }
    return 0;
}
