#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "engine/vm/pulse.h"
#include "engine/vm/relay.h"
#include "linux/process.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/*
 * The supervisor is QEMU's parent for as long as it runs. It has no privilege, no file system and few system calls, since
 * what it reads comes from the guest.
 */

enum { NOFILE_SUPERVISOR = 4096 };

int supervisor_confine(struct launch *launch, struct error *err)
{
    struct rlimit files = {NOFILE_SUPERVISOR, NOFILE_SUPERVISOR}, none = {0, 0};
    uid_t uid = launch->uid;
    launch->directory = close_fd(launch->directory);
    launch->saved_device = close_fd(launch->saved_device);
    if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 ||
        chdir(launch->engine->empty_path) < 0 || chroot(".") < 0 || launch_drop_bounds() < 0 ||
        setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        return error_set(err, ERR_ENGINE, errno, "give up privileges");
    }
    return seccomp_filter_load(&launch->engine->filter, err);
}

/* What atoll-host reads when this process has ended: see words.c. silence_s: how long the guest did not answer, if it
 * was ended for that. */
static void __attribute__((noreturn)) say_last_words(struct launch *launch, int64_t silence_s)
{
    char text[ENGINE_CONSOLE_SIZE + 48];
    int status = 0;
    waitpid(launch->child, &status, 0);
    console_drain(&launch->console);
    int length = snprintf(text, sizeof(text), "%d %lld\n", status, (long long)silence_s);
    console_text(&launch->console, text + length, sizeof(text) - (size_t)length);
    size_t total = strlen(text);
    _exit(write(launch->words, text, total) == (ssize_t)total ? 0 : 1);
}

/* Nothing that it held back can be saved: its kernel, or QEMU, does nothing any more. */
static void __attribute__((noreturn)) end_hanging(struct launch *launch, const struct pulse *pulse)
{
    process_signal(launch->child_fd, SIGKILL);
    say_last_words(launch, pulse->limit_ms / 1000);
}

static void take_console(struct launch *launch, short revents)
{
    if (revents & POLLIN) {
        console_drain(&launch->console);
    }
    if (revents & (POLLHUP | POLLERR)) {
        launch->console.fd = close_fd(launch->console.fd);
    }
}

void supervisor_run(struct launch *launch)
{
    struct relay *relay = relay_new(launch->listener);
    struct pulse pulse;
    pulse_start(&pulse, launch->engine->context.settings->vm_hang_sec * 1000);
    while (relay) {
        struct pollfd items[] = {{.fd = launch->child_fd, .events = POLLIN},
                                 {.fd = launch->console.fd, .events = POLLIN},
                                 {.fd = relay_fd(relay), .events = POLLIN},
                                 pulse_poll(&pulse)};
        if (poll(items, 4, pulse_timeout_ms(&pulse)) < 0 && errno != EINTR) {
            break;
        }
        if (items[0].revents) {
            console_drain(&launch->console);
            say_last_words(launch, 0);
        }
        take_console(launch, items[1].revents);
        if (items[2].revents) {
            relay_work(relay);
        }
        if (!pulse_turn(&pulse, items[3].revents)) {
            end_hanging(launch, &pulse);
        }
    }
    _exit(1);
}
