/* What is kept of a guest's console, and what is told of a machine that ended. */
#include "base/cleanup.h"
#include "check.h"
#include "engine/vm/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void only_the_end_of_the_console_is_kept(void)
{
    int ends[2];
    char text[CONSOLE_RING_BYTES + 1], line[16];
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct console console = {.fd = ends[0]};
    for (int i = 0; i < 1000; i++) {
        int length = snprintf(line, sizeof(line), "line %d\n", i);
        CHECK_INT(write(ends[1], line, (size_t)length), length);
        console_drain(&console);
    }
    console_text(&console, text, sizeof(text));
    CHECK(strlen(text) > CONSOLE_RING_BYTES / 2);
    CHECK_TEXT(text + strlen(text) - 9, "line 999\n");
    console_text(&console, text, 6);
    CHECK_TEXT(text, " 999\n");
    close(ends[0]);
    close(ends[1]);
}

static void the_console_is_made_printable(void)
{
    struct console console = {.fd = -1, .length = 9};
    char text[32];
    memcpy(console.text, "a\0\033[1mb\r\n", 9);
    console_text(&console, text, sizeof(text));
    CHECK_TEXT(text, "a[1mb\n");
}

struct ending {
    struct engine engine;
    struct machine machine;
    struct engine_ended ended;
};

static void describe(struct ending *ending, const char *words, int wait_status)
{
    char directory[] = "/tmp/unit-words-XXXXXX", path[VM_PATH_SIZE];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(ending->engine.run_path, VM_PATH_SIZE, "%s", directory);
    ending->machine.engine = &ending->engine;
    ending->machine.slot = SLOTS_VM_FIRST;
    machine_words_path(&ending->machine, path);
    if (words) {
        auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK_INT(write(fd, words, strlen(words)), (int)strlen(words));
    }
    machine_describe_end(&ending->machine, wait_status, &ending->ended);
    unlink(path);
    rmdir(directory);
}

static void the_reason_is_what_qemu_ended_with(void)
{
    struct ending ending = {0};
    describe(&ending, "0\nbye\n", 0);
    CHECK_TEXT(ending.ended.reason, "the guest powered off or rebooted");
    CHECK_TEXT(ending.ended.console, "bye\n");
    describe(&ending, "256\nKernel panic\n", 0);
    CHECK_TEXT(ending.ended.reason, "the guest's kernel panicked");
    describe(&ending, "9\n", 0);
    CHECK_TEXT(ending.ended.reason, "its QEMU process was killed by signal 9 (SIGKILL)");
    ending.ended.oom_kills = 1;
    describe(&ending, "9\n", 0);
    CHECK(strstr(ending.ended.reason, "memory") != NULL);
}

static void forged_words_are_harmless(void)
{
    struct ending ending = {0};
    char words[3000];
    memset(words, 'x', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    describe(&ending, words, 0);
    CHECK(strlen(ending.ended.console) < ENGINE_CONSOLE_SIZE);
    describe(&ending, "99999999999999999999\033[2J\n", 0);
    CHECK(strchr(ending.ended.console, '\033') == NULL);
    describe(&ending, "", 9);
    CHECK(strstr(ending.ended.reason, "supervisor was killed") != NULL);
    describe(&ending, NULL, -1);
    CHECK_TEXT(ending.ended.reason, "the machine's supervisor ended");
}

static const struct check_case cases[] = {
    {"only the end of the console is kept", only_the_end_of_the_console_is_kept},
    {"the console is made printable", the_console_is_made_printable},
    {"the reason is what QEMU ended with", the_reason_is_what_qemu_ended_with},
    {"forged words are harmless", forged_words_are_harmless},
};

CHECK_MAIN(cases)
