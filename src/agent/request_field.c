#include "agent/request_parts.h"

#include "wire/frame.h"

#include <errno.h>
#include <string.h>

enum {
    SIGNAL_MAX = 64,
    FIELD_TEXT_MAX = FRAME_PAYLOAD_MAX,
    HOSTNAME_MAX = 63,
    ADDRESS_MAX = 45,
    RESOLVERS_MAX = 512,
};

/* 2020: no clock of a host that is set at all says less. */
#define TIME_US_MIN (INT64_C(1577836800) * 1000000)

struct taking {
    struct request *request;
    const char *problem;
};

static int refuse(struct taking *taking, const char *problem)
{
    taking->problem = problem;
    return EINVAL;
}

char *request_terminate(const struct field *field)
{
    if (memchr(field->value.data, '\0', field->value.length)) {
        return NULL;
    }
    char *text = (char *)(uintptr_t)field->value.data - 1;
    memmove(text, text + 1, field->value.length);
    text[field->value.length] = '\0';
    return text;
}

/* Where a field goes: a member of struct request and what it may hold. */
struct number_rule {
    uint16_t tag;
    int64_t min, max;
    size_t member;
};

struct text_rule {
    uint16_t tag;
    size_t length_max;
    size_t member;
};

struct flag_rule {
    uint16_t tag;
    size_t member;
};

#define MEMBER(name) offsetof(struct request, name)

static const struct number_rule number_rules[] = {
    {AGENT_MODE, 0, 07777, MEMBER(mode)},
    {AGENT_OFFSET, INT64_MIN + 1, INT64_MAX, MEMBER(offset)},
    {AGENT_LENGTH, 0, INT64_MAX, MEMBER(length)},
    {AGENT_DEPTH, 1, AGENT_LIST_DEPTH_MAX, MEMBER(depth)},
    {AGENT_LIMIT, 1, AGENT_LIST_LIMIT_MAX, MEMBER(limit)},
    {AGENT_TIMEOUT_MS, 0, INT32_MAX, MEMBER(timeout_ms)},
    {AGENT_SESSION_KIND, AGENT_SESSION_JOB, AGENT_SESSION_TERMINAL, MEMBER(kind)},
    {AGENT_POSITION, 0, INT64_MAX, MEMBER(position)},
    {AGENT_SIGNAL, 1, SIGNAL_MAX, MEMBER(signal)},
    {AGENT_ROWS, 1, AGENT_WINDOW_MAX, MEMBER(rows)},
    {AGENT_COLS, 1, AGENT_WINDOW_MAX, MEMBER(cols)},
    {AGENT_DETACH_MS, 0, INT32_MAX, MEMBER(detach_ms)},
    {AGENT_GRACE_MS, 0, INT32_MAX, MEMBER(grace_ms)},
    {AGENT_TIME_US, TIME_US_MIN, INT64_MAX, MEMBER(time_us)},
    {AGENT_PROCESS_LIMIT, 1, INT32_MAX, MEMBER(process_limit)},
};

static const struct text_rule path_rules[] = {
    {AGENT_PATH, AGENT_PATH_MAX - 1, MEMBER(path)},
    {AGENT_TARGET, AGENT_PATH_MAX - 1, MEMBER(target)},
    {AGENT_CWD, AGENT_PATH_MAX - 1, MEMBER(cwd)},
    {AGENT_LOG_PATH, AGENT_PATH_MAX - 1, MEMBER(log_path)},
    {AGENT_PID_PATH, AGENT_PATH_MAX - 1, MEMBER(pid_path)},
};

static const struct text_rule text_rules[] = {
    {AGENT_USER, FIELD_TEXT_MAX, MEMBER(user)},
    {AGENT_SESSION_ID, AGENT_SESSION_ID_SIZE - 1, MEMBER(session_id)},
    {AGENT_NAME, AGENT_NAME_SIZE - 1, MEMBER(name)},
    {AGENT_LABEL, AGENT_PATH_MAX - 1, MEMBER(label)},
    {AGENT_COMMAND, AGENT_PATH_MAX - 1, MEMBER(command)},
    {AGENT_HOSTNAME, HOSTNAME_MAX, MEMBER(hostname)},
    {AGENT_ADDRESS, ADDRESS_MAX, MEMBER(address)},
    {AGENT_RESOLVERS, RESOLVERS_MAX, MEMBER(resolvers)},
};

static const struct flag_rule flag_rules[] = {
    {AGENT_RECURSIVE, MEMBER(recursive)},   {AGENT_NO_FOLLOW, MEMBER(no_follow)},
    {AGENT_OPEN_STDIN, MEMBER(open_stdin)}, {AGENT_FOLLOW, MEMBER(follow)},
    {AGENT_RESTART, MEMBER(restart)},       {AGENT_END_OF_INPUT, MEMBER(end_of_input)},
    {AGENT_FORGET, MEMBER(forget)},         {AGENT_NEW_IDENTITY, MEMBER(new_identity)},
    {AGENT_RESTORED, MEMBER(restored)},
};

#define RULE_COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

static void *member_at(struct taking *taking, size_t member)
{
    return (char *)taking->request + member;
}

static int take_path(struct taking *taking, const struct field *field, const struct text_rule *rule)
{
    if (field->value.length == 0 || field->value.data[0] != '/') {
        return refuse(taking, "path must be absolute");
    }
    if (field->value.length > rule->length_max) {
        taking->problem = "path";
        return ENAMETOOLONG;
    }
    const char **text = member_at(taking, rule->member);
    *text = request_terminate(field);
    return *text ? 0 : refuse(taking, "path contains a NUL byte");
}

static int take_text(struct taking *taking, const struct field *field, const struct text_rule *rule)
{
    if (field->value.length > rule->length_max) {
        return refuse(taking, "a text is too long");
    }
    const char **text = member_at(taking, rule->member);
    *text = request_terminate(field);
    return *text ? 0 : refuse(taking, "a text contains a NUL byte");
}

static int take_int(struct taking *taking, const struct field *field, int64_t min, int64_t max,
                    int64_t *ret_value)
{
    int64_t value;
    if (!field_int(field, &value) || value < min || value > max) {
        return refuse(taking, "a number is out of range");
    }
    *ret_value = value;
    return 0;
}

static int take_flag(struct taking *taking, const struct field *field, size_t member)
{
    int64_t value;
    int errnum = take_int(taking, field, 0, 1, &value);
    if (errnum == 0) {
        bool *flag = member_at(taking, member);
        *flag = value == 1;
    }
    return errnum;
}

/* A field that a rule describes; others are of a newer daemon. */
static int take_by_rule(struct taking *taking, const struct field *field)
{
    for (size_t i = 0; i < RULE_COUNT(number_rules); i++) {
        const struct number_rule *rule = &number_rules[i];
        if (rule->tag == field->tag) {
            return take_int(taking, field, rule->min, rule->max, member_at(taking, rule->member));
        }
    }
    for (size_t i = 0; i < RULE_COUNT(flag_rules); i++) {
        if (flag_rules[i].tag == field->tag) {
            return take_flag(taking, field, flag_rules[i].member);
        }
    }
    for (size_t i = 0; i < RULE_COUNT(path_rules); i++) {
        if (path_rules[i].tag == field->tag) {
            return take_path(taking, field, &path_rules[i]);
        }
    }
    for (size_t i = 0; i < RULE_COUNT(text_rules); i++) {
        if (text_rules[i].tag == field->tag) {
            return take_text(taking, field, &text_rules[i]);
        }
    }
    return 0;
}

static int take_operation(struct taking *taking, const struct field *field)
{
    int64_t value;
    int errnum = take_int(taking, field, AGENT_OP_HELLO, AGENT_OP_IDENTITY, &value);
    if (errnum == 0) {
        taking->request->operation = (enum agent_operation)value;
    }
    return errnum;
}

int request_take_field(struct request *request, const struct field *field, const char **ret_problem)
{
    struct taking taking = {.request = request};
    int errnum = 0;
    if (field->tag == AGENT_BYTES) {
        request->bytes = field->value;
    } else if (field->tag == AGENT_ENTROPY) {
        request->entropy = field->value;
    } else if (field->tag == AGENT_OPERATION) {
        errnum = take_operation(&taking, field);
    } else {
        errnum = take_by_rule(&taking, field);
    }
    if (errnum != 0) {
        *ret_problem = taking.problem;
    }
    return errnum;
}
