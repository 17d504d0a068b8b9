#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/digest.h"
#include "linux/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MANIFEST_MAX = 64 * 1024, CPU_INFO_MAX = 256 * 1024, VERSION_BYTES = 256 };

static const char program[] = "/usr/bin/qemu-system-x86_64";

/* What lies between two words of a text, "" when they are not there. */
static void between(const char *text, const char *before, const char *after, char *found,
                    size_t size)
{
    const char *from = strstr(text, before);
    from = from ? from + strlen(before) : "";
    from += strspn(from, " \t:");
    snprintf(found, size, "%.*s", (int)strcspn(from, after), from);
}

static void __attribute__((noreturn)) exec_version(int output)
{
    static const char *const argv[] = {"qemu-system-x86_64", "--version", NULL};
    static const char *const environment[] = {"LC_ALL=C", NULL};
    if (dup2(output, STDOUT_FILENO) >= 0) {
        execve(program, (char *const *)argv, (char *const *)environment);
    }
    _exit(1);
}

/* The first line that it prints. */
static void ask_version(char text[VERSION_BYTES])
{
    int ends[2];
    text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return;
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        exec_version(ends[1]);
    }
    close_fd(ends[1]);
    ssize_t got = read(ends[0], text, VERSION_BYTES - 1);
    text[got > 0 ? got : 0] = '\0';
    close_fd(ends[0]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
}

static int find_qemu(struct engine *engine, struct error *err)
{
    char text[VERSION_BYTES];
    if (access(program, X_OK) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0,
                         "QEMU is not installed: run scripts/install-deps vm");
    }
    ask_version(text);
    between(text, "version ", "\n", engine->facts.qemu_version, sizeof(engine->facts.qemu_version));
    return engine->facts.qemu_version[0]
               ? 0
               : error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s --version gives no answer", program);
}

/* What a text file holds, as a digest. */
static int digest_of(const char *path, char digest[ENGINE_DIGEST_SIZE])
{
    auto_free char *text = NULL;
    ssize_t length = read_file_at(AT_FDCWD, path, MANIFEST_MAX, &text);
    return length < 0 ? -1 : digest_text(text, (size_t)length, digest);
}

static int find_guest(struct engine *engine, struct error *err)
{
    char path[VM_PATH_SIZE + 32];
    snprintf(path, sizeof(path), "%s/.guest/manifest.json", engine->images_path);
    return digest_of(path, engine->facts.guest_digest) < 0
               ? error_set(err, ERR_HOST_UNSUPPORTED, 0,
                           "the guest's kernel is not built: run scripts/build-guest")
               : 0;
}

int facts_find(struct engine *engine, struct error *err)
{
    snprintf(engine->facts.accel, sizeof(engine->facts.accel), "tcg");
    return find_qemu(engine, err) < 0 || find_guest(engine, err) < 0 ? -1 : 0;
}

void facts_set_accel(struct engine *engine, bool kvm)
{
    auto_free char *text = NULL;
    snprintf(engine->facts.accel, sizeof(engine->facts.accel), "%s", kvm ? "kvm" : "tcg");
    snprintf(engine->facts.cpu_model, sizeof(engine->facts.cpu_model), "max");
    if (kvm && read_file_at(AT_FDCWD, "/proc/cpuinfo", CPU_INFO_MAX, &text) > 0) {
        between(text, "model name", "\n", engine->facts.cpu_model, sizeof(engine->facts.cpu_model));
    }
}

int vm_shape_now(const struct engine *engine, const char *template_image, int64_t cpu_count,
                 int64_t memory_bytes, int64_t disk_bytes, struct vm_shape *ret_shape,
                 struct error *err)
{
    char path[VM_PATH_SIZE + ENGINE_TEMPLATE_SIZE + 32];
    struct vm_shape shape = {.facts = engine->facts,
                             .cpu_count = cpu_count,
                             .memory_bytes = memory_bytes,
                             .disk_bytes = disk_bytes};
    snprintf(shape.template_image, sizeof(shape.template_image), "%s", template_image);
    snprintf(path, sizeof(path), "%s/%s/root.json", engine->images_path, template_image);
    if (digest_of(path, shape.template_digest) < 0) {
        error_set(err, ERR_TEMPLATE_NOT_READY, 0,
                  "the template's image '%s' has no root disk for virtual machines",
                  template_image);
        return error_hint(err, "Build it on the host: scripts/build-guest %s", template_image);
    }
    *ret_shape = shape;
    return 0;
}
