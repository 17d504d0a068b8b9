#include "agent/request_parts.h"

#include <errno.h>
#include <string.h>

static int refuse(const char **ret_problem, const char *problem)
{
    *ret_problem = problem;
    return EINVAL;
}

static int check_command(const struct request *request, const char **ret_problem)
{
    return request->arguments && request->arguments[0] && request->arguments[0][0] != '\0'
               ? 0
               : refuse(ret_problem, "a command needs at least one argument");
}

static bool is_session_id(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return text && *text && text[strspn(text, allowed)] == '\0';
}

static int check_session(const struct request *request, const char **ret_problem)
{
    if (!is_session_id(request->session_id)) {
        return refuse(ret_problem, "a session id is needed");
    }
    switch (request->operation) {
    case AGENT_OP_SESSION_START:
        if (request->kind == 0 || !request->command) {
            return refuse(ret_problem, "kind and command are needed");
        }
        return check_command(request, ret_problem);
    case AGENT_OP_SESSION_INPUT:
        return request->bytes.data ? 0 : refuse(ret_problem, "bytes are needed");
    case AGENT_OP_SESSION_SIGNAL:
        return request->signal != 0 ? 0 : refuse(ret_problem, "signal is needed");
    default:
        return 0;
    }
}

static bool holds_only(const char *text, const char *allowed)
{
    return !text || (*text && text[strspn(text, allowed)] == '\0');
}

static int check_identity(const struct request *request, const char **ret_problem)
{
    if (!holds_only(request->hostname, "abcdefghijklmnopqrstuvwxyz0123456789-")) {
        return refuse(ret_problem, "not a host name");
    }
    if (!holds_only(request->address, "0123456789abcdef.:") ||
        (request->resolvers &&
         request->resolvers[strspn(request->resolvers, "0123456789abcdef.:,")])) {
        return refuse(ret_problem, "not an address");
    }
    return request->entropy.data && request->entropy.length != AGENT_ENTROPY_BYTES
               ? refuse(ret_problem, "not the length of the entropy")
               : 0;
}

int request_check(const struct request *request, const char **ret_problem)
{
    switch (request->operation) {
    case AGENT_OP_HELLO:
    case AGENT_OP_SYNC:
    case AGENT_OP_SESSION_LIST:
    case AGENT_OP_PORTS:
        return 0;
    case AGENT_OP_IDENTITY:
        return check_identity(request, ret_problem);
    case AGENT_OP_EXEC:
        return check_command(request, ret_problem);
    case AGENT_OP_SESSION_START:
    case AGENT_OP_SESSION_GET:
    case AGENT_OP_SESSION_READ:
    case AGENT_OP_SESSION_INPUT:
    case AGENT_OP_SESSION_SIGNAL:
    case AGENT_OP_SESSION_STOP:
        return check_session(request, ret_problem);
    case AGENT_OP_FILE_RENAME:
        return request->path && request->target ? 0
                                                : refuse(ret_problem, "path and target are needed");
    case AGENT_OP_FILE_CHMOD:
        return request->path && request->mode >= 0
                   ? 0
                   : refuse(ret_problem, "path and mode are needed");
    case AGENT_OP_FILE_WRITE:
    case AGENT_OP_FILE_READ:
    case AGENT_OP_FILE_LIST:
    case AGENT_OP_FILE_STAT:
    case AGENT_OP_FILE_MKDIR:
    case AGENT_OP_FILE_REMOVE:
    case AGENT_OP_FILE_WATCH:
        return request->path ? 0 : refuse(ret_problem, "path is needed");
    default:
        break;
    }
    return refuse(ret_problem, "operation is missing");
}
