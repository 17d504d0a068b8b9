/* Descriptors that atoll-host sends: exactly those that were asked for arrive, and none is left behind. */
#include "base/cleanup.h"
#include "check.h"
#include "hostclient/hostclient.h"
#include "wire/fields.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char path[] = "/tmp/atoll-unit-host.sock";

/* What the pretended atoll-host answers to one request. */
static struct {
    int code;
    int fd_count;
    const char *address;
    bool is_garbage;
} answer;

static int listener = -1;

static void send_answer(int fd)
{
    unsigned char data[256] = "garbage";
    int fds[HOST_SOCKETS_MAX];
    struct fields_writer writer;
    fields_start(&writer, data, sizeof(data));
    if (answer.is_garbage) {
        writer.length = 7;
    } else {
        fields_put_int(&writer, HOST_ERROR_CODE, answer.code);
        if (answer.address) {
            fields_put_string(&writer, HOST_ADDRESS, answer.address);
        }
    }
    for (int i = 0; i < answer.fd_count; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    char control[CMSG_SPACE(sizeof(fds))] = {0};
    struct iovec part = {data, writer.length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (answer.fd_count > 0) {
        size_t bytes = (size_t)answer.fd_count * sizeof(int);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(bytes);
        *CMSG_FIRSTHDR(&message) = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes)};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, bytes);
    }
    CHECK(sendmsg(fd, &message, MSG_NOSIGNAL) > 0);
    for (int i = 0; i < answer.fd_count; i++) {
        close(fds[i]);
    }
}

static void *serve_one(void *unused)
{
    char request[4096];
    auto_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (recv(fd, request, sizeof(request), 0) > 0) {
        send_answer(fd);
    }
    return unused;
}

static int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (directory && readdir(directory)) {
        count++;
    }
    if (directory) {
        closedir(directory);
    }
    return count;
}

/* Asks for count sockets; whatever happens, only what was given is open afterwards. */
static int ask(int count, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fds[HOST_SOCKETS_MAX];
    char where[46] = "";
    pthread_t thread;
    memcpy(address.sun_path, path, sizeof(path));
    unlink(path);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
          listen(listener, 1) == 0);
    struct hostclient *client = hostclient_new(path);
    int before = count_descriptors();
    *err = (struct error){0};
    pthread_create(&thread, NULL, serve_one, NULL);
    int result =
        host_sockets(client, "sbx_01j9xr2t4fk8me3n5qv7w9x1y3", AF_INET, count, fds, where, err);
    pthread_join(thread, NULL);
    for (int i = 0; result == 0 && i < count; i++) {
        CHECK_INT(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        close(fds[i]);
    }
    hostclient_free(client);
    CHECK_INT(count_descriptors(), before);
    close_fd(listener);
    unlink(path);
    return result;
}

static void as_many_as_asked_for_are_given(void)
{
    struct error err;
    for (int count = 1; count <= HOST_SOCKETS_MAX; count += HOST_SOCKETS_MAX - 1) {
        answer.code = 0;
        answer.fd_count = count;
        answer.address = "127.0.0.1";
        CHECK_INT(ask(count, &err), 0);
    }
}

static void other_numbers_are_refused_and_closed(void)
{
    struct error err;
    answer.code = 0;
    answer.address = "127.0.0.1";
    static const int given[] = {0, 1, 3, HOST_SOCKETS_MAX};
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        answer.fd_count = given[i];
        CHECK_INT(ask(2, &err), -1);
    }
}

static void descriptors_of_a_bad_answer_are_closed(void)
{
    struct error err;
    answer.fd_count = 2;
    answer.address = NULL;
    CHECK_INT(ask(2, &err), -1);
    answer.address = "127.0.0.1";
    answer.code = ERR_NOT_RUNNING;
    CHECK_INT(ask(2, &err), -1);
    CHECK_INT(err.code, ERR_NOT_RUNNING);
    answer.is_garbage = true;
    CHECK_INT(ask(2, &err), -1);
    answer.is_garbage = false;
}

static const struct check_case cases[] = {
    {"as many as asked for are given", as_many_as_asked_for_are_given},
    {"other numbers are refused and closed", other_numbers_are_refused_and_closed},
    {"descriptors of a bad answer are closed", descriptors_of_a_bad_answer_are_closed},
};

CHECK_MAIN(cases)
