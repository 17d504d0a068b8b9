#include "engine/warm_budget.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MEMINFO_MAX_BYTES = 16 * 1024, MEBIBYTE = 1024 * 1024 };

/* What the kernel could give without swapping; -1 when it does not say. */
static int64_t memory_available(void)
{
    static const char key[] = "MemAvailable:";
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/meminfo", MEMINFO_MAX_BYTES, &text) < 0) {
        return -1;
    }
    const char *line = strstr(text, key);
    return line ? strtoll(line + sizeof(key) - 1, NULL, 10) * 1024 : -1;
}

int warm_budget_check(const struct settings *settings, int64_t used_bytes, int64_t cost_bytes,
                      struct error *err)
{
    int64_t together = used_bytes + cost_bytes, available = memory_available();
    if (together > settings->warm_memory_mb * MEBIBYTE) {
        return error_set(err, ERR_CAPACITY, 0,
                         "sandboxes that are kept ready would take more than %" PRId64
                         " MiB (warm_memory_mb)",
                         settings->warm_memory_mb);
    }
    if (available >= 0 && together > (available + used_bytes) / WARM_MEMORY_SHARE) {
        return error_set(err, ERR_CAPACITY, 0,
                         "sandboxes that are kept ready would take more than 1/%d of the host's "
                         "free memory",
                         WARM_MEMORY_SHARE);
    }
    return 0;
}

void warm_pace_hold(struct warm_pace *pace, int64_t now_ms, int64_t wait_ms, int64_t most_ms)
{
    if (!pace->waits_since_ms) {
        pace->waits_since_ms = now_ms;
    }
    int64_t latest_ms = pace->waits_since_ms + most_ms;
    pace->not_before_ms = now_ms + wait_ms < latest_ms ? now_ms + wait_ms : latest_ms;
}

int64_t warm_pace_left_ms(const struct warm_pace *pace, int64_t now_ms)
{
    int64_t left_ms = pace->not_before_ms - now_ms;
    return left_ms > 0 ? left_ms : 0;
}

void warm_pace_release(struct warm_pace *pace)
{
    pace->waits_since_ms = 0;
}
