/* What agentclient makes of an agent that says arbitrary things. The first byte chooses the operation. */
#include "agentclient/sessions.h"
#include "agentclient/watch.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { REPLY_MAX = 64 * 1024 }; /* fits into the socket's buffer */

static char socket_path[64];
static int listener = -1;
static struct {
    const unsigned char *data;
    size_t size;
} reply; /* the fuzzer's; read by the server between a connection and its post */
static sem_t served;

static void *serve(void *unused)
{
    (void)unused;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        ssize_t sent = send(fd, reply.data, reply.size, MSG_NOSIGNAL);
        (void)sent;
        close(fd);
        sem_post(&served);
    }
    return NULL;
}

static void clean_up(void)
{
    unlink(socket_path);
}

static void start_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    snprintf(socket_path, sizeof(socket_path), "/tmp/atoll-fuzz-%d.sock", getpid());
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    unlink(socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    assert(listen(listener, 4) == 0);
    assert(sem_init(&served, 0, 0) == 0);
    assert(pthread_create(&thread, NULL, serve, NULL) == 0);
    atexit(clean_up);
}

static void run_command(struct error *err)
{
    const char *arguments[] = {"true", NULL};
    struct agent_exec request = {.arguments = arguments, .environment = arguments + 1};
    struct agent_event event;
    struct agent_call *call = agent_exec_start(socket_path, &request, err);
    int finals = 0;
    while (call && agent_exec_next(call, -1, -1, &event, err) == 1) {
        if (event.type == AGENT_EVENT_EXIT) {
            finals++;
            assert(event.exit.exit_code >= 0 && event.exit.exit_code <= 255);
        } else {
            assert(finals == 0);
        }
    }
    assert(finals <= 1);
    agent_call_free(call);
}

static void read_file(struct error *err)
{
    struct agent_stat st;
    char chunk[100];
    struct agent_call *call = agent_read_start(socket_path, "/f", 0, -1, &st, err);
    while (call && agent_read_data(call, chunk, sizeof(chunk), err) > 0) {
    }
    agent_call_free(call);
}

static void write_file(struct error *err)
{
    struct agent_stat st;
    struct agent_call *call = agent_write_start(socket_path, "/f", -1, err);
    if (call && agent_write_data(call, "abc", 3, err) == 0 &&
        agent_write_finish(call, &st, err) == 0) {
        assert(st.path[0] == '/' && st.size >= 0);
    }
    agent_call_free(call);
}

static bool on_entry(const struct agent_stat *entry, void *context)
{
    (void)context;
    assert(entry->path[0] == '/' && strlen(entry->owner) < sizeof(entry->owner));
    return true;
}

static void check_session(const struct session *session)
{
    assert(session->id[0] && session->pid > 0 && session->position >= 0 && session->restarts >= 0);
    assert(session->kind >= AGENT_SESSION_JOB && session->kind <= AGENT_SESSION_TERMINAL);
    assert(session->state >= AGENT_SESSION_RUNNING && session->state <= AGENT_SESSION_ENDED);
}

static void read_session(bool follow, struct error *err)
{
    struct session_event event;
    struct agent_call *call = session_read(socket_path, "a", -1, follow, 0, 0, err);
    int64_t position = 0;
    bool over = false;
    while (call && session_next(call, -1, -1, &event, err) == 1) {
        assert(!over && event.position >= position);
        position = event.position;
        over = event.type == SESSION_EVENT_EXIT || event.type == SESSION_EVENT_END;
    }
    agent_call_free(call);
}

static void follow_files(struct error *err)
{
    static struct watch_change change;
    struct agent_call *call = watch_start(socket_path, "/", true, err);
    while (call && watch_next(call, -1, -1, &change, err) == 1) {
        assert(change.path[0] == '/' && change.size >= -1);
        assert(change.change != AGENT_CHANGE_RENAMED || change.target[0] == '/');
    }
    agent_call_free(call);
}

static void list_ports(struct error *err)
{
    struct listening_port *ports = NULL;
    size_t count = 0;
    if (agent_ports(socket_path, &ports, &count, err) == 0) {
        for (size_t i = 0; i < count; i++) {
            assert(ports[i].port > 0 && ports[i].port <= 65535 && ports[i].pid >= 0);
            assert(ports[i].address[0]);
        }
        free(ports);
    }
}

static void run_session(unsigned char choice, struct error *err)
{
    static struct session session;
    struct session *sessions = NULL;
    size_t count = 0;
    switch (choice % 7) {
    case 0:
        read_session(false, err);
        break;
    case 1:
        read_session(true, err);
        break;
    case 2:
        if (session_get(socket_path, "a", &session, err) == 0) {
            check_session(&session);
        }
        break;
    case 3:
        if (session_list(socket_path, 0, &sessions, &count, err) == 0) {
            for (size_t i = 0; i < count; i++) {
                check_session(&sessions[i]);
            }
            free(sessions);
        }
        break;
    case 5:
        follow_files(err);
        break;
    case 6:
        list_ports(err);
        break;
    default:
        session_signal(socket_path, "a", 15, err);
        break;
    }
}

static void run_simple(unsigned char choice, struct error *err)
{
    struct agent_stat st;
    bool truncated;
    switch (choice % 7) {
    case 0:
        agent_hello(socket_path, 10000, err);
        break;
    case 1:
        agent_list(socket_path, "/", 1, 100, on_entry, NULL, &truncated, err);
        break;
    case 2:
        agent_stat(socket_path, "/", true, &st, err);
        break;
    case 3:
        agent_remove(socket_path, "/f", true, err);
        break;
    case 4:
        agent_rename(socket_path, "/f", "/g", err);
        break;
    case 5:
        run_session(choice / 7, err);
        break;
    default:
        agent_sync(socket_path, err);
        break;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct error err = {0};
    if (size < 1 || size > REPLY_MAX) {
        return 0;
    }
    if (listener < 0) {
        start_server();
    }
    reply.data = data + 1;
    reply.size = size - 1;
    switch (data[0] & 3) {
    case 0:
        run_command(&err);
        break;
    case 1:
        read_file(&err);
        break;
    case 2:
        write_file(&err);
        break;
    default:
        run_simple(data[0] >> 2, &err);
        break;
    }
    sem_wait(&served); /* every operation makes exactly one connection */
    assert(strlen(err.message) < sizeof(err.message));
    return 0;
}
