#include "sandbox/browsers.h"

#include "base/clock.h"
#include "base/log.h"
#include "sandbox/internal.h"
#include "sandbox/snapshot_view.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void browsers_init(struct browsers *browsers)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&browsers->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&browsers->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct browser *browser_find(struct browsers *browsers, const char *snapshot_id)
{
    struct browser *browser = browsers->first;
    while (browser && (browser->state == BROWSER_ENDING || browser->doomed ||
                       strcmp(browser->snapshot_id, snapshot_id) != 0)) {
        browser = browser->next;
    }
    return browser;
}

bool browsers_know(struct sandboxes *sandboxes, const char *sandbox_id)
{
    struct browsers *browsers = &sandboxes->browsers;
    pthread_mutex_lock(&browsers->mutex);
    const struct browser *browser = browsers->first;
    while (browser && (browser->state == BROWSER_FAILED || strcmp(browser->id, sandbox_id) != 0)) {
        browser = browser->next;
    }
    pthread_mutex_unlock(&browsers->mutex);
    return browser != NULL;
}

int64_t browsers_count(struct sandboxes *sandboxes)
{
    struct browsers *browsers = &sandboxes->browsers;
    int64_t count = 0;
    pthread_mutex_lock(&browsers->mutex);
    for (const struct browser *browser = browsers->first; browser; browser = browser->next) {
        count += browser->state == BROWSER_READY;
    }
    pthread_mutex_unlock(&browsers->mutex);
    return count;
}

void browser_remove(struct browsers *browsers, struct browser *browser)
{
    struct browser **link = &browsers->first;
    while (*link != browser) {
        link = &(*link)->next;
    }
    *link = browser->next;
    browsers->count--;
    free(browser);
    pthread_cond_broadcast(&browsers->changed);
}

void browser_end(struct sandboxes *sandboxes, struct browser *browser)
{
    struct browsers *browsers = &sandboxes->browsers;
    assert(browser->uses == 0 && browser->state != BROWSER_STARTING);
    if (browser->state == BROWSER_READY) {
        struct error err = {0};
        browser->state = BROWSER_ENDING;
        pthread_mutex_unlock(&browsers->mutex);
        int result = host_destroy(sandboxes->host, browser->id, false, &err);
        pthread_mutex_lock(&browsers->mutex);
        if (result < 0) {
            log_warn("snapshot.view_not_ended", "id=%s error=%s", browser->id, err.message);
            watch_request_reconcile(sandboxes); /* one that nobody knows, then */
        }
    }
    browser_remove(browsers, browser);
}

/* The one that was used least lately of those that can be ended; of that tenant, unless NULL. */
static struct browser *find_idle(const struct browsers *browsers, const char *tenant_id)
{
    struct browser *idle = NULL;
    for (struct browser *browser = browsers->first; browser; browser = browser->next) {
        bool candidate = (browser->state == BROWSER_READY || browser->state == BROWSER_FAILED) &&
                         browser->uses == 0 &&
                         (!tenant_id || strcmp(browser->tenant_id, tenant_id) == 0);
        if (candidate && (!idle || browser->used_ms < idle->used_ms)) {
            idle = browser;
        }
    }
    return idle;
}

static int count_of(const struct browsers *browsers, const char *tenant_id)
{
    int count = 0;
    for (const struct browser *browser = browsers->first; browser; browser = browser->next) {
        count += strcmp(browser->tenant_id, tenant_id) == 0;
    }
    return count;
}

static int make_room(struct sandboxes *sandboxes, const char *tenant_id, struct error *err)
{
    struct browsers *browsers = &sandboxes->browsers;
    while (browsers->count >= SNAPSHOT_VIEWS_MAX ||
           count_of(browsers, tenant_id) >= SNAPSHOT_VIEWS_TENANT_MAX) {
        bool own = count_of(browsers, tenant_id) >= SNAPSHOT_VIEWS_TENANT_MAX;
        struct browser *idle = find_idle(browsers, own ? tenant_id : NULL);
        if (!idle) {
            return error_set(err, ERR_CAPACITY, 0,
                             "the files of as many snapshots as possible are being read just now");
        }
        browser_end(sandboxes, idle);
    }
    return 0;
}

struct browser *browser_add(struct sandboxes *sandboxes, const char *tenant_id,
                            const char *snapshot_id, struct error *err)
{
    struct browsers *browsers = &sandboxes->browsers;
    if (make_room(sandboxes, tenant_id, err) < 0) {
        return NULL;
    }
    struct browser *browser = calloc(1, sizeof(*browser));
    if (!browser) {
        error_set(err, ERR_INTERNAL, ENOMEM, "show a snapshot's files");
        return NULL;
    }
    id_make("sbx_", browser->id);
    snprintf(browser->snapshot_id, sizeof(browser->snapshot_id), "%s", snapshot_id);
    snprintf(browser->tenant_id, sizeof(browser->tenant_id), "%s", tenant_id);
    browser->used_ms = clock_monotonic_ms();
    browser->next = browsers->first;
    browsers->first = browser;
    browsers->count++;
    return browser;
}

static struct browser *find_expired(const struct browsers *browsers, int64_t used_ms)
{
    struct browser *idle = find_idle(browsers, NULL);
    return idle && idle->used_ms <= used_ms ? idle : NULL;
}

void browsers_expire(struct sandboxes *sandboxes)
{
    struct browsers *browsers = &sandboxes->browsers;
    int64_t used_ms = clock_monotonic_ms() - sandboxes->settings->snapshot_view_sec * 1000;
    struct browser *expired;
    pthread_mutex_lock(&browsers->mutex);
    while ((expired = find_expired(browsers, used_ms))) {
        log_info("snapshot.view_ended", "id=%s snapshot=%s", expired->id, expired->snapshot_id);
        browser_end(sandboxes, expired);
    }
    pthread_mutex_unlock(&browsers->mutex);
}

void browsers_drop(struct sandboxes *sandboxes, const char *snapshot_id)
{
    struct browsers *browsers = &sandboxes->browsers;
    pthread_mutex_lock(&browsers->mutex);
    struct browser *browser;
    while ((browser = browser_find(browsers, snapshot_id))) {
        if (browser->uses > 0 || browser->state == BROWSER_STARTING) {
            browser->doomed = true;
        } else {
            browser_end(sandboxes, browser);
        }
    }
    pthread_mutex_unlock(&browsers->mutex);
}

void browsers_close(struct sandboxes *sandboxes)
{
    struct browsers *browsers = &sandboxes->browsers;
    pthread_mutex_lock(&browsers->mutex);
    browsers->closing = true;
    while (browsers->starting > 0) {
        pthread_cond_wait(&browsers->changed, &browsers->mutex);
    }
    while (browsers->first) {
        browser_end(sandboxes, browsers->first);
    }
    pthread_mutex_unlock(&browsers->mutex);
    pthread_cond_destroy(&browsers->changed);
    pthread_mutex_destroy(&browsers->mutex);
}
