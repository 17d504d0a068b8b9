/* base64, and UTF-8 of the API layer. */
#include "check.h"

#include "api/utf8_json.h"
#include "base/base64.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void check_decodes(const char *text, const char *wanted)
{
    unsigned char *bytes = NULL;
    size_t length = 0;
    CHECK_INT(base64_decode_all(text, strlen(text), &bytes, &length), 0);
    CHECK_INT((long long)length, (long long)strlen(wanted));
    CHECK(bytes && memcmp(bytes, wanted, length) == 0);
    free(bytes);
}

static void base64_takes_every_form_of_padding(void)
{
    check_decodes("", "");
    check_decodes("Zg==", "f");
    check_decodes("Zm8=", "fo");
    check_decodes("Zm9v", "foo");
    check_decodes("Zm9vYg", "foob");
    check_decodes("Zm9vYmE", "fooba");
    check_decodes("Zm9vYmFy", "foobar");
    check_decodes("--__", "\xfb\xef\xff");
    check_decodes("++//", "\xfb\xef\xff");
}

static void base64_refuses_what_it_is_not(void)
{
    static const char *const bad[] = {"Z",     "Zg=",   "Z===", "=",        "Zm8==", "Zh==",
                                      "Zm9=",  "Zm9v=", "Z g=", "Zg==Zg==", "Zm9v!", "Zm\n9v",
                                      "Zm\n9", "Zg=v",  "====", "Zm9 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned char *bytes = NULL;
        size_t length;
        CHECK_TEXT(base64_decode_all(bad[i], strlen(bad[i]), &bytes, &length) ? "refused" : bad[i],
                   "refused");
        free(bytes);
    }
}

static void base64_makes_the_round_trip_in_pieces(void)
{
    unsigned char data[256], decoded[300];
    for (size_t length = 0; length < sizeof(data); length++) {
        data[length] = (unsigned char)(length * 37);
        size_t text_length;
        char *text = base64_encode(data, length, &text_length);
        struct base64_decoder decoder = {0};
        size_t made = 0;
        for (size_t i = 0; i < text_length; i++) {
            size_t used;
            made += base64_decode(&decoder, text + i, 1, decoded + made, &used);
            REQUIRE(used == 1);
        }
        CHECK(base64_complete(&decoder) && made == length && memcmp(data, decoded, length) == 0);
        free(text);
    }
}

static void check_json_text(const char *bytes, size_t length, const char *wanted, bool wanted_exact)
{
    bool exact;
    json_t *text = utf8_json(bytes, length, &exact);
    CHECK_TEXT(json_string_value(text), wanted);
    CHECK(exact == wanted_exact);
    json_decref(text);
}

static void what_is_no_utf8_becomes_replacement_characters(void)
{
    check_json_text("plain", 5, "plain", true);
    check_json_text("", 0, "", true);
    check_json_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11, "grüß \xf0\x9f\x98\x80", true);
    check_json_text("a\xff"
                    "b",
                    3,
                    "a\xef\xbf\xbd"
                    "b",
                    false);
    check_json_text("\xc3", 1, "\xef\xbf\xbd", false);
    check_json_text("\xf0\x9f\x98"
                    "x",
                    4, "\xef\xbf\xbdx", false);
    check_json_text("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false);
    check_json_text("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd", false);
}

static void utf8_is_checked_the_same_in_pieces(void)
{
    static const char *const texts[] = {"aä€😀z",
                                        "\xf4\x90\x80\x80",
                                        "\xe0\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "long ascii before \xc3\x28",
                                        "\x80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct utf8_check check = {0};
        bool fits = true;
        for (const char *c = texts[i]; *c; c++) {
            fits = fits && utf8_check(&check, c, 1);
        }
        CHECK((fits && utf8_check_complete(&check)) == utf8_valid(texts[i], strlen(texts[i])));
    }
}

static void an_unfinished_character_is_seen(void)
{
    CHECK_INT((long long)utf8_incomplete_tail("abc", 3), 0);
    CHECK_INT((long long)utf8_incomplete_tail("ab\xc3", 3), 1);
    CHECK_INT((long long)utf8_incomplete_tail("a\xe2\x82", 3), 2);
    CHECK_INT((long long)utf8_incomplete_tail("\xf0\x9f\x98", 3), 3);
    CHECK_INT((long long)utf8_incomplete_tail("\xe2\x82\xac", 3), 0);
    CHECK_INT((long long)utf8_incomplete_tail("\xff", 1), 0);
    CHECK_INT((long long)utf8_incomplete_tail("\x80\x80\x80", 3), 0);
    CHECK_INT((long long)utf8_incomplete_tail("", 0), 0);
}

static void characters_encode(void)
{
    char bytes[5] = "";
    CHECK_INT((long long)utf8_encode('a', bytes), 1);
    CHECK_INT((long long)utf8_encode(0xe4, bytes), 2);
    CHECK(memcmp(bytes, "\xc3\xa4", 2) == 0);
    CHECK_INT((long long)utf8_encode(0x20ac, bytes), 3);
    CHECK(memcmp(bytes, "\xe2\x82\xac", 3) == 0);
    CHECK_INT((long long)utf8_encode(0x1f600, bytes), 4);
    CHECK_TEXT(bytes, "\xf0\x9f\x98\x80");
}

static const struct check_case cases[] = {
    {"base64 takes every form of padding", base64_takes_every_form_of_padding},
    {"base64 refuses what it is not", base64_refuses_what_it_is_not},
    {"base64 makes the round trip in pieces", base64_makes_the_round_trip_in_pieces},
    {"what is no UTF-8 becomes replacement characters",
     what_is_no_utf8_becomes_replacement_characters},
    {"UTF-8 is checked the same in pieces", utf8_is_checked_the_same_in_pieces},
    {"an unfinished character is seen", an_unfinished_character_is_seen},
    {"characters encode", characters_encode},
};

CHECK_MAIN(cases)
