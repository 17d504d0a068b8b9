#include "events/webhooks_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "events/names.h"
#include "events/webhook_message.h"
#include "store/store_events.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

enum { TICK_MS = 500, IDLE_MS = 60 * 1000, EVENTS_AT_ONCE = 100 };

/* --- events become deliveries --- */

static bool wants(const struct webhook *webhook, const char *name)
{
    size_t index;
    json_t *pattern;
    json_array_foreach(webhook->events, index, pattern)
    {
        if (event_type_matches(json_string_value(pattern), name)) {
            return true;
        }
    }
    return false;
}

/* One event's deliveries; returns how many. */
static size_t make_of_event(const struct webhook *webhook, const struct stored_event *event,
                            struct delivery deliveries[EVENT_NAMES_MAX])
{
    const char *names[EVENT_NAMES_MAX];
    size_t count = event_names(event->type, event->data, names), made = 0;
    for (size_t i = 0; i < count; i++) {
        if (!strchr(names[i], '.') || !wants(webhook, names[i])) {
            continue; /* short names are for streams */
        }
        json_t *data = event_data(names[i], event->sandbox_id, event->time_ms, event->data);
        webhook_delivery_make(webhook, names[i], event->id, event->time_ms, data,
                              &deliveries[made++]);
        json_decref(data);
    }
    return made;
}

/* 1: there is more, 0: all done, -1. */
static int make_some(struct webhooks *webhooks, struct webhook *webhook, struct error *err)
{
    struct stored_events page;
    if (store_events_read(webhooks->store, webhook->tenant_id, NULL, webhook->seq, EVENTS_AT_ONCE,
                          &page, err) < 0) {
        return -1;
    }
    struct delivery made[EVENTS_AT_ONCE * EVENT_NAMES_MAX];
    size_t count = 0, events = page.count;
    for (size_t i = 0; i < events; i++) {
        count += make_of_event(webhook, &page.rows[i], made + count);
    }
    int64_t to_seq = events > 0 ? page.rows[events - 1].seq : webhook->seq;
    stored_events_clear(&page);
    bool is_done = true;
    int result = 0;
    if (to_seq > webhook->seq) {
        FAULT_POINT("webhook.making");
        result = store_deliveries_make(webhooks->store, webhook->id, webhook->seq, to_seq, made,
                                       count, &is_done, err);
        FAULT_POINT("webhook.made");
    }
    for (size_t i = 0; i < count; i++) {
        free(made[i].payload);
    }
    if (result < 0) {
        return -1;
    }
    webhook->seq = to_seq;
    webhooks->is_changed |= !is_done;
    return is_done && events == EVENTS_AT_ONCE;
}

static void make_deliveries(struct webhooks *webhooks)
{
    for (size_t i = 0; i < webhooks->count; i++) {
        struct error err = {0};
        int more = 1;
        while (more == 1 && !webhooks->is_ending) {
            more = make_some(webhooks, &webhooks->all[i], &err);
        }
        if (more < 0) {
            log_error("webhook.deliveries", "webhook=%s error=%s", webhooks->all[i].id,
                      err.message);
        }
    }
}

/* --- deliveries are sent --- */

static int64_t in_flight_of(const struct webhooks *webhooks, const char *tenant_id)
{
    int64_t count = 0;
    for (const struct attempt *a = webhooks->attempts; a; a = a->next) {
        count += strcmp(a->delivery->tenant_id, tenant_id) == 0;
    }
    return count;
}

static bool is_in_flight(const struct webhooks *webhooks, const char *delivery_id)
{
    const struct attempt *a = webhooks->attempts;
    while (a && strcmp(a->delivery->id, delivery_id) != 0) {
        a = a->next;
    }
    return a != NULL;
}

/* Takes the delivery out of the list, or frees it. */
static void send_one(struct webhooks *webhooks, const struct webhook *webhook,
                     const struct delivery *due)
{
    struct delivery *own = malloc(sizeof(*own));
    struct error err = {0};
    if (!own || is_in_flight(webhooks, due->id) ||
        in_flight_of(webhooks, webhook->tenant_id) >= IN_FLIGHT_PER_TENANT) {
        free(own);
        free(due->payload);
        return;
    }
    *own = *due;
    if (attempt_begin(webhooks, webhook, own, &err) < 0) {
        log_error("webhook.send", "webhook=%s error=%s", webhook->id, err.message);
    }
}

static void send_due(struct webhooks *webhooks, const struct webhook *webhook)
{
    int64_t busy = in_flight_of(webhooks, webhook->tenant_id);
    if (busy >= IN_FLIGHT_PER_TENANT || webhooks->in_flight >= IN_FLIGHT_MAX) {
        return;
    }
    struct delivery *due = NULL;
    size_t count = 0;
    struct error err = {0};
    /* Those in flight are still pending in the store, and come first. */
    if (store_deliveries_due(webhooks->store, webhook->id, clock_realtime_ms(),
                             IN_FLIGHT_PER_TENANT + busy, &due, &count, &err) < 0) {
        log_error("webhook.due", "webhook=%s error=%s", webhook->id, err.message);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        send_one(webhooks, webhook, &due[i]);
    }
    free(due);
}

static bool take_results(struct webhooks *webhooks)
{
    bool took = false;
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(webhooks->multi, &left))) {
        struct attempt *attempt = NULL;
        if (message->msg == CURLMSG_DONE) {
            CURLcode result = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&attempt);
            attempt_finish(attempt, result);
            took = true;
        }
    }
    return took;
}

/* --- the thread --- */

static void reload(struct webhooks *webhooks)
{
    struct webhook *all = NULL;
    size_t count = 0;
    struct error err = {0};
    webhooks->is_changed = false;
    if (store_webhook_list(webhooks->store, NULL, &all, &count, &err) < 0) {
        log_error("webhook.load", "error=%s", err.message);
        webhooks->is_changed = true;
        return;
    }
    webhooks_free(webhooks->all, webhooks->count);
    webhooks->all = all;
    webhooks->count = count;
}

/* Waits for sockets, for news, or for the next tick. True: there are news. */
static bool wait_for_news(struct webhooks *webhooks)
{
    struct curl_waitfd news = {.fd = webhooks->wake_fd, .events = CURL_WAIT_POLLIN};
    int ready;
    curl_multi_poll(webhooks->multi, &news, 1, webhooks->count > 0 ? TICK_MS : IDLE_MS, &ready);
    eventfd_t count;
    return news.revents && eventfd_read(webhooks->wake_fd, &count) == 0;
}

static void *run(void *argument)
{
    struct webhooks *webhooks = argument;
    bool has_news = true, is_free = false;
    int64_t looked_ms = 0;
    while (!webhooks->is_ending) {
        if (webhooks->is_changed) {
            reload(webhooks);
            has_news = true;
        }
        if (has_news) {
            make_deliveries(webhooks);
        }
        int64_t now_ms = clock_monotonic_ms();
        if (has_news || is_free || now_ms - looked_ms >= TICK_MS) {
            looked_ms = now_ms;
            for (size_t i = 0; i < webhooks->count; i++) {
                send_due(webhooks, &webhooks->all[i]);
            }
        }
        int running;
        curl_multi_perform(webhooks->multi, &running);
        is_free = take_results(webhooks);
        has_news = !is_free && wait_for_news(webhooks);
    }
    return NULL;
}

struct webhooks *webhooks_open(const struct settings *settings, struct store *store,
                               struct events *events, struct error *err)
{
    struct webhooks *webhooks = calloc(1, sizeof(*webhooks));
    if (!webhooks || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_set(err, ERR_INTERNAL, ENOMEM, "open the sender of webhooks");
        free(webhooks);
        return NULL;
    }
    webhooks->settings = settings;
    webhooks->store = store;
    webhooks->events = events;
    webhooks->is_changed = true;
    webhooks->multi = curl_multi_init();
    webhooks->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = !webhooks->multi        ? ENOMEM
                 : webhooks->wake_fd < 0 ? errno
                                         : pthread_create(&webhooks->thread, NULL, run, webhooks);
    if (failed) {
        error_set(err, ERR_INTERNAL, failed, "open the sender of webhooks");
        return webhooks_close(webhooks);
    }
    webhooks->is_started = true;
    events_listen(events, webhooks->wake_fd);
    return webhooks;
}

struct webhooks *webhooks_close(struct webhooks *webhooks)
{
    if (!webhooks) {
        return NULL;
    }
    events_listen(webhooks->events, -1);
    if (webhooks->is_started) {
        webhooks->is_ending = true;
        webhooks_changed(webhooks);
        pthread_join(webhooks->thread, NULL);
    }
    while (webhooks->attempts) {
        attempt_drop(webhooks->attempts);
    }
    webhooks_free(webhooks->all, webhooks->count);
    curl_multi_cleanup(webhooks->multi);
    curl_global_cleanup();
    close_fd(webhooks->wake_fd);
    free(webhooks);
    return NULL;
}

void webhooks_changed(struct webhooks *webhooks)
{
    webhooks->is_changed = true;
    if (eventfd_write(webhooks->wake_fd, 1) < 0) {
        log_error("webhook.wake", "errno=%d", errno);
    }
}

void webhooks_count(struct webhooks *webhooks, struct webhooks_counts *ret_counts)
{
    *ret_counts = (struct webhooks_counts){.delivered_total = webhooks->delivered_total,
                                           .failed_total = webhooks->failed_total,
                                           .attempts_total = webhooks->attempts_total,
                                           .in_flight = webhooks->in_flight};
}
