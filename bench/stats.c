#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double ms_since(int64_t start_ns)
{
    return (double)(now_ns() - start_ns) / 1e6;
}

void pause_for_ms(int ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (ms > 0 && nanosleep(&left, &left)) {
    }
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const double *values, size_t count, double part)
{
    size_t rank = (size_t)ceil(part * (double)count);
    return values[rank > 0 ? rank - 1 : 0];
}

static json_t *rounded(double value)
{
    return json_real(round(value * 10000) / 10000);
}

json_t *stats_json(double *values, size_t count)
{
    json_t *stats = json_object();
    json_object_set_new(stats, "count", json_integer((json_int_t)count));
    if (count == 0) {
        return stats;
    }
    qsort(values, count, sizeof *values, compare);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
    }
    json_object_set_new(stats, "p50", rounded(percentile(values, count, 0.50)));
    json_object_set_new(stats, "p95", rounded(percentile(values, count, 0.95)));
    json_object_set_new(stats, "p99", rounded(percentile(values, count, 0.99)));
    json_object_set_new(stats, "min", rounded(values[0]));
    json_object_set_new(stats, "max", rounded(values[count - 1]));
    json_object_set_new(stats, "mean", rounded(sum / (double)count));
    return stats;
}
