#include "api/snapshot_metrics.h"

struct metric {
    const char *name, *type, *help;
    int64_t value;
};

static int write_metric(struct buffer *page, const struct metric *metric)
{
    return buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", metric->name, metric->help,
                         metric->name, metric->type, metric->name, (long long)metric->value);
}

static int write_by_status(struct buffer *page, const struct store_snapshot_stats *stored)
{
    int failed = buffer_printf(page, "# HELP atoll_snapshots Snapshots by status.\n"
                                     "# TYPE atoll_snapshots gauge\n");
    for (int status = 0; status <= SNAPSHOT_FAILED; status++) {
        failed |= buffer_printf(page, "atoll_snapshots{status=\"%s\"} %lld\n",
                                snapshot_status_name((enum snapshot_status)status),
                                (long long)stored->by_status[status]);
    }
    return failed;
}

static int write_pauses(struct buffer *page, const struct snapshot_counts *counts)
{
    static const char name[] = "atoll_snapshot_pause_seconds";
    return buffer_printf(page,
                         "# HELP %s How long running sandboxes stood still for snapshots and "
                         "forks.\n# TYPE %s summary\n%s_sum %.6f\n%s_count %lld\n",
                         name, name, name, (double)counts->pause_us_total / 1e6, name,
                         (long long)counts->pauses_total);
}

int snapshot_metrics_write(struct buffer *page, const struct snapshot_counts *counts)
{
    const struct store_snapshot_stats *stored = &counts->stored;
    const struct metric metrics[] = {
        {"atoll_snapshot_bytes", "gauge", "What snapshots take on the host's disk.",
         stored->stored_bytes},
        {"atoll_snapshot_memory_bytes", "gauge", "Of this, memory of processes.",
         stored->memory_bytes},
        {"atoll_named_snapshots", "gauge", "Snapshots that have a name.", stored->named},
        {"atoll_snapshot_views", "gauge", "Hidden sandboxes that show the files of snapshots.",
         counts->views},
        {"atoll_snapshots_taken_total", "counter", "Snapshots taken.", counts->taken_total},
        {"atoll_snapshots_failed_total", "counter", "Snapshots that could not be taken.",
         counts->failed_total},
        {"atoll_snapshots_deleted_total", "counter", "Snapshots deleted, expired ones included.",
         counts->deleted_total},
        {"atoll_snapshot_restores_total", "counter", "Sandboxes put back to a snapshot.",
         counts->restored_total},
        {"atoll_snapshot_restores_failed_total", "counter", "Restores that failed.",
         counts->restore_failed_total},
        {"atoll_snapshot_forks_total", "counter", "Sandboxes made from a snapshot or another one.",
         counts->forked_total},
    };
    int failed = write_by_status(page, stored) | write_pauses(page, counts);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        failed |= write_metric(page, &metrics[i]);
    }
    return failed;
}
