#include "agent/request.h"

#include "check.h"
#include "wire/fields.h"

#include <errno.h>
#include <string.h>

static unsigned char data[64 * 1024];
static struct fields_writer head;
static struct request request;
static const char *problem;

static void start(enum agent_operation operation)
{
    fields_start(&head, data, sizeof(data));
    fields_put_int(&head, AGENT_OPERATION, operation);
}

static int parse(void)
{
    return request_parse(data, head.length, &request, &problem);
}

static void commands_are_parsed(void)
{
    start(AGENT_OP_EXEC);
    fields_put_string(&head, AGENT_ARGUMENT, "sh");
    fields_put_string(&head, AGENT_ENV, "A=1");
    fields_put_string(&head, AGENT_ARGUMENT, "");
    fields_put_string(&head, AGENT_ENV, "");
    fields_put_string(&head, AGENT_ARGUMENT, "x y");
    fields_put_string(&head, AGENT_CWD, "/w");
    fields_put_string(&head, AGENT_USER, "me");
    fields_put_int(&head, AGENT_TIMEOUT_MS, 30000);
    fields_put_int(&head, AGENT_OPEN_STDIN, 1);
    fields_put_string(&head, 60000, "of a newer daemon");
    REQUIRE(parse() == 0);
    CHECK_INT(request.operation, AGENT_OP_EXEC);
    CHECK_TEXT(request.arguments[0], "sh");
    CHECK_TEXT(request.arguments[1], "");
    CHECK_TEXT(request.arguments[2], "x y");
    CHECK(!request.arguments[3]);
    CHECK_INT((long long)request.environment_count, 2);
    CHECK_TEXT(request.environment[0], "A=1");
    CHECK_TEXT(request.environment[1], "");
    CHECK(!request.environment[2]);
    CHECK_TEXT(request.cwd, "/w");
    CHECK_TEXT(request.user, "me");
    CHECK_INT(request.timeout_ms, 30000);
    CHECK(request.open_stdin);
    request_free(&request);
}

static void absent_numbers_have_defaults(void)
{
    start(AGENT_OP_FILE_LIST);
    fields_put_string(&head, AGENT_PATH, "/");
    REQUIRE(parse() == 0);
    CHECK_INT(request.mode, -1);
    CHECK_INT(request.offset, 0);
    CHECK_INT(request.length, -1);
    CHECK_INT(request.depth, 1);
    CHECK_INT(request.limit, AGENT_LIST_LIMIT_MAX);
    CHECK(!request.recursive && !request.no_follow);
    request_free(&request);
}

static void paths_are_checked(void)
{
    static char path[AGENT_PATH_MAX + 1];
    memset(path, 'x', AGENT_PATH_MAX);
    path[0] = '/';
    start(AGENT_OP_FILE_STAT);
    fields_put_bytes(&head, AGENT_PATH, path, AGENT_PATH_MAX - 1);
    CHECK_INT(parse(), 0);
    CHECK_INT((long long)strlen(request.path), AGENT_PATH_MAX - 1);
    start(AGENT_OP_FILE_STAT);
    fields_put_bytes(&head, AGENT_PATH, path, AGENT_PATH_MAX);
    CHECK_INT(parse(), ENAMETOOLONG);
    start(AGENT_OP_FILE_STAT);
    fields_put_string(&head, AGENT_PATH, "relative");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_FILE_STAT);
    fields_put_string(&head, AGENT_PATH, "");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_FILE_STAT);
    fields_put_bytes(&head, AGENT_PATH, "/a\0b", 4);
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_FILE_STAT);
    CHECK_INT(parse(), EINVAL);
}

static void refuse_int(enum agent_tag tag, int64_t value)
{
    start(AGENT_OP_FILE_STAT);
    fields_put_string(&head, AGENT_PATH, "/");
    fields_put_int(&head, (uint16_t)tag, value);
    CHECK_INT(parse(), EINVAL);
}

static void numbers_have_ranges(void)
{
    refuse_int(AGENT_MODE, 010000);
    refuse_int(AGENT_MODE, -1);
    refuse_int(AGENT_LENGTH, -1);
    refuse_int(AGENT_OFFSET, INT64_MIN);
    refuse_int(AGENT_DEPTH, 0);
    refuse_int(AGENT_DEPTH, AGENT_LIST_DEPTH_MAX + 1);
    refuse_int(AGENT_LIMIT, AGENT_LIST_LIMIT_MAX + 1);
    refuse_int(AGENT_RECURSIVE, 2);
    refuse_int(AGENT_TIMEOUT_MS, -1);
    start(AGENT_OP_FILE_STAT);
    fields_put_string(&head, AGENT_MODE, "644");
    CHECK_INT(parse(), EINVAL);
}

static void contradictions_are_refused(void)
{
    start(AGENT_OP_FILE_STAT);
    fields_put_string(&head, AGENT_PATH, "/a");
    fields_put_string(&head, AGENT_PATH, "/b");
    CHECK_INT(parse(), EINVAL);
    start((enum agent_operation)99);
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_HELLO);
    data[head.length++] = 0;
    CHECK_INT(parse(), EINVAL);
    fields_start(&head, data, sizeof(data));
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_FILE_CHMOD);
    fields_put_string(&head, AGENT_PATH, "/a");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_FILE_RENAME);
    fields_put_string(&head, AGENT_PATH, "/a");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_EXEC);
    fields_put_string(&head, AGENT_ENV, "A=1");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_EXEC);
    fields_put_bytes(&head, AGENT_ARGUMENT, "a\0b", 3);
    CHECK_INT(parse(), EINVAL);
}

static void start_session(void)
{
    start(AGENT_OP_SESSION_START);
    fields_put_string(&head, AGENT_SESSION_ID, "job_1-a");
    fields_put_int(&head, AGENT_SESSION_KIND, AGENT_SESSION_JOB);
    fields_put_string(&head, AGENT_COMMAND, "npm start");
    fields_put_string(&head, AGENT_ARGUMENT, "npm");
}

static void sessions_are_parsed(void)
{
    start_session();
    fields_put_string(&head, AGENT_NAME, "web");
    fields_put_string(&head, AGENT_LABEL, "{}");
    fields_put_string(&head, AGENT_LOG_PATH, "/w/log");
    fields_put_string(&head, AGENT_PID_PATH, "/w/pid");
    fields_put_int(&head, AGENT_RESTART, 1);
    fields_put_int(&head, AGENT_DETACH_MS, 60000);
    fields_put_int(&head, AGENT_ROWS, 24);
    fields_put_int(&head, AGENT_COLS, AGENT_WINDOW_MAX);
    REQUIRE(parse() == 0);
    CHECK_TEXT(request.session_id, "job_1-a");
    CHECK_INT(request.kind, AGENT_SESSION_JOB);
    CHECK_TEXT(request.command, "npm start");
    CHECK_TEXT(request.name, "web");
    CHECK_TEXT(request.label, "{}");
    CHECK_TEXT(request.log_path, "/w/log");
    CHECK_TEXT(request.pid_path, "/w/pid");
    CHECK(request.restart && !request.open_stdin);
    CHECK_INT(request.detach_ms, 60000);
    CHECK_INT(request.rows, 24);
    CHECK_INT(request.cols, AGENT_WINDOW_MAX);
    CHECK_INT(request.position, -1);
    request_free(&request);
    start(AGENT_OP_SESSION_INPUT);
    fields_put_string(&head, AGENT_SESSION_ID, "a");
    fields_put_bytes(&head, AGENT_BYTES, "x\0y", 3);
    REQUIRE(parse() == 0);
    CHECK_INT((long long)request.bytes.length, 3);
    CHECK(memcmp(request.bytes.data, "x\0y", 3) == 0);
}

static void refuse_session_text(enum agent_operation operation, enum agent_tag tag,
                                const char *text)
{
    start(operation);
    fields_put_string(&head, (uint16_t)tag, text);
    CHECK_INT(parse(), EINVAL);
}

static void odd_sessions_are_refused(void)
{
    static char name[AGENT_NAME_SIZE + 1];
    memset(name, 'n', AGENT_NAME_SIZE);
    refuse_session_text(AGENT_OP_SESSION_GET, AGENT_COMMAND, "no id");
    refuse_session_text(AGENT_OP_SESSION_GET, AGENT_SESSION_ID, "");
    refuse_session_text(AGENT_OP_SESSION_GET, AGENT_SESSION_ID, "a/b");
    refuse_session_text(AGENT_OP_SESSION_GET, AGENT_SESSION_ID, name);
    refuse_session_text(AGENT_OP_SESSION_SIGNAL, AGENT_SESSION_ID, "without-signal");
    refuse_session_text(AGENT_OP_SESSION_INPUT, AGENT_SESSION_ID, "without-bytes");
    refuse_session_text(AGENT_OP_SESSION_START, AGENT_SESSION_ID, "without-command");
    start_session();
    fields_put_string(&head, AGENT_NAME, name);
    CHECK_INT(parse(), EINVAL);
    start_session();
    fields_put_int(&head, AGENT_ROWS, AGENT_WINDOW_MAX + 1);
    CHECK_INT(parse(), EINVAL);
    start_session();
    fields_put_int(&head, AGENT_SESSION_KIND, AGENT_SESSION_TERMINAL);
    CHECK_INT(parse(), EINVAL); /* a second kind */
    start_session();
    fields_put_string(&head, AGENT_LOG_PATH, "relative");
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_SESSION_LIST);
    fields_put_int(&head, AGENT_SESSION_KIND, AGENT_SESSION_TERMINAL + 1);
    CHECK_INT(parse(), EINVAL);
    start(AGENT_OP_SESSION_SIGNAL);
    fields_put_string(&head, AGENT_SESSION_ID, "a");
    fields_put_int(&head, AGENT_SIGNAL, 65);
    CHECK_INT(parse(), EINVAL);
}

static void refuse_identity_text(uint16_t tag, const char *text)
{
    start(AGENT_OP_IDENTITY);
    fields_put_string(&head, tag, text);
    CHECK_INT(parse(), EINVAL);
}

static void identities_are_parsed(void)
{
    unsigned char entropy[AGENT_ENTROPY_BYTES] = {1, 2, 0, 3};
    start(AGENT_OP_IDENTITY);
    fields_put_string(&head, AGENT_HOSTNAME, "a-1");
    fields_put_string(&head, AGENT_ADDRESS, "10.0.0.1");
    fields_put_string(&head, AGENT_RESOLVERS, "10.0.0.1,fe80::1");
    fields_put_bytes(&head, AGENT_ENTROPY, entropy, sizeof(entropy));
    fields_put_int(&head, AGENT_TIME_US, INT64_C(1800000000000000));
    fields_put_int(&head, AGENT_NEW_IDENTITY, 1);
    fields_put_int(&head, AGENT_RESTORED, 1);
    fields_put_int(&head, AGENT_PROCESS_LIMIT, 100);
    REQUIRE(parse() == 0);
    CHECK_INT((int)request.process_limit, 100);
    CHECK_TEXT(request.hostname, "a-1");
    CHECK_TEXT(request.address, "10.0.0.1");
    CHECK_TEXT(request.resolvers, "10.0.0.1,fe80::1");
    CHECK(request.entropy.length == sizeof(entropy) &&
          memcmp(request.entropy.data, entropy, sizeof(entropy)) == 0);
    CHECK_INT(request.time_us, 1800000000000000);
    CHECK(request.new_identity && request.restored);
}

static void odd_identities_are_refused(void)
{
    refuse_identity_text(AGENT_HOSTNAME, "");
    refuse_identity_text(AGENT_HOSTNAME, "A");
    refuse_identity_text(AGENT_HOSTNAME, "a\n127.0.0.1 b");
    refuse_identity_text(AGENT_ADDRESS, "10.0.0.1\tx");
    refuse_identity_text(AGENT_RESOLVERS, "10.0.0.1\nx");
    refuse_identity_text(AGENT_ENTROPY, "short");
    start(AGENT_OP_IDENTITY);
    fields_put_int(&head, AGENT_TIME_US, INT64_C(1577836799999999)); /* 2019 */
    CHECK_INT(parse(), EINVAL);
}

static void vectors_are_bounded(void)
{
    start(AGENT_OP_EXEC);
    for (int i = 0; i < AGENT_ARGUMENTS_MAX; i++) {
        fields_put_string(&head, AGENT_ARGUMENT, "a");
    }
    CHECK_INT(parse(), 0);
    request_free(&request);
    start(AGENT_OP_EXEC);
    for (int i = 0; i <= AGENT_ARGUMENTS_MAX; i++) {
        fields_put_string(&head, AGENT_ARGUMENT, "a");
    }
    CHECK_INT(parse(), E2BIG);
}

static const struct check_case cases[] = {
    {"commands are parsed", commands_are_parsed},
    {"absent numbers have defaults", absent_numbers_have_defaults},
    {"paths are checked", paths_are_checked},
    {"numbers have ranges", numbers_have_ranges},
    {"contradictions are refused", contradictions_are_refused},
    {"sessions are parsed", sessions_are_parsed},
    {"odd sessions are refused", odd_sessions_are_refused},
    {"identities are parsed", identities_are_parsed},
    {"odd identities are refused", odd_identities_are_refused},
    {"vectors are bounded", vectors_are_bounded},
};
CHECK_MAIN(cases)
