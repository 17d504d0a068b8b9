#include "wire/fields.h"

#include "check.h"

#include <string.h>

static void what_is_put_is_found(void)
{
    unsigned char data[256];
    char text[16];
    struct fields_writer writer;
    struct bytes_view value;
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, 1, -5);
    fields_put_string(&writer, 2, "text");
    fields_put_bytes(&writer, 0xfffe, "\0\1", 2);
    fields_put_int(&writer, 1, 7);
    CHECK(!writer.overflow);
    CHECK_INT((long long)writer.length, 6 + 8 + 6 + 4 + 6 + 2 + 6 + 8);
    CHECK_INT(fields_get_int(data, writer.length, 1, 99), -5);
    CHECK(fields_get_text(data, writer.length, 2, text, sizeof(text)));
    CHECK_TEXT(text, "text");
    CHECK(fields_find(data, writer.length, 0xfffe, &value) && value.length == 2);
    CHECK(!fields_find(data, writer.length, 3, &value));
    CHECK_INT(fields_get_int(data, writer.length, 3, 99), 99);
}

static void integers_keep_their_extremes(void)
{
    unsigned char data[64];
    struct fields_writer writer;
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, 1, INT64_MIN);
    fields_put_int(&writer, 2, INT64_MAX);
    CHECK(fields_get_int(data, writer.length, 1, 0) == INT64_MIN);
    CHECK(fields_get_int(data, writer.length, 2, 0) == INT64_MAX);
}

static void repeats_come_in_order(void)
{
    unsigned char data[64];
    struct fields_writer writer;
    struct field field;
    fields_start(&writer, data, sizeof(data));
    fields_put_string(&writer, 9, "a");
    fields_put_string(&writer, 9, "b");
    struct fields_reader reader = {data, writer.length, 0};
    CHECK_INT(fields_next(&reader, &field), 1);
    CHECK(field.tag == 9 && field.value.length == 1 && field.value.data[0] == 'a');
    CHECK_INT(fields_next(&reader, &field), 1);
    CHECK(field.value.data[0] == 'b');
    CHECK_INT(fields_next(&reader, &field), 0);
    CHECK_INT(fields_next(&reader, &field), 0);
}

static void overflow_writes_nothing_more(void)
{
    unsigned char data[20];
    struct fields_writer writer;
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, 1, 1);
    fields_put_string(&writer, 2, "");
    CHECK(!writer.overflow);
    CHECK_INT((long long)writer.length, 20);
    fields_put_string(&writer, 3, "");
    CHECK(writer.overflow);
    CHECK_INT((long long)writer.length, 20);
    fields_start(&writer, data, 0);
    fields_put_string(&writer, 3, "");
    CHECK(writer.overflow);
}

static void malformed_rests_are_refused(void)
{
    static const unsigned char messages[][8] = {
        {1, 0, 3, 0, 0, 0, 'a', 'b'},
        {1, 0, 0xff, 0xff, 0xff, 0xff, 'a', 'b'},
        {1, 0, 0, 0, 0, 0, 'a', 'b'},
    };
    struct field field;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct fields_reader reader = {messages[i], sizeof(messages[i]), 0};
        int result = fields_next(&reader, &field);
        CHECK_INT(result == 1 ? fields_next(&reader, &field) : result, -1);
    }
    for (size_t length = 1; length < 6; length++) {
        struct fields_reader reader = {messages[0], length, 0};
        CHECK_INT(fields_next(&reader, &field), -1);
    }
}

static void values_of_the_wrong_form_are_refused(void)
{
    unsigned char data[64];
    char text[4] = "old";
    struct fields_writer writer;
    fields_start(&writer, data, sizeof(data));
    fields_put_string(&writer, 1, "1234567");
    fields_put_bytes(&writer, 2, "a\0b", 3);
    fields_put_string(&writer, 3, "abcd");
    CHECK_INT(fields_get_int(data, writer.length, 1, 42), 42);
    CHECK(!fields_get_text(data, writer.length, 2, text, sizeof(text)));
    CHECK_TEXT(text, "");
    CHECK(!fields_get_text(data, writer.length, 3, text, sizeof(text)));
    CHECK_TEXT(text, "");
}

static const struct check_case cases[] = {
    {"what is put is found", what_is_put_is_found},
    {"integers keep their extremes", integers_keep_their_extremes},
    {"repeats come in order", repeats_come_in_order},
    {"overflow writes nothing more", overflow_writes_nothing_more},
    {"malformed rests are refused", malformed_rests_are_refused},
    {"values of the wrong form are refused", values_of_the_wrong_form_are_refused},
};
CHECK_MAIN(cases)
