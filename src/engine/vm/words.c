#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/*
 * The file of last words is written by the supervisor, which what it supervises may have taken over: how QEMU ended, for how
 * many seconds the guest had not answered if it was ended for that, and behind that line its console, made printable
 * once more.
 */

static void copy_printable(char *to, size_t size, const char *from)
{
    size_t length = 0;
    for (; *from && length + 1 < size; from++) {
        if (*from == '\n' || (*from >= ' ' && *from <= '~')) {
            to[length++] = *from;
        }
    }
    to[length] = '\0';
}

static void describe_status(int status, long silence_s, int64_t oom_kills,
                            char reason[ENGINE_REASON_SIZE])
{
    if (silence_s > 0) {
        snprintf(reason, ENGINE_REASON_SIZE, "the guest hung: it did not answer for %ld seconds",
                 silence_s);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && oom_kills > 0) {
        snprintf(
            reason, ENGINE_REASON_SIZE,
            "its QEMU process was killed by the host's kernel: the memory of the machine and what "
            "emulating it takes were used up");
    } else if (WIFSIGNALED(status)) {
        snprintf(reason, ENGINE_REASON_SIZE, "its QEMU process was killed by signal %d (SIG%s)",
                 WTERMSIG(status),
                 sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    } else if (WEXITSTATUS(status) == 0) {
        snprintf(reason, ENGINE_REASON_SIZE, "the guest powered off or rebooted");
    } else {
        snprintf(reason, ENGINE_REASON_SIZE, "the guest's kernel panicked");
    }
}

void machine_describe_end(const struct machine *machine, int wait_status,
                          struct engine_ended *ended)
{
    char path[VM_PATH_SIZE], *console = NULL;
    auto_free char *text = NULL;
    memcpy(ended->id, machine->plan.id, sizeof(ended->id));
    if (read_file_at(AT_FDCWD, machine_words_path(machine, path), 2 * ENGINE_CONSOLE_SIZE, &text) >
        0) {
        int status = (int)strtol(text, &console, 10);
        long silence_s = console[0] == ' ' ? strtol(console, &console, 10) : 0;
        describe_status(status, silence_s, ended->oom_kills, ended->reason);
        copy_printable(ended->console, sizeof(ended->console),
                       console[0] == '\n' ? console + 1 : console);
    } else if (wait_status >= 0 && WIFSIGNALED(wait_status)) {
        snprintf(ended->reason, sizeof(ended->reason),
                 "the machine's supervisor was killed by signal %d (SIG%s)", WTERMSIG(wait_status),
                 sigabbrev_np(WTERMSIG(wait_status)) ? sigabbrev_np(WTERMSIG(wait_status)) : "?");
    } else {
        snprintf(ended->reason, sizeof(ended->reason), "the machine's supervisor ended");
    }
}
