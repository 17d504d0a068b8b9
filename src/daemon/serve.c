#include "daemon/serve.h"

#include "api/api.h"
#include "api/exec_live.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/instance.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Command streams end a moment earlier, so that their last event still goes out. */
enum { SHUTDOWN_GRACE_MS = 10 * 1000, STREAM_GRACE_MS = 8 * 1000, GATEWAY_GRACE_MS = 5 * 1000 };

/* What was started, in this order; stopped in the opposite one. */
struct service {
    struct api api;
    struct catalogue *catalogue;
    int lock_fd;
};

/* All threads inherit this; the main thread takes the signals by sigwait. */
static void block_signals(sigset_t *ret_ending)
{
    sigemptyset(ret_ending);
    sigaddset(ret_ending, SIGTERM);
    sigaddset(ret_ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_ending, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* With root's eyes, if it has them: the catalogue may lie where only root may look. */
static int prepare(const struct settings *settings, struct service *service, struct error *err)
{
    char catalogue[INSTANCE_PATH_SIZE], images[INSTANCE_PATH_SIZE];
    if (instance_prepare(settings, err) < 0) {
        return -1;
    }
    service->catalogue = catalogue_load(instance_catalogue(settings, catalogue),
                                        instance_images(settings, images), err);
    if (!service->catalogue) {
        return -1;
    }
    instance_raise_limits(settings);
    return instance_drop_privileges(settings, err);
}

static int start(const struct settings *settings, struct service *service, struct error *err)
{
    struct api *api = &service->api;
    char path[INSTANCE_PATH_SIZE];
    if (instance_lock(settings, &service->lock_fd, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.start.locked");
    api->settings = settings;
    api->catalogue = service->catalogue;
    api->started_ms = clock_realtime_ms();
    api->store = store_open(instance_database(settings, path), err);
    if (!api->store) {
        return -1;
    }
    api->events = events_open(api->store, err);
    if (!api->events) {
        return -1;
    }
    api->webhooks = webhooks_open(settings, api->store, api->events, err);
    if (!api->webhooks) {
        return -1;
    }
    api->host = hostclient_new(settings_path(settings, "run/host.sock", path, sizeof(path)));
    if (!api->host) {
        return error_set(err, ERR_INTERNAL, errno, "make the client of atoll-host");
    }
    api->sandboxes =
        sandboxes_open(settings, api->store, api->events, api->host, api->catalogue, err);
    if (!api->sandboxes) {
        return -1;
    }
    api->apps = apps_open(settings, api->sandboxes, api->host, api->catalogue, api->events, err);
    if (!api->apps) {
        return -1;
    }
    api->directory = directory_open(settings, api->store, api->sandboxes, err);
    if (!api->directory) {
        return -1;
    }
    api->gateway = gateway_start(settings, api->directory, api->host, err);
    if (!api->gateway) {
        return -1;
    }
    sandboxes_gateway_port(api->sandboxes, gateway_port(api->gateway));
    apps_begin(api->apps, api_expose_app, api);
    FAULT_POINT("daemon.start.reconciled");
    api->server = http_server_start(settings, api->store, api_routes(), api, err);
    return api->server ? 0 : -1;
}

static void stop(struct service *service)
{
    struct api *api = &service->api;
    if (api->server) {
        exec_live_end_all(STREAM_GRACE_MS);
        events_end_all(api->events);
        api->server = http_server_stop(api->server, SHUTDOWN_GRACE_MS);
    }
    api->gateway = gateway_stop(api->gateway, GATEWAY_GRACE_MS);
    api->apps = apps_close(api->apps);
    api->directory = directory_close(api->directory);
    api->sandboxes = sandboxes_close(api->sandboxes);
    if (api->host) {
        api->host = hostclient_free(api->host);
    }
    api->webhooks = webhooks_close(api->webhooks);
    api->events = events_close(api->events);
    api->store = store_close(api->store);
    catalogue_free(service->catalogue);
    close_fd(service->lock_fd);
}

int serve(const struct settings *settings, struct error *err)
{
    sigset_t ending;
    block_signals(&ending);
    struct service service = {.lock_fd = -1};
    int result = prepare(settings, &service, err);
    if (result == 0) {
        result = start(settings, &service, err);
    }
    if (result == 0) {
        log_info("atolld.ready", "version=%s listen=%s state=%s", ATOLL_VERSION, settings->listen,
                 settings->state);
        int signal_number = 0;
        sigwait(&ending, &signal_number);
        log_info("atolld.stopping", "signal=%s", sigabbrev_np(signal_number));
    }
    stop(&service);
    return result;
}
