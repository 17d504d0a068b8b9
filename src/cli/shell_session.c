/* A terminal of a sandbox in the terminal that the program runs in. */
#include "cli/shell_session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/command.h"
#include "cli/shell_keys.h"
#include "cli/socket.h"
#include "cli/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    PING_MS = 20 * 1000,
    SILENCE_MAX_MS = 3 * PING_MS,
    RECONNECT_MAX_MS = 60 * 1000, /* as long as the server keeps a terminal that nobody looks at */
    RECONNECT_STEP_MS = 500,
    INPUT_BYTES = 4096,
    CLOSE_WAIT_MS = 2000,
    CLOSE_ENDS_TERMINAL = 1000,
};

struct shell {
    const struct client *client;
    const char *sandbox_id, *session_id;
    struct websocket *websocket;
    int fd, signal_fd;
    bool is_tty;
    struct shell_keys keys;
    bool input_open, input_waits; /* waits: the server takes nothing now */
    char last_key;
    bool over;
    int exit_code;
};

static void shell_close(struct shell *shell)
{
    shell->websocket = websocket_free(shell->websocket);
    shell->fd = close_fd(shell->fd);
}

#define auto_shell __attribute__((cleanup(shell_close)))

static void leave(struct shell *shell, int exit_code)
{
    shell->over = true;
    shell->exit_code = exit_code;
}

/* Ends the terminal, too. Waits shortly for the answer, which says that the wish was read. */
static void end_terminal(struct shell *shell, int exit_code)
{
    struct websocket_message message = {.type = WEBSOCKET_TEXT};
    int64_t end_ms = clock_monotonic_ms() + CLOSE_WAIT_MS;
    leave(shell, exit_code);
    websocket_close(shell->websocket, CLOSE_ENDS_TERMINAL, NULL);
    while (message.type != WEBSOCKET_CLOSE) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        if (left_ms <= 0 || websocket_receive(shell->websocket, left_ms, &message) != 1) {
            return;
        }
    }
}

/* --- connecting --- */

static void send_size(struct shell *shell)
{
    int rows, cols;
    char text[80];
    if (tty_size(&rows, &cols)) {
        int length = snprintf(text, sizeof text, "{\"type\":\"resize\",\"cols\":%d,\"rows\":%d}",
                              cols, rows);
        websocket_send(shell->websocket, WEBSOCKET_TEXT, text, (size_t)length);
    }
}

static int attach(struct shell *shell, struct error *err)
{
    char path[256];
    snprintf(path, sizeof path, "/sandboxes/%s/terminal/stream?session_id=%s", shell->sandbox_id,
             shell->session_id);
    shell->websocket = client_websocket(shell->client, path, "miosa-terminal-v1", &shell->fd, err);
    if (!shell->websocket) {
        return -1;
    }
    send_size(shell);
    return 0;
}

/* Waits between two attempts; a signal ends the waiting. */
static bool pause_reconnecting(struct shell *shell)
{
    struct pollfd signals = {.fd = shell->signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&signals, 1, RECONNECT_STEP_MS) == 1 &&
        read(shell->signal_fd, &info, sizeof info) == sizeof info && info.ssi_signo != SIGWINCH) {
        leave(shell, EXIT_SIGNAL_BASE + (int)info.ssi_signo);
        return false;
    }
    return true;
}

/* The terminal lives on for a minute: tries to find it again. What it printed comes again, too. */
static int reattach(struct shell *shell, struct error *err)
{
    int64_t end_ms = clock_monotonic_ms() + RECONNECT_MAX_MS;
    fputs("\r\natoll: the connection was lost; connecting again\r\n", stderr);
    shell->websocket = websocket_free(shell->websocket);
    shell->fd = close_fd(shell->fd);
    while (pause_reconnecting(shell)) {
        struct error attempt = {0};
        if (attach(shell, &attempt) == 0) {
            return shell->is_tty ? write_all(STDOUT_FILENO, "\033[2J\033[H", 7) : 0;
        }
        if (attempt.code != ERR_HOST_UNAVAILABLE || clock_monotonic_ms() >= end_ms) {
            *err = attempt;
            return -1;
        }
    }
    return 0;
}

/* --- from the server --- */

static void take_exit(struct shell *shell, const struct websocket_message *message)
{
    auto_json json_t *frame = json_loadb(message->bytes, message->length, 0, NULL);
    if (strcmp(json_text(frame, "type"), "exit") == 0) {
        leave(shell, (int)json_number(frame, "exit_code"));
    }
}

static int take_close(struct shell *shell, const struct websocket_message *message,
                      struct error *err)
{
    switch (message->close_code) {
    case 1000: /* somebody else ended the terminal */
        leave(shell, EXIT_OK);
        return 0;
    case 1001:
    case 1005:
    case 1006:
    case 1012:
    case 1013:
        return reattach(shell, err);
    default:
        return socket_close_error(message, err);
    }
}

/* Takes everything that is there. */
static int take_messages(struct shell *shell, struct error *err)
{
    struct websocket_message message;
    while (!shell->over && websocket_receive(shell->websocket, 0, &message) == 1) {
        if (message.type == WEBSOCKET_BINARY &&
            write_all(STDOUT_FILENO, message.bytes, message.length)) {
            return error_set(err, ERR_INTERNAL, errno, "write to standard output");
        }
        if (message.type == WEBSOCKET_TEXT) {
            take_exit(shell, &message);
        }
        if (message.type == WEBSOCKET_CLOSE && take_close(shell, &message, err)) {
            return -1;
        }
    }
    return 0;
}

/* --- to the server; a connection that broke is noticed where it is read --- */

static void send_keys(struct shell *shell, const char *bytes, size_t length)
{
    if (length > 0) {
        shell->last_key = bytes[length - 1];
        websocket_send(shell->websocket, WEBSOCKET_BINARY, bytes, length);
    }
}

/* Standard input has ended: so do the lines of the terminal, by Ctrl-D, which ends a line first. */
static void send_end(struct shell *shell)
{
    bool at_line_start = shell->last_key == '\n' || shell->last_key == '\0';
    shell->input_open = false;
    send_keys(shell, "\004\004", at_line_start ? 1 : 2);
}

static void take_input(struct shell *shell)
{
    char bytes[INPUT_BYTES], typed[2 * INPUT_BYTES + 1];
    struct pollfd room = {.fd = shell->fd, .events = POLLOUT};
    shell->input_waits = poll(&room, 1, 0) == 0;
    if (shell->input_waits) {
        return;
    }
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (got <= 0) {
        send_end(shell);
        return;
    }
    if (!shell->is_tty) {
        send_keys(shell, bytes, (size_t)got);
        return;
    }
    bool leaves;
    size_t length = shell_keys_take(&shell->keys, bytes, (size_t)got, typed, &leaves);
    send_keys(shell, typed, length);
    if (leaves) {
        end_terminal(shell, EXIT_OK);
    }
}

static void take_signal(struct shell *shell)
{
    struct signalfd_siginfo info;
    if (read(shell->signal_fd, &info, sizeof info) != sizeof info) {
        return;
    }
    if (info.ssi_signo == SIGWINCH) {
        send_size(shell);
        return;
    }
    end_terminal(shell, EXIT_SIGNAL_BASE + (int)info.ssi_signo);
}

/* --- both ways --- */

/* What came together with the handshake is there before any wait. */
static int step(struct shell *shell, struct error *err)
{
    if (take_messages(shell, err)) {
        return -1;
    }
    if (shell->over) {
        return 0;
    }
    struct pollfd polled[] = {
        {.fd = shell->fd, .events = (short)(POLLIN | (shell->input_waits ? POLLOUT : 0))},
        {.fd = shell->input_open && !shell->input_waits ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = shell->signal_fd, .events = POLLIN}};
    int ready = poll(polled, 3, PING_MS);
    if (ready < 0 && errno != EINTR) {
        return error_set(err, ERR_INTERNAL, errno, "poll");
    }
    if (ready > 0 && polled[2].revents) {
        take_signal(shell);
    }
    if (ready > 0 && !shell->over && (polled[1].revents || (polled[0].revents & POLLOUT))) {
        take_input(shell);
    }
    if (ready == 0) {
        websocket_ping(shell->websocket);
    }
    if (clock_monotonic_ms() - websocket_heard_ms(shell->websocket) > SILENCE_MAX_MS) {
        return reattach(shell, err);
    }
    return 0;
}

int shell_signals_open(struct error *err)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        sigaddset(&set, taken[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? error_set(err, ERR_INTERNAL, errno, "signalfd") : fd;
}

static int run(struct shell *shell, struct error *err)
{
    auto_tty_mode struct tty_mode mode = {0};
    if (attach(shell, err)) {
        return -1;
    }
    if (shell->is_tty) {
        tty_make_raw(&mode);
    }
    while (!shell->over) {
        if (step(shell, err)) {
            return -1;
        }
    }
    return 0;
}

int shell_session_run(const struct client *client, const char *sandbox_id, const char *session_id,
                      int signal_fd, int *ret_exit_code, struct error *err)
{
    auto_shell struct shell shell = {.client = client,
                                     .sandbox_id = sandbox_id,
                                     .session_id = session_id,
                                     .fd = -1,
                                     .signal_fd = signal_fd,
                                     .is_tty = isatty(STDIN_FILENO),
                                     .input_open = true,
                                     .keys = {.at_line_start = true}};
    if (run(&shell, err)) {
        return -1;
    }
    *ret_exit_code = shell.exit_code;
    return 0;
}
