#include "base/ids.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static void ids_are_valid_and_different(void)
{
    char last[ID_SIZE] = "";
    for (int i = 0; i < 1000; i++) {
        char id[ID_SIZE];
        CHECK(id_make("sbx_", id) == id);
        CHECK_INT((long long)strlen(id), 30);
        CHECK(id_valid("sbx_", id));
        CHECK(!id_valid("msk_", id));
        CHECK(strcmp(id, last) != 0);
        CHECK(strncmp(last, id, 14) <= 0); /* the time is not going backwards */
        strcpy(last, id);
    }
}

static void bytes_make_the_same_id_again(void)
{
    char id[ID_SIZE];
    unsigned char bytes[16];
    memset(bytes, 0xff, sizeof(bytes));
    CHECK_TEXT(id_of_bytes("job_", bytes, id), "job_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    CHECK(id_valid("job_", id));
    memset(bytes, 0, sizeof(bytes));
    bytes[15] = 1;
    CHECK_TEXT(id_of_bytes("job_", bytes, id), "job_00000000000000000000000001");
}

static void other_texts_are_no_ids(void)
{
    static const char *const texts[] = {
        "",
        "sbx_",
        "sbx_01jsv000000000000000000000x",
        "sbx_01jsv00000000000000000000",
        "sbx_01JSV0000000000000000000A0",
        "sbx_01jsv000000000000000000000/",
        "sbx_01jsv00000000000000000000i",
        "sbx_../../../../../../etc/passw",
        "sbx_81jsv000000000000000000000",
        " sbx_01jsv000000000000000000000",
    };
    CHECK(id_valid("sbx_", "sbx_01jsv000000000000000000000"));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(!id_valid("sbx_", texts[i]));
    }
}

static void slugs_are_dns_labels(void)
{
    for (int i = 0; i < 1000; i++) {
        char slug[SLUG_SIZE];
        slug_make(slug);
        CHECK_INT((long long)strlen(slug), 12);
        CHECK(slug[0] >= 'a' && slug[0] <= 'z');
        CHECK_INT((long long)strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789"), 12);
    }
}

static void secrets_fill_their_room(void)
{
    char secret[41];
    char other[41];
    secret_make(secret, sizeof(secret));
    secret_make(other, sizeof(other));
    CHECK_INT((long long)strlen(secret), 40);
    CHECK(strcmp(secret, other) != 0);
}

static const struct check_case cases[] = {
    {"ids are valid and different", ids_are_valid_and_different},
    {"bytes make the same id again", bytes_make_the_same_id_again},
    {"other texts are no ids", other_texts_are_no_ids},
    {"slugs are DNS labels", slugs_are_dns_labels},
    {"secrets fill their room", secrets_fill_their_room},
};
CHECK_MAIN(cases)
