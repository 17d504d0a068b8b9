/* What atoll-host says to an agent, and what it makes of the agent's answers. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "check.h"
#include "engine/agent_link.h"
#include "wire/agent_protocol.h"
#include "wire/fields.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static size_t put_frame(unsigned char *bytes, enum agent_frame type, const void *payload,
                        size_t length)
{
    frame_header_encode((struct frame_header){.length = (uint32_t)length, .type = (uint8_t)type},
                        bytes);
    memcpy(bytes + FRAME_HEADER_BYTES, payload, length);
    return FRAME_HEADER_BYTES + length;
}

static void an_identity_has_what_was_given(void)
{
    struct agent_identity identity = {.hostname = "box", .resolvers = "1.1.1.1,9.9.9.9"};
    unsigned char bytes[AGENT_MESSAGE_MAX];
    struct frame_header header;
    struct bytes_view view;
    char text[64];
    size_t length = agent_identity_encode(&identity, bytes);
    CHECK_INT(frame_header_decode(bytes, &header), 0);
    CHECK_INT(header.type, AGENT_FRAME_HEAD);
    CHECK_INT(header.length + FRAME_HEADER_BYTES, length);
    const unsigned char *fields = bytes + FRAME_HEADER_BYTES;
    CHECK_INT(fields_get_int(fields, header.length, AGENT_OPERATION, 0), AGENT_OP_IDENTITY);
    CHECK(fields_get_text(fields, header.length, AGENT_HOSTNAME, text, sizeof(text)));
    CHECK_TEXT(text, "box");
    CHECK(!fields_find(fields, header.length, AGENT_ADDRESS, &view));
    CHECK(!fields_find(fields, header.length, AGENT_ENTROPY, &view));
    CHECK(!fields_find(fields, header.length, AGENT_NEW_IDENTITY, &view));
}

static void a_machine_gets_entropy_and_time(void)
{
    struct agent_identity identity = {.machine = true, .restored = true, .new_identity = true};
    unsigned char bytes[AGENT_MESSAGE_MAX], again[AGENT_MESSAGE_MAX];
    struct bytes_view view, other;
    size_t length = agent_identity_encode(&identity, bytes) - FRAME_HEADER_BYTES;
    agent_identity_encode(&identity, again);
    CHECK(fields_find(bytes + FRAME_HEADER_BYTES, length, AGENT_ENTROPY, &view));
    CHECK(fields_find(again + FRAME_HEADER_BYTES, length, AGENT_ENTROPY, &other));
    CHECK_INT(view.length, AGENT_ENTROPY_BYTES);
    CHECK(memcmp(view.data, other.data, view.length) != 0);
    int64_t now_us = fields_get_int(bytes + FRAME_HEADER_BYTES, length, AGENT_TIME_US, 0) / 1000;
    CHECK(now_us > clock_realtime_ms() - 60000 && now_us <= clock_realtime_ms());
    CHECK_INT(fields_get_int(bytes + FRAME_HEADER_BYTES, length, AGENT_RESTORED, 0), 1);
    CHECK_INT(fields_get_int(bytes + FRAME_HEADER_BYTES, length, AGENT_NEW_IDENTITY, 0), 1);
}

static void output_is_skipped_until_the_final_frame(void)
{
    unsigned char bytes[256];
    struct error err = {0};
    size_t output = put_frame(bytes, AGENT_FRAME_STDOUT, "hello", 5), length = output;
    CHECK_INT(agent_answer_parse(bytes, &length, &err), 0);
    CHECK_INT(length, 0);
    length = put_frame(bytes, AGENT_FRAME_STDOUT, "hello", 5);
    length += put_frame(bytes + length, AGENT_FRAME_EXIT, "", 0);
    size_t partial = length - 1;
    CHECK_INT(agent_answer_parse(bytes, &partial, &err), 0);
    CHECK_INT(partial, FRAME_HEADER_BYTES - 1);
    length = put_frame(bytes, AGENT_FRAME_DONE, "", 0);
    CHECK_INT(agent_answer_parse(bytes, &length, &err), 1);
}

static void an_error_is_told_printably(void)
{
    unsigned char bytes[256], fields[128];
    struct fields_writer writer;
    struct error err = {0};
    fields_start(&writer, fields, sizeof(fields));
    fields_put_int(&writer, AGENT_ERRNO, 5);
    fields_put_string(&writer, AGENT_MESSAGE, "set the \033clock");
    size_t length = put_frame(bytes, AGENT_FRAME_ERROR, fields, writer.length);
    CHECK_INT(agent_answer_parse(bytes, &length, &err), -1);
    CHECK_INT(err.code, ERR_ENGINE);
    CHECK_INT(err.errnum, 5);
    CHECK(strstr(err.message, "set the ?clock") != NULL);
}

static void nonsense_and_giant_frames_are_refused(void)
{
    unsigned char bytes[FRAME_HEADER_BYTES];
    struct error err = {0};
    size_t length = sizeof(bytes);
    memset(bytes, 0xff, sizeof(bytes));
    CHECK_INT(agent_answer_parse(bytes, &length, &err), -1);
    frame_header_encode((struct frame_header){.length = AGENT_ANSWER_MAX, .type = AGENT_FRAME_DATA},
                        bytes);
    CHECK_INT(agent_answer_parse(bytes, &length, &err), -1);
}

static void a_silent_or_closed_agent_is_an_error(void)
{
    int pair[2];
    struct error err = {0};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(agent_link_sync(pair[0], clock_monotonic_ms() + 10, &err), -1);
    close(pair[1]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[1]);
    CHECK_INT(agent_link_hello(pair[0], clock_monotonic_ms() + 10000, &err), -1);
    CHECK_INT(err.code, ERR_ENGINE);
}

static const struct check_case cases[] = {
    {"an identity has what was given", an_identity_has_what_was_given},
    {"a machine gets entropy and time", a_machine_gets_entropy_and_time},
    {"output is skipped until the final frame", output_is_skipped_until_the_final_frame},
    {"an error is told printably", an_error_is_told_printably},
    {"nonsense and giant frames are refused", nonsense_and_giant_frames_are_refused},
    {"a silent or closed agent is an error", a_silent_or_closed_agent_is_an_error},
};

CHECK_MAIN(cases)
