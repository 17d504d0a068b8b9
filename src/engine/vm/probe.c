#include "engine/vm/job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "engine/digest.h"
#include "engine/vm/preload.h"
#include "linux/process.h"
#include "wire/guest_boot.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/*
 * A /dev/kvm that opens may belong to a host that only imitates it, on which a guest crawls and then fails. So a guest is
 * booted as far as its first program, in a few seconds or not at all; what came out is remembered until QEMU, the guest's
 * kernel or the CPU is another.
 */

enum { PROBE_MAX_MS = 5 * 1000, KERNEL_FD = 10, INITRD_FD = 11, HIGH_FD = 32, OUTPUT_BYTES = 8192 };

static char *result_path(const struct engine *engine, char path[VM_PATH_SIZE])
{
    return settings_path(engine->context.settings, "vm/probe", path, VM_PATH_SIZE);
}

/* What the result holds for: the first line of the file. */
static void describe_host(const struct engine *engine, char digest[ENGINE_DIGEST_SIZE])
{
    char text[4 * FACT_SIZE];
    struct engine with_kvm = {.facts = engine->facts};
    facts_set_accel(&with_kvm, true);
    int length = snprintf(text, sizeof(text), "%s\n%s\n%s\n", with_kvm.facts.qemu_version,
                          with_kvm.facts.guest_digest, with_kvm.facts.cpu_model);
    digest_text(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1, digest);
}

static int place(int fd, int wanted)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    return high < 0 ? -1 : dup2(high, wanted);
}

static int open_guest(const struct engine *engine, const char *name)
{
    char path[VM_PATH_SIZE + 32];
    snprintf(path, sizeof(path), "%s/.guest/%s", engine->images_path, name);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Unprivileged, with nothing but KVM and the guest's two files. */
static void __attribute__((noreturn)) exec_guest(const struct engine *engine, int output)
{
    static const char *const argv[] = {
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-M",
        "pc",
        "-accel",
        "kvm",
        "-cpu",
        VM_KVM_CPU,
        "-m",
        "128",
        "-serial",
        "stdio",
        "-kernel",
        "/proc/self/fd/10",
        "-initrd",
        "/proc/self/fd/11",
        "-append",
        GUEST_KERNEL_ARGUMENTS " " GUEST_PROBE_ARGUMENT,
        NULL};
    char preload[VM_PATH_SIZE + 32];
    const char *const environment[] = {preload, "LC_ALL=C", NULL};
    uid_t uid = slot_uid_base(engine->context.instance, SLOTS_VM_FIRST);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/preload.so", engine->root_path);
    process_reset_signals();
    if (place(open_guest(engine, "vmlinuz"), KERNEL_FD) < 0 ||
        place(open_guest(engine, "initrd"), INITRD_FD) < 0 || place(kvm, PRELOAD_KVM_FD) < 0 ||
        place(output, 1) < 0 || place(output, 2) < 0 || place(null_fd, 0) < 0 ||
        setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        _exit(1);
    }
    execve("/usr/bin/qemu-system-x86_64", (char *const *)argv, (char *const *)environment);
    _exit(1);
}

/* Until the word has come, the output ends or time is up. */
static bool await_word(int output)
{
    char text[OUTPUT_BYTES];
    size_t length = 0;
    int64_t until_ms = clock_monotonic_ms() + PROBE_MAX_MS;
    while (length < sizeof(text) - 1) {
        struct pollfd item = {.fd = output, .events = POLLIN};
        int64_t left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0 || poll(&item, 1, (int)left_ms) <= 0) {
            return false;
        }
        ssize_t got = read(output, text + length, sizeof(text) - 1 - length);
        if (got <= 0) {
            return false;
        }
        length += (size_t)got;
        text[length] = '\0';
        for (size_t i = 0; i < length; i++) { /* a guest may print NUL */
            text[i] = text[i] ? text[i] : ' ';
        }
        if (strstr(text, GUEST_PROBE_WORD)) {
            return true;
        }
    }
    return false;
}

static int boot_guest(struct vm_job *job, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "try KVM");
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        exec_guest(job->engine, ends[1]);
    }
    close_fd(ends[1]);
    auto_close int output = ends[0];
    if (pid < 0) {
        return error_set(err, ERR_INTERNAL, errno, "try KVM");
    }
    job->report->number = await_word(output);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return 0;
}

static void on_result(struct vm_job *job, const struct error *error)
{
    struct engine *engine = job->engine;
    char digest[ENGINE_DIGEST_SIZE], path[VM_PATH_SIZE], text[ENGINE_DIGEST_SIZE + 8];
    bool kvm = job->report->number != 0;
    if (error) { /* it was not found out: asked again at the next start */
        log_warn("kvm.probe", "error=%s", error->message);
        return;
    }
    describe_host(engine, digest);
    int length = snprintf(text, sizeof(text), "%s\n%s\n", digest, kvm ? "kvm" : "tcg");
    if (write_file_atomic(result_path(engine, path), text, (size_t)length, 0600) < 0) {
        log_warn("kvm.probe", "errno=%d", errno);
    }
    facts_set_accel(engine, kvm);
    log_info("kvm.probe", "accel=%s", engine->facts.accel);
}

/* 1 or 0 as it was found, -1: not known. */
static int remembered(const struct engine *engine)
{
    char digest[ENGINE_DIGEST_SIZE], path[VM_PATH_SIZE];
    auto_free char *text = NULL;
    describe_host(engine, digest);
    if (read_file_at(AT_FDCWD, result_path(engine, path), 2 * ENGINE_DIGEST_SIZE, &text) < 0 ||
        strncmp(text, digest, strlen(digest)) != 0) {
        return -1;
    }
    return strcmp(text + strlen(digest), "\nkvm\n") == 0;
}

void probe_start(struct engine *engine)
{
    const char *wanted = engine->context.settings->vm_accel;
    struct error error = {0};
    int known = remembered(engine);
    facts_set_accel(engine, strcmp(wanted, "kvm") == 0);
    if (strcmp(wanted, "auto") != 0 || access("/dev/kvm", R_OK | W_OK) < 0) {
        return;
    }
    if (known >= 0) {
        facts_set_accel(engine, known);
        return;
    }
    struct vm_job *job = vm_job_new(engine, NULL, &error);
    if (job) {
        job->run = boot_guest;
        job->done = on_result;
        vm_job_start(job);
    }
}
