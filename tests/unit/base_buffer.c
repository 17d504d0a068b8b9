#include "base/buffer.h"

#include "check.h"

#include <errno.h>
#include <string.h>

static void appends_stay_terminated(void)
{
    auto_buffer struct buffer buffer = BUFFER_INIT(1000);
    CHECK_INT(buffer_append(&buffer, "ab", 2), 0);
    CHECK_INT(buffer_printf(&buffer, "%d", 42), 0);
    CHECK_INT(buffer_append(&buffer, "", 0), 0);
    CHECK_TEXT(buffer.data, "ab42");
    CHECK_INT((long long)buffer.length, 4);
}

static void maximum_is_exact(void)
{
    auto_buffer struct buffer buffer = BUFFER_INIT(600);
    char block[600] = "";
    CHECK_INT(buffer_append(&buffer, block, 599), 0);
    CHECK_INT(buffer_append(&buffer, "xy", 2), -1);
    CHECK_INT(errno, E2BIG);
    CHECK_INT((long long)buffer.length, 599);
    CHECK_INT(buffer_append(&buffer, "x", 1), 0);
    CHECK_INT(buffer_append(&buffer, "y", 1), -1);
    CHECK_INT(buffer_append(&buffer, block, (size_t)-1), -1);
    CHECK_INT(buffer.data[600], 0);
}

static void reserved_room_is_usable(void)
{
    auto_buffer struct buffer buffer = BUFFER_INIT(10000);
    CHECK_INT(buffer_append(&buffer, "head", 4), 0);
    char *room = buffer_reserve(&buffer, 5000);
    REQUIRE(room);
    CHECK_INT((long long)buffer.length, 4);
    memset(room, 'x', 5000);
    buffer.length += 5000;
    CHECK(memcmp(buffer.data, "headxxx", 7) == 0);
    CHECK_INT(buffer.data[5004], 0);
}

static void freeing_keeps_the_maximum(void)
{
    struct buffer buffer = BUFFER_INIT(10);
    buffer_free(&buffer);
    buffer_free(NULL);
    CHECK_INT(buffer_append(&buffer, "0123456789", 10), 0);
    buffer_free(&buffer);
    CHECK(!buffer.data);
    CHECK_INT((long long)buffer.length, 0);
    CHECK_INT(buffer_append(&buffer, "0123456789x", 11), -1);
    CHECK_INT(buffer_append(&buffer, "a", 1), 0);
    buffer_free(&buffer);
}

static const struct check_case cases[] = {
    {"appends stay terminated", appends_stay_terminated},
    {"the maximum is exact", maximum_is_exact},
    {"reserved room is usable", reserved_room_is_usable},
    {"freeing keeps the maximum", freeing_keeps_the_maximum},
};
CHECK_MAIN(cases)
