/* What the agent makes of an arbitrary head: an error, or a request whose parts are all usable. */
#include "agent/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_path(const char *path)
{
    assert(!path || (path[0] == '/' && strlen(path) < AGENT_PATH_MAX));
}

/* Everything that a session operation relies on. */
static void check_session(const struct request *request)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *id = request->session_id;
    check_path(request->log_path);
    check_path(request->pid_path);
    assert(request->position >= -1 && request->signal >= 0 && request->signal <= 64);
    assert(request->rows >= 0 && request->rows <= AGENT_WINDOW_MAX);
    assert(request->cols >= 0 && request->cols <= AGENT_WINDOW_MAX);
    assert(request->detach_ms >= 0 && request->grace_ms >= 0 && request->limit >= 1);
    assert(request->kind >= 0 && request->kind <= AGENT_SESSION_TERMINAL);
    assert(!request->name || strlen(request->name) < AGENT_NAME_SIZE);
    if (request->operation < AGENT_OP_SESSION_START || request->operation > AGENT_OP_SESSION_STOP ||
        request->operation == AGENT_OP_SESSION_LIST) {
        return;
    }
    assert(id && *id && strlen(id) < AGENT_SESSION_ID_SIZE && strspn(id, allowed) == strlen(id));
    assert(request->operation != AGENT_OP_SESSION_SIGNAL || request->signal > 0);
    assert(request->operation != AGENT_OP_SESSION_INPUT || request->bytes.data);
    assert(request->operation != AGENT_OP_SESSION_START ||
           (request->kind > 0 && request->command && strlen(request->command) < AGENT_PATH_MAX));
}

/* Everything that is put into files and given to the kernel. */
static void check_identity(const struct request *request)
{
    static const char address[] = "0123456789abcdef.:,";
    const char *hostname = request->hostname;
    if (request->operation != AGENT_OP_IDENTITY) {
        return;
    }
    assert(!hostname ||
           (*hostname && strlen(hostname) < 64 &&
            strspn(hostname, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(hostname)));
    assert(!request->address || strspn(request->address, address) == strlen(request->address));
    assert(!request->resolvers ||
           strspn(request->resolvers, address) == strlen(request->resolvers));
    assert(!request->entropy.data || request->entropy.length == AGENT_ENTROPY_BYTES);
    assert(request->time_us == 0 || request->time_us >= INT64_C(1577836800000000));
}

static size_t check_texts(char **texts)
{
    size_t count = 0;
    while (texts[count]) {
        assert(strlen(texts[count]) < 1024 * 1024);
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct request request;
    const char *problem = NULL;
    unsigned char *head = malloc(size + 1); /* the parser rewrites it, and reads no byte beyond */
    assert(head);
    memcpy(head, data, size);
    int errnum = request_parse(head, size, &request, &problem);
    if (errnum != 0) {
        assert(errnum > 0 && problem);
    } else {
        check_path(request.path);
        check_path(request.target);
        check_path(request.cwd);
        assert(request.mode >= -1 && request.mode <= 07777 && request.depth >= 1);
        check_session(&request);
        check_identity(&request);
        if (request.operation == AGENT_OP_EXEC || request.operation == AGENT_OP_SESSION_START) {
            assert(check_texts(request.arguments) > 0);
            assert(check_texts(request.environment) == request.environment_count);
        }
        request_free(&request);
    }
    free(head);
    return 0;
}
