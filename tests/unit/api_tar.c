/* Headers of tar archives. */
#include "check.h"

#include "api/tar.h"

#include <stdio.h>
#include <string.h>

static struct buffer made = {.max = 64 * 1024};

static bool make(struct tar_entry entry)
{
    made.length = 0;
    return tar_header(&entry, &made) == 0 && made.length % TAR_BLOCK_BYTES == 0;
}

static const struct tar_entry plain = {.name = "dir/file",
                                       .link = "",
                                       .type = TAR_FILE,
                                       .mode = 0100640,
                                       .uid = 1000,
                                       .gid = 1001,
                                       .size = 5,
                                       .modified_ms = 1234567890123};

/* The last block of made is the entry's own header. */
static const char *header(void)
{
    return made.data + made.length - TAR_BLOCK_BYTES;
}

static bool has_good_sum(const char *block)
{
    unsigned sum = 0, told = 0;
    for (int i = 0; i < TAR_BLOCK_BYTES; i++) {
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
    }
    return sscanf(block + 148, "%o", &told) == 1 && told == sum;
}

static void a_plain_file_is_one_block(void)
{
    REQUIRE(make(plain));
    CHECK_INT((int64_t)made.length, TAR_BLOCK_BYTES);
    CHECK_TEXT(header(), "dir/file");
    CHECK_TEXT(header() + 100, "0000640");
    CHECK_TEXT(header() + 108, "0001750");
    CHECK_TEXT(header() + 116, "0001751");
    CHECK_TEXT(header() + 124, "00000000005");
    CHECK_TEXT(header() + 136, "11145401322");
    CHECK(header()[156] == '0');
    CHECK(memcmp(header() + 257,
                 "ustar\0"
                 "00",
                 8) == 0);
    CHECK(has_good_sum(header()));
}

static void directories_end_in_a_slash(void)
{
    struct tar_entry entry = plain;
    entry.type = TAR_DIRECTORY;
    entry.size = 0;
    REQUIRE(make(entry));
    CHECK_TEXT(header(), "dir/file/");
    CHECK(header()[156] == '5');
}

static void links_name_their_target(void)
{
    struct tar_entry entry = plain;
    entry.type = TAR_SYMLINK;
    entry.link = "../elsewhere";
    entry.size = 0;
    REQUIRE(make(entry));
    CHECK_TEXT(header() + 157, "../elsewhere");
    CHECK(header()[156] == '2');
}

/* A record's length counts its own digits. */
static bool records_are_whole(const char *records, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t told;
        if (sscanf(records + at, "%zu ", &told) != 1 || at + told > length ||
            records[at + told - 1] != '\n') {
            return false;
        }
        at += told;
    }
    return true;
}

static void check_record(struct tar_entry entry, const char *record)
{
    REQUIRE(make(entry));
    REQUIRE(made.length >= 3 * TAR_BLOCK_BYTES);
    CHECK(made.data[156] == 'x' && has_good_sum(made.data) && has_good_sum(header()));
    size_t length;
    REQUIRE(sscanf(made.data + 124, "%zo", &length) == 1);
    CHECK(records_are_whole(made.data + TAR_BLOCK_BYTES, length));
    CHECK(strstr(made.data + TAR_BLOCK_BYTES, record) != NULL);
}

static void what_does_not_fit_is_told_in_records(void)
{
    char name[300];
    for (size_t length = 100; length < sizeof(name); length++) {
        memset(name, 'n', length);
        name[length] = '\0';
        struct tar_entry entry = plain;
        entry.name = name;
        if (length > 100) {
            char record[320];
            snprintf(record, sizeof(record), " path=%s\n", name);
            check_record(entry, record);
        } else {
            CHECK(make(entry) && made.length == TAR_BLOCK_BYTES);
            CHECK(memcmp(header(), name, 100) == 0);
        }
    }
    struct tar_entry entry = plain;
    entry.uid = 3000000;
    check_record(entry, "15 uid=3000000\n");
    entry = plain;
    entry.size = INT64_C(1) << 33;
    check_record(entry, "19 size=8589934592\n");
    entry = plain;
    entry.link = name;
    check_record(entry, " linkpath=nnn");
}

static void names_that_are_no_utf8_are_bytes(void)
{
    struct tar_entry entry = plain;
    entry.name = "a\xff";
    check_record(entry, "21 hdrcharset=BINARY\n");
    CHECK(strstr(made.data + TAR_BLOCK_BYTES, "11 path=a\xff\n") != NULL);
    CHECK(memcmp(header(), "a\xff", 2) == 0);
}

static void padding_fills_the_block(void)
{
    CHECK_INT(tar_padding(0), 0);
    CHECK_INT(tar_padding(1), 511);
    CHECK_INT(tar_padding(511), 1);
    CHECK_INT(tar_padding(512), 0);
    CHECK_INT(tar_padding((INT64_C(1) << 31) + 513), 511);
}

static const struct check_case cases[] = {
    {"a_plain_file_is_one_block", a_plain_file_is_one_block},
    {"directories_end_in_a_slash", directories_end_in_a_slash},
    {"links_name_their_target", links_name_their_target},
    {"what_does_not_fit_is_told_in_records", what_does_not_fit_is_told_in_records},
    {"names_that_are_no_utf8_are_bytes", names_that_are_no_utf8_are_bytes},
    {"padding_fills_the_block", padding_fills_the_block},
};

CHECK_MAIN(cases)
