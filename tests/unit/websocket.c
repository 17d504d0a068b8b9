/* WebSocket frames between a peer that says what the test wants and our end. */
#include "check.h"

#include "base/cleanup.h"
#include "websocket/websocket.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two ends of one connection: ours, and the peer's socket. */
static int pair[2];
static struct websocket *ours;

static bool begin(bool is_client)
{
    bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
    ours = made ? websocket_new(pair[0], is_client, NULL, 0) : NULL;
    return CHECK(ours != NULL);
}

static void end(void)
{
    ours = websocket_free(ours);
    close(pair[0]);
    close(pair[1]);
}

static void say(const void *bytes, size_t length)
{
    CHECK_INT(send(pair[1], bytes, length, 0), length);
}

/* A frame as a client sends it (masked with zeroes, which changes nothing). */
static void say_frame(unsigned char first, const void *bytes, size_t length)
{
    unsigned char head[14] = {first};
    size_t used = 2;
    if (length < 126) {
        head[1] = 0x80 | (unsigned char)length;
    } else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(length >> 8);
        head[3] = (unsigned char)length;
        used = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) {
            head[2 + i] = (unsigned char)(length >> (56 - 8 * i));
        }
        used = 10;
    }
    say(head, used + 4);
    if (length > 0) {
        say(bytes, length);
    }
}

/* What our end has sent. */
static size_t heard(unsigned char *bytes, size_t size)
{
    ssize_t got = recv(pair[1], bytes, size, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

static void expect_message(enum websocket_message_type type, const char *text)
{
    struct websocket_message message = {0};
    if (CHECK_INT(websocket_receive(ours, 0, &message), 1) && CHECK_INT(message.type, type) &&
        CHECK_INT(message.length, strlen(text))) {
        CHECK(memcmp(message.bytes, text, message.length) == 0);
    }
}

/* The next thing is a close of that code, our end has told the peer so, and nothing comes after it. */
static void expect_close(int told, int sent)
{
    struct websocket_message message = {0};
    unsigned char bytes[200] = {0};
    if (CHECK_INT(websocket_receive(ours, 0, &message), 1) &&
        CHECK_INT(message.type, WEBSOCKET_CLOSE)) {
        CHECK_INT(message.close_code, told);
    }
    if (sent) {
        CHECK(heard(bytes, sizeof(bytes)) >= 4);
        CHECK_INT(bytes[0], 0x88);
        CHECK_INT(bytes[2] << 8 | bytes[3], sent);
    }
    CHECK_INT(websocket_receive(ours, 0, &message), -1);
    CHECK_INT(websocket_send(ours, WEBSOCKET_TEXT, "x", 1), -1);
}

static void messages(void)
{
    REQUIRE(begin(false));
    struct websocket_message message;
    CHECK_INT(websocket_receive(ours, 0, &message), 0);
    say_frame(0x81, "text", 4);
    say_frame(0x82, "\x00\xff", 2);
    say_frame(0x82, "", 0);
    expect_message(WEBSOCKET_TEXT, "text");
    CHECK_INT(websocket_receive(ours, 0, &message), 1);
    CHECK_INT(message.type, WEBSOCKET_BINARY);
    CHECK(message.length == 2 && memcmp(message.bytes, "\x00\xff", 2) == 0);
    expect_message(WEBSOCKET_BINARY, "");
    CHECK_INT(websocket_receive(ours, 0, &message), 0);
    end();
}

static void fragments_are_joined_around_pings(void)
{
    REQUIRE(begin(false));
    unsigned char bytes[32];
    say_frame(0x01, "gr\xc3", 3);
    say_frame(0x89, "are you", 7);
    say_frame(0x00, "\xbc", 1);
    say_frame(0x80, "n", 1);
    expect_message(WEBSOCKET_TEXT, "gr\xc3\xbcn");
    CHECK_INT(heard(bytes, sizeof(bytes)), 9);
    CHECK(memcmp(bytes,
                 "\x8a\x07"
                 "are you",
                 9) == 0);
    say_frame(0x81, "next", 4);
    expect_message(WEBSOCKET_TEXT, "next");
    end();
}

static void bytes_one_by_one(void)
{
    REQUIRE(begin(false));
    static const unsigned char frame[] = {0x82, 0x83, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2, 'c' ^ 3};
    struct websocket_message message;
    for (size_t i = 0; i < sizeof(frame) - 1; i++) {
        say(&frame[i], 1);
        CHECK_INT(websocket_receive(ours, 0, &message), 0);
    }
    say(&frame[sizeof(frame) - 1], 1);
    expect_message(WEBSOCKET_BINARY, "abc");
    end();
}

static void early_bytes_come_first(void)
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    ours = websocket_new(pair[0], false, "\x81\x82\0\0\0\0h", 7);
    say("i", 1);
    expect_message(WEBSOCKET_TEXT, "hi");
    end();
}

static void violations(void)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t length;
        int code;
    } cases[] = {
        {"unmasked", "\x81\x01x", 3, 1002},
        {"reserved bit", "\xc1\x80\0\0\0\0", 6, 1002},
        {"unknown opcode", "\x83\x80\0\0\0\0", 6, 1002},
        {"unknown control", "\x8b\x80\0\0\0\0", 6, 1002},
        {"fragmented ping", "\x09\x80\0\0\0\0", 6, 1002},
        {"long ping", "\x89\xfe\x00\x7e\0\0\0\0", 8, 1002},
        {"continuation of nothing", "\x80\x80\0\0\0\0", 6, 1002},
        {"message inside a message", "\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 14, 1002},
        {"length in too many bytes", "\x82\xfe\x00\x01\0\0\0\0a", 9, 1002},
        {"negative length", "\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0a", 15, 1002},
        {"not UTF-8", "\x81\x81\0\0\0\0\xff", 7, 1007},
        {"UTF-8 cut short", "\x81\x81\0\0\0\0\xc3", 7, 1007},
        {"huge", "\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0a", 15, 1009},
        {"close of one byte", "\x88\x81\0\0\0\0\x03", 7, 1002},
        {"close with a reserved code", "\x88\x82\0\0\0\0\x03\xed", 8, 1002},
        {"close with a bad reason", "\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REQUIRE(begin(false));
        say(cases[i].bytes, cases[i].length);
        expect_close(cases[i].code, cases[i].code);
        check_text("", "", cases[i].name, __FILE__, __LINE__);
        end();
    }
}

static void a_message_may_be_so_long(void)
{
    REQUIRE(begin(false));
    static char part[64 * 1024];
    memset(part, 'm', sizeof(part));
    struct websocket_message message = {0};
    for (size_t i = 0; i < WEBSOCKET_MESSAGE_MAX / sizeof(part); i++) {
        say_frame(i == 0 ? 0x02 : 0x00, part, sizeof(part));
        CHECK_INT(websocket_receive(ours, 0, &message), 0);
    }
    say_frame(0x80, "", 0);
    CHECK_INT(websocket_receive(ours, 0, &message), 1);
    CHECK_INT(message.length, WEBSOCKET_MESSAGE_MAX);
    for (size_t i = 0; i < WEBSOCKET_MESSAGE_MAX / sizeof(part); i++) {
        say_frame(i == 0 ? 0x02 : 0x00, part, sizeof(part));
        CHECK_INT(websocket_receive(ours, 0, &message), 0);
    }
    say_frame(0x80, "x", 1);
    expect_close(1009, 1009);
    end();
}

static void closing(void)
{
    REQUIRE(begin(false));
    say_frame(0x88, "\x0f\xa0why", 5);
    struct websocket_message message = {0};
    CHECK_INT(websocket_receive(ours, 0, &message), 1);
    CHECK_INT(message.close_code, 4000);
    CHECK(message.length == 3 && memcmp(message.bytes, "why", 3) == 0);
    end();

    REQUIRE(begin(false));
    say_frame(0x88, "", 0);
    expect_close(1005, 1000);
    end();

    REQUIRE(begin(false));
    shutdown(pair[1], SHUT_WR);
    expect_close(1006, 0);
    end();
}

/* Our close, what the peer still had to say, its answer. */
static void closing_first(void)
{
    REQUIRE(begin(false));
    unsigned char bytes[256];
    char reason[200];
    memset(reason, 'r', sizeof(reason));
    memcpy(reason + 122, "\xc3\xa4", 3);
    CHECK_INT(websocket_close(ours, 4009, reason), 0);
    CHECK_INT(websocket_close(ours, 1000, NULL), -1);
    CHECK_INT(heard(bytes, sizeof(bytes)), 2 + 2 + 122); /* no half a character */
    CHECK_INT(bytes[2] << 8 | bytes[3], 4009);
    say_frame(0x81, "late", 4);
    say_frame(0x88, "\x0f\xa9", 2);
    expect_message(WEBSOCKET_TEXT, "late");
    expect_close(4009, 0);
    end();
}

/* Two of our own ends understand each other, masks included. */
static void client_and_server(void)
{
    REQUIRE(begin(true));
    struct websocket *server = websocket_new(pair[1], false, NULL, 0);
    struct websocket_message message = {0};
    static char sent[200 * 1024];
    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (char)(i * 7);
    }
    for (size_t length = 0; length <= 70000; length += 35000 - length / 100) {
        CHECK_INT(websocket_send(ours, WEBSOCKET_BINARY, sent, length), 0);
        CHECK_INT(websocket_receive(server, 1000, &message), 1);
        CHECK(message.length == length && memcmp(message.bytes, sent, length) == 0);
        CHECK_INT(websocket_send(server, WEBSOCKET_BINARY, sent, length), 0);
        CHECK_INT(websocket_receive(ours, 1000, &message), 1);
        CHECK(message.length == length && memcmp(message.bytes, sent, length) == 0);
    }
    CHECK_INT(websocket_ping(ours), 0);
    CHECK_INT(websocket_receive(server, 0, &message), 0);
    CHECK_INT(websocket_receive(ours, 0, &message), 0);
    CHECK_INT(websocket_close(ours, 1000, "bye"), 0);
    CHECK_INT(websocket_receive(server, 1000, &message), 1);
    CHECK(message.type == WEBSOCKET_CLOSE && message.close_code == 1000);
    expect_close(1000, 0);
    websocket_free(server);
    end();
}

static void a_client_refuses_masked_frames(void)
{
    REQUIRE(begin(true));
    say_frame(0x81, "x", 1);
    struct websocket_message message = {0};
    CHECK_INT(websocket_receive(ours, 0, &message), 1);
    CHECK_INT(message.close_code, 1002);
    end();
}

static void handshake(void)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    CHECK(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* RFC 6455, 1.3 */
    CHECK_TEXT(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(!websocket_accept_key("", accept));
    CHECK(!websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ=", accept));
    CHECK(!websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==x", accept));
    CHECK(!websocket_accept_key("dGhlIHNhbXBsZSBub25j!!==", accept));
    CHECK(websocket_offers("a, miosa-terminal-v1 ,b", "miosa-terminal-v1"));
    CHECK(websocket_offers("miosa-terminal-v1", "miosa-terminal-v1"));
    CHECK(!websocket_offers("miosa-terminal-v11, xmiosa-terminal-v1", "miosa-terminal-v1"));
    CHECK(!websocket_offers(" , ,", "x"));
}

static void urls_are_checked(void)
{
    struct error err = {0};
    int fd;
    CHECK(!websocket_connect("wss://localhost/", NULL, NULL, &fd, &err));
    CHECK_INT(err.code, ERR_HOST_UNSUPPORTED);
    static const char *const bad[] = {"http://x/", "ws://", "ws:///path", "ws://[::1/",
                                      "ws://h:1234567/"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!websocket_connect(bad[i], NULL, NULL, &fd, &err));
        CHECK_INT(err.code, ERR_BAD_REQUEST);
    }
}

static const struct check_case cases[] = {
    {"messages", messages},
    {"fragments are joined around pings", fragments_are_joined_around_pings},
    {"bytes one by one", bytes_one_by_one},
    {"early bytes come first", early_bytes_come_first},
    {"violations", violations},
    {"a message may be so long", a_message_may_be_so_long},
    {"closing", closing},
    {"closing first", closing_first},
    {"client and server", client_and_server},
    {"a client refuses masked frames", a_client_refuses_masked_frames},
    {"handshake", handshake},
    {"URLs are checked", urls_are_checked},
};

CHECK_MAIN(cases)
