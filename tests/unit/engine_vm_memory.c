/* Saving what a process changed of its base, and putting it into another one. */
#include "base/cleanup.h"
#include "check.h"
#include "engine/vm/memory.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PAGES = 1000, BASE_BYTES = PAGES * VM_PAGE_BYTES };

static int make_base(void)
{
    int fd = memfd_create("base", MFD_CLOEXEC);
    char page[VM_PAGE_BYTES];
    CHECK(fd >= 0);
    for (int i = 0; i < PAGES; i++) {
        memset(page, i % 2 ? 'a' + i % 26 : 0, sizeof(page));
        CHECK(write(fd, page, sizeof(page)) == (ssize_t)sizeof(page));
    }
    return fd;
}

/* Stands for QEMU: maps the base privately, changes it, and waits to be killed. */
static pid_t start(int base, void (*change)(char *memory))
{
    int pair[2];
    char byte;
    CHECK(pipe2(pair, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char *memory = mmap(NULL, BASE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, base, 0);
        if (memory == MAP_FAILED || write(STDERR_FILENO, memory + 7 * VM_PAGE_BYTES, 0) < 0) {
            _exit(1);
        }
        change(memory);
        if (write(pair[1], "r", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    CHECK(read(pair[0], &byte, 1) == 1);
    close(pair[0]);
    close(pair[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void change_nothing(char *memory)
{
    (void)memory;
}

/* Single pages, a run of more than is moved at once, zeros over data, the first and the last page. */
static void change_much(char *memory)
{
    memset(memory, 'x', 10);
    memset(memory + 11 * VM_PAGE_BYTES, 0, VM_PAGE_BYTES);
    memset(memory + 21 * VM_PAGE_BYTES, 0, 100 * VM_PAGE_BYTES);
    memset(memory + 200 * VM_PAGE_BYTES, 'y', 600 * VM_PAGE_BYTES);
    for (int i = 801; i < 990; i += 3) {
        memory[i * VM_PAGE_BYTES + 5] = 'z';
    }
    memory[BASE_BYTES - 1] = 'e';
}

static void read_memory(pid_t pid, int base, char *bytes)
{
    struct vm_memory_map map;
    struct error err = {0};
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(vm_memory_find(pid, base, &map, &err) == 0);
    for (int i = 0; i < map.count; i++) {
        CHECK_INT(pread(fd, bytes + map.at[i].offset, map.at[i].length, (off_t)map.at[i].address),
                  map.at[i].length);
    }
}

static void another_process_gets_the_same_memory(void)
{
    struct error err = {0};
    auto_close int base = make_base(), saved = memfd_create("saved", MFD_CLOEXEC);
    auto_free char *wanted = malloc(BASE_BYTES), *got = malloc(BASE_BYTES);
    pid_t source = start(base, change_much), target = start(base, change_nothing);
    CHECK_INT(vm_memory_save(source, base, saved, &err), 0);
    CHECK_INT(vm_memory_load(target, base, saved, &err), 0);
    read_memory(source, base, wanted);
    read_memory(target, base, got);
    CHECK(memcmp(wanted, got, BASE_BYTES) == 0);
    CHECK(wanted[0] == 'x' && wanted[BASE_BYTES - 1] == 'e' && wanted[300 * VM_PAGE_BYTES] == 'y');
    end(source);
    end(target);
}

static void only_what_was_written_is_stored(void)
{
    struct error err = {0};
    struct stat info;
    auto_close int base = make_base(), few = memfd_create("few", MFD_CLOEXEC),
                   none = memfd_create("none", MFD_CLOEXEC);
    pid_t source = start(base, change_much), idle = start(base, change_nothing);
    CHECK_INT(vm_memory_save(source, base, few, &err), 0);
    CHECK_INT(vm_memory_save(idle, base, none, &err), 0);
    CHECK(fstat(few, &info) == 0);
    /* the first page, the run, each third of the rest, the last page; zeros are only in the table */
    CHECK_INT(info.st_size, (long long)vm_memory_data_offset(PAGES) + (1 + 600 + 63 + 1) * 4096LL);
    CHECK(fstat(none, &info) == 0);
    CHECK_INT(info.st_size, vm_memory_data_offset(PAGES));
    CHECK_INT(vm_memory_load(idle, base, none, &err), 0);
    end(source);
    end(idle);
}

static void another_base_is_refused(void)
{
    struct error err = {0};
    auto_close int base = make_base(), other = make_base(), saved = memfd_create("s", MFD_CLOEXEC);
    pid_t source = start(base, change_much);
    CHECK_INT(vm_memory_save(source, other, saved, &err), -1);
    CHECK_INT(err.code, ERR_ENGINE);
    end(source);
}

/* A copy of what was saved, in which one byte is another. */
static void a_damaged_file_is_refused(void)
{
    static const int places[] = {0, 17, 24, 33, 4096, 4096 + 249};
    struct error err = {0};
    struct stat info;
    auto_close int base = make_base(), saved = memfd_create("saved", MFD_CLOEXEC);
    pid_t source = start(base, change_much);
    CHECK_INT(vm_memory_save(source, base, saved, &err), 0);
    end(source);
    REQUIRE(fstat(saved, &info) == 0);
    size_t length = (size_t)info.st_size;
    auto_free unsigned char *bytes = malloc(length);
    REQUIRE(pread(saved, bytes, length, 0) == (ssize_t)length);
    CHECK_INT(vm_memory_check(bytes, length, BASE_BYTES, &err), 0);
    CHECK_INT(vm_memory_check(bytes, length, BASE_BYTES + 4096, &err), -1);
    CHECK_INT(vm_memory_check(bytes, length - 1, BASE_BYTES, &err), -1);
    CHECK_INT(vm_memory_check(bytes, length - 4096, BASE_BYTES, &err), -1);
    CHECK_INT(vm_memory_check(bytes, 100, BASE_BYTES, &err), -1);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        bytes[places[i]] ^= 0xff;
        CHECK_INT(vm_memory_check(bytes, length, BASE_BYTES, &err), -1);
        CHECK_INT(err.code, ERR_NOT_RESTORABLE);
        bytes[places[i]] ^= 0xff;
    }
}

static const struct check_case cases[] = {
    {"another process gets the same memory", another_process_gets_the_same_memory},
    {"only what was written is stored", only_what_was_written_is_stored},
    {"another base is refused", another_base_is_refused},
    {"a damaged file is refused", a_damaged_file_is_refused},
};

CHECK_MAIN(cases)
