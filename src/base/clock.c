#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

char *clock_iso8601(int64_t realtime_ms, char text[CLOCK_ISO8601_SIZE])
{
    time_t seconds = (time_t)(realtime_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char stamp[24];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, CLOCK_ISO8601_SIZE, "%s.%03dZ", stamp, (int)(realtime_ms % 1000));
    return text;
}
