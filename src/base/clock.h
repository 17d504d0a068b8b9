/* Time: monotonic for durations, UTC for records. */
#ifndef ATOLL_BASE_CLOCK_H
#define ATOLL_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC; what timers and durations use. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z; what is stored. */
int64_t clock_realtime_ms(void);

enum { CLOCK_ISO8601_SIZE = 32 };

/* Writes "2026-04-25T10:00:00.123Z" and a NUL into text[CLOCK_ISO8601_SIZE]; returns text. */
char *clock_iso8601(int64_t realtime_ms, char text[CLOCK_ISO8601_SIZE]);

#endif
