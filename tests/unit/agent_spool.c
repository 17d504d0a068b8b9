/* The kept output of a session: what is read where, what goes, and a disk that is full. */
#include "agent/spool.h"

#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { SMALL_BYTES = 4096 };

static struct spool spool;
static unsigned char bytes[SMALL_BYTES];
static struct spool_piece piece;

static void start(void)
{
    REQUIRE(spool_open(&spool, true, SMALL_BYTES) == 0);
}

static void put(const char *text)
{
    spool_put(&spool, 1, 7, text, strlen(text));
}

static int get(struct spool_cursor *cursor, size_t size)
{
    int result = spool_read(&spool, cursor, spool.end, bytes, size, &piece);
    bytes[result ? piece.length : 0] = '\0';
    return result;
}

static void pieces_come_back_as_they_were_put(void)
{
    struct spool_cursor cursor = {0};
    start();
    put("one");
    spool_put(&spool, 2, 9, "second", 6);
    CHECK_INT(get(&cursor, 100), 1);
    CHECK_TEXT((char *)bytes, "one");
    CHECK_INT(piece.stream, 1);
    CHECK_INT(piece.time_ms, 7);
    CHECK_INT(cursor.position, 3);
    CHECK_INT(get(&cursor, 4), 1);
    CHECK_TEXT((char *)bytes, "seco");
    CHECK_INT(piece.stream, 2);
    CHECK_INT(get(&cursor, 4), 1);
    CHECK_TEXT((char *)bytes, "nd");
    CHECK_INT(get(&cursor, 4), 0);
    put("later");
    CHECK_INT(get(&cursor, 100), 1);
    CHECK_TEXT((char *)bytes, "later");
    CHECK_INT(piece.lost, 0);
    spool_close(&spool);
}

static void limit_ends_reading_inside_a_record(void)
{
    struct spool_cursor cursor = {.position = 2};
    start();
    put("0123456789");
    CHECK_INT(spool_read(&spool, &cursor, 5, bytes, 100, &piece), 1);
    CHECK_INT((long long)piece.length, 3);
    CHECK(memcmp(bytes, "234", 3) == 0);
    CHECK_INT(spool_read(&spool, &cursor, 5, bytes, 100, &piece), 0);
    spool_close(&spool);
}

/* Every position, however far behind: what is gone and what is there make up the whole. */
static void nothing_is_silently_missing(void)
{
    start();
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%07d", i);
        put(text);
    }
    for (int64_t from = 0; from <= spool.end; from += 3) {
        struct spool_cursor cursor = {.position = from};
        int64_t position = from;
        while (get(&cursor, 5)) {
            position += piece.lost;
            char text[16];
            snprintf(text, sizeof(text), "%07d", (int)(position / 7));
            CHECK(memcmp(bytes, text + position % 7, piece.length) == 0);
            position += (int64_t)piece.length;
            CHECK_INT(position, cursor.position);
        }
        CHECK_INT(position, spool.end);
    }
    spool_close(&spool);
}

static void reader_that_falls_behind_goes_on_with_what_is_left(void)
{
    struct spool_cursor cursor = {0};
    start();
    put("first");
    CHECK_INT(get(&cursor, 2), 1);
    for (int i = 0; i < 1000; i++) {
        put("filler");
    }
    put("last");
    int64_t lost = 0;
    while (get(&cursor, 100)) {
        lost += piece.lost;
    }
    CHECK(lost > 0);
    CHECK_INT(cursor.position, spool.end);
    spool_close(&spool);
}

static void full_disk_loses_pieces_and_says_so(void)
{
    struct spool_cursor cursor = {0};
    struct rlimit before;
    start();
    put("before");
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &(struct rlimit){40, before.rlim_max}) == 0);
    put("lost with the disk");
    CHECK_INT(get(&cursor, 100), 1);
    CHECK_TEXT((char *)bytes, "before");
    CHECK_INT(get(&cursor, 100), 1);
    CHECK_INT((long long)piece.length, 0);
    CHECK_INT(piece.lost, 18);
    put("also lost");
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    put("after");
    CHECK_INT(get(&cursor, 100), 1);
    CHECK_TEXT((char *)bytes, "after");
    CHECK_INT(piece.lost, 9);
    CHECK_INT(get(&cursor, 100), 0);
    spool_close(&spool);
}

static const struct check_case cases[] = {
    {"pieces come back as they were put", pieces_come_back_as_they_were_put},
    {"a limit ends reading inside of a record", limit_ends_reading_inside_a_record},
    {"nothing is silently missing", nothing_is_silently_missing},
    {"a reader that falls behind goes on with what is left",
     reader_that_falls_behind_goes_on_with_what_is_left},
    {"a full disk loses pieces and says so", full_disk_loses_pieces_and_says_so},
};
CHECK_MAIN(cases)
