/* Speaking to a QEMU that answers well, not at all, or as it likes. */
#include "base/cleanup.h"
#include "base/io.h"
#include "check.h"
#include "linux/qmp.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { TIMEOUT_MS = 2000, SHORT_MS = 50 };

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define READY    GREETING "{\"return\": {}}\r\n"

/* Connects to something that has said text. With end, it says nothing more. */
static struct qmp *connect_to(const char *text, bool end, int64_t timeout_ms, int *ret_peer,
                              struct error *err)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(write_all(pair[1], text, strlen(text)) == 0);
    if (end) {
        shutdown(pair[1], SHUT_WR);
    }
    *ret_peer = pair[1];
    return qmp_open_fd(pair[0], timeout_ms, err);
}

static void events_before_an_answer_are_skipped(void)
{
    auto_close int peer = -1;
    struct error err = {0};
    json_t *result = NULL;
    char sent[512] = "";
    struct qmp *qmp = connect_to(READY "{\"event\": \"STOP\"}\r\n{\"event\": \"RESUME\"}\r\n"
                                       "{\"return\": {\"status\": \"paused\"}}\r\n",
                                 false, TIMEOUT_MS, &peer, &err);
    REQUIRE(qmp != NULL);
    CHECK_INT(qmp_execute(qmp, "query-status", json_pack("{s:i}", "a", 1), -1, &result, &err), 0);
    CHECK_TEXT(json_string_value(json_object_get(result, "status")), "paused");
    json_decref(result);
    CHECK(read(peer, sent, sizeof(sent) - 1) > 0);
    CHECK(strstr(sent, "{\"execute\":\"query-status\",\"arguments\":{\"a\":1}}\n") != NULL);
    qmp_close(qmp);
}

static void a_refusal_is_told_in_printable_words(void)
{
    auto_close int peer = -1;
    struct error err = {0};
    struct qmp *qmp = connect_to(
        READY "{\"error\": {\"class\": \"X\", \"desc\": \"no\\nsuch \\u001b[1mdisk\"}}\n", false,
        TIMEOUT_MS, &peer, &err);
    REQUIRE(qmp != NULL);
    CHECK_INT(qmp_execute(qmp, "stop", NULL, -1, NULL, &err), -1);
    CHECK_INT(err.code, ERR_ENGINE);
    CHECK_TEXT(err.message, "stop: QEMU refuses: no?such ?[1mdisk");
    qmp_close(qmp);
}

static void silence_and_the_end_are_errors(void)
{
    auto_close int peer = -1, other = -1, third = -1;
    struct error err = {0};
    CHECK(connect_to("", false, SHORT_MS, &peer, &err) == NULL);
    CHECK_TEXT(err.message, "QEMU does not answer");
    CHECK(connect_to(GREETING, true, TIMEOUT_MS, &other, &err) == NULL);
    CHECK_TEXT(err.message, "qmp_capabilities: QEMU has ended");
    CHECK(connect_to("{\"return\": {}}\n", false, TIMEOUT_MS, &third, &err) == NULL);
    CHECK_TEXT(err.message, "QEMU does not greet");
}

/* A process of its own says more than a socket holds. */
static void too_much_is_refused(void)
{
    int pair[2];
    struct error err = {0};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        static char bytes[QMP_LINE_MAX_BYTES + 65536];
        memset(bytes, ' ', sizeof(bytes));
        close(pair[0]);
        _exit(write_all(pair[1], bytes, sizeof(bytes)) == 0);
    }
    close(pair[1]);
    CHECK(qmp_open_fd(pair[0], TIMEOUT_MS, &err) == NULL);
    CHECK(strstr(err.message, "too long") != NULL);
    waitpid(pid, NULL, 0);
}

static void what_is_no_protocol_is_refused(void)
{
    static const char *const lines[] = {
        "", "null", "[]", "{", "{\"return\": 1} x", "\xff\xfe", "{\"return\": 1, \"return\": 2}"};
    char deep[3 * QMP_DEPTH_MAX];
    enum qmp_line kind;
    json_t *value;
    struct error err = {0};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CHECK_INT(qmp_parse_line(lines[i], strlen(lines[i]), &kind, &value, &err), -1);
    }
    memset(deep, '[', sizeof(deep));
    CHECK_INT(qmp_parse_line(deep, sizeof(deep), &kind, &value, &err), -1);
    CHECK_INT(qmp_parse_line("{\"event\":\"[[\"}", 13, &kind, &value, &err), -1); /* cut */
    CHECK_INT(qmp_parse_line("{\"event\":\"[[\"}", 14, &kind, &value, &err), 0);
    CHECK_INT(kind, QMP_LINE_OTHER);
    CHECK(value == NULL);
}

static void a_descriptor_goes_along(void)
{
    auto_close int peer = -1, mine = memfd_create("sent", MFD_CLOEXEC);
    struct error err = {0};
    char bytes[512];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct qmp *qmp = connect_to(READY "{\"return\": {}}\r\n", false, TIMEOUT_MS, &peer, &err);
    REQUIRE(qmp != NULL);
    CHECK(read(peer, bytes, sizeof(bytes)) > 0);
    CHECK_INT(qmp_add_fd(qmp, 7, mine, &err), 0);
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    CHECK(recvmsg(peer, &message, MSG_CMSG_CLOEXEC) > 0);
    REQUIRE(CMSG_FIRSTHDR(&message) != NULL);
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
    CHECK(got >= 0 && got != mine);
    close(got);
    qmp_close(qmp);
}

static const struct check_case cases[] = {
    {"events before an answer are skipped", events_before_an_answer_are_skipped},
    {"a refusal is told in printable words", a_refusal_is_told_in_printable_words},
    {"silence and the end are errors", silence_and_the_end_are_errors},
    {"too much is refused", too_much_is_refused},
    {"what is no protocol is refused", what_is_no_protocol_is_refused},
    {"a descriptor goes along", a_descriptor_goes_along},
};

CHECK_MAIN(cases)
