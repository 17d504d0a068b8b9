/* The pure parts of apps: readiness probes as people write them, and logs made fit to be shown. */
#include "check.h"

#include "app/internal.h"
#include "app/log_clean.h"

#include <stdlib.h>
#include <string.h>

/* Normalises the probe written as JSON; "" when it is refused. The caller's to free(). */
static char *normalised(const char *text)
{
    struct error err = {0};
    auto_json json_t *probe = json_loads(text, 0, NULL);
    auto_json json_t *result = probe_normalise(probe, &err);
    if (!result) {
        CHECK_INT(err.code, ERR_VALIDATION);
        CHECK_TEXT(err.field, "readiness_probe");
        CHECK(err.hint[0]);
        return strdup("");
    }
    return json_dumps(result, JSON_COMPACT);
}

static void check_probe(const char *text, const char *wanted)
{
    char *got = normalised(text);
    CHECK_TEXT(got, wanted);
    free(got);
}

static void a_url_becomes_port_and_path(void)
{
    check_probe("{\"type\":\"http\",\"url\":\"http://127.0.0.1:3000\"}",
                "{\"type\":\"http\",\"port\":3000,\"path\":\"/\"}");
    check_probe("{\"type\":\"http\",\"url\":\"http://localhost/health?full=1\"}",
                "{\"type\":\"http\",\"port\":80,\"path\":\"/health?full=1\"}");
    check_probe("{\"type\":\"http\",\"url\":\"http://[::1]:8501/_stcore/health\"}",
                "{\"type\":\"http\",\"port\":8501,\"path\":\"/_stcore/health\"}");
}

static void the_other_forms_stay(void)
{
    check_probe("{\"type\":\"http\",\"port\":3000}",
                "{\"type\":\"http\",\"port\":3000,\"path\":\"/\"}");
    check_probe("{\"type\":\"http\",\"port\":3000,\"path\":\"/a?b=c\",\"url\":null}",
                "{\"type\":\"http\",\"port\":3000,\"path\":\"/a?b=c\"}");
    check_probe("{\"type\":\"tcp\",\"port\":5432}", "{\"type\":\"tcp\",\"port\":5432}");
    check_probe("{\"type\":\"exec\",\"command\":\"true\"}",
                "{\"type\":\"exec\",\"command\":\"true\"}");
}

static void only_the_sandbox_itself_is_asked(void)
{
    static const char *const urls[] = {
        "http://169.254.169.254/",
        "http://example.org:3000/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1@host/",
        "http://127.0.0.2:80/",
        "http://127.0.0.1:80/#fragment@",
        "http://127.0.0.1:0x50/",
        "http://127.0.0.1:70000/",
        "127.0.0.1:3000",
        "",
        "http://",
        "http://localhost.example:80/",
        "http://[::ffff:10.0.0.1]/",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        auto_json json_t *probe = json_pack("{s:s, s:s}", "type", "http", "url", urls[i]);
        struct error err = {0};
        auto_json json_t *result = probe_normalise(probe, &err);
        bool harmless =
            result && plan_int(result, "port") == 80 && strcmp(plan_text(result, "path"), "/") == 0;
        check_that(!result || harmless, urls[i], __FILE__, __LINE__);
    }
}

static void what_does_not_fit_its_type_is_refused(void)
{
    static const char *const probes[] = {
        "{}",
        "{\"type\":\"udp\",\"port\":1}",
        "{\"type\":\"http\"}",
        "{\"type\":\"http\",\"port\":0}",
        "{\"type\":\"http\",\"port\":80,\"path\":\"none\"}",
        "{\"type\":\"http\",\"port\":80,\"path\":\"/a\\r\\nX: y\"}",
        "{\"type\":\"http\",\"port\":80,\"url\":\"http://127.0.0.1\"}",
        "{\"type\":\"http\",\"port\":80,\"timeout\":1}",
        "{\"type\":\"tcp\",\"port\":\"80\"}",
        "{\"type\":\"tcp\",\"port\":80,\"path\":\"/\"}",
        "{\"type\":\"exec\"}",
        "{\"type\":\"exec\",\"command\":\"true\",\"port\":80}",
        "[1]",
    };
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        check_probe(probes[i], "");
    }
}

static void check_cleaned(const char *bytes, size_t length, const char *wanted)
{
    char text[128];
    memcpy(text, bytes, length);
    CHECK_INT((long long)log_clean(text, length), (long long)strlen(wanted));
    CHECK_TEXT(text, wanted);
}

static void logs_lose_what_is_not_text(void)
{
    check_cleaned("plain\n", 6, "plain\n");
    check_cleaned("", 0, "");
    check_cleaned("\x1b[1;31mred\x1b[0m\r\n", 16, "red\n");
    check_cleaned("\x1b]0;title", 9, "0;title");
    check_cleaned("cut\x1b[", 5, "cut");
    check_cleaned("cut\x1b", 4, "cut");
    check_cleaned("a\0b\ac\td", 7, "abc\td");
    check_cleaned("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
    check_cleaned("bad\xff\xc3", 5, "bad??");
    check_cleaned("\xed\xa0\x80", 3, "???");
}

static const struct check_case cases[] = {
    {"a url becomes port and path", a_url_becomes_port_and_path},
    {"the other forms stay", the_other_forms_stay},
    {"only the sandbox itself is asked", only_the_sandbox_itself_is_asked},
    {"what does not fit its type is refused", what_does_not_fit_its_type_is_refused},
    {"logs lose what is not text", logs_lose_what_is_not_text},
};

CHECK_MAIN(cases)
