#include "engine/vm/launch.h"

#include "engine/vm/preload.h"
#include "engine/vm/state.h"
#include "wire/guest_boot.h"
#include "wire/guest_network.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of the overhead that a machine is granted holds translated code. */
enum { TRANSLATED_CODE_MB = 96 };

static char program[] = "qemu-system-x86_64";

static void add(struct qemu_arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct qemu_arguments *arguments, const char *format, ...)
{
    va_list values;
    char *text;
    va_start(values, format);
    arguments->at[0] = program;
    arguments->count = arguments->count ? arguments->count : 1;
    if (arguments->count >= QEMU_ARGUMENTS_MAX - 1 || vasprintf(&text, format, values) < 0) {
        arguments->failed = true;
    } else {
        arguments->at[arguments->count++] = text;
    }
    va_end(values);
}

static void add_constants(struct qemu_arguments *arguments)
{
    static const char *const constants[] = {
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-action",
        "panic=exit-failure",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-L",
        "/usr/share/seabios",
        "-L",
        "/usr/share/qemu",
        "-M",
        "pc,suppress-vmdesc=on,memory-backend=m",
        /* State is read from a file, in which it has no section that says what machine it is of. */
        "-global",
        "migration.send-configuration=off",
        "-device",
        "pvpanic",
    };
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        add(arguments, "%s", constants[i]);
    }
}

static void add_shape(const struct launch *launch, struct qemu_arguments *arguments)
{
    const struct vm_shape *shape = &launch->shape;
    bool kvm = strcmp(shape->facts.accel, "kvm") == 0;
    add(arguments, "-accel");
    if (kvm) {
        add(arguments, "kvm");
    } else {
        add(arguments, "tcg,tb-size=%d", TRANSLATED_CODE_MB);
    }
    add(arguments, "-cpu");
    add(arguments, "%s", kvm ? VM_KVM_CPU : "max");
    add(arguments, "-smp");
    add(arguments, "%lld", (long long)shape->cpu_count);
    add(arguments, "-m");
    add(arguments, "size=%lldM", (long long)(shape->memory_bytes / 1024 / 1024));
    add(arguments, "-object");
    add(arguments, "memory-backend-file,id=m,size=%lld,mem-path=%s,share=%s",
        (long long)shape->memory_bytes, PRELOAD_MEMORY_PATH, launch->machine->seed ? "on" : "off");
}

void qemu_arguments_add_set(struct qemu_arguments *arguments, int set, int fd)
{
    add(arguments, "-add-fd");
    add(arguments, "fd=%d,set=%d", fd, set);
}

static void add_disks(const struct launch *launch, struct qemu_arguments *arguments)
{
    char *text = NULL;
    json_t *disk = vm_layers_blockdev(&launch->layers, QEMU_FIRST_LAYER_SET);
    if (disk) {
        text = json_dumps(disk, JSON_COMPACT);
        json_decref(disk);
    }
    arguments->failed = arguments->failed || !text;
    qemu_arguments_add_set(arguments, QEMU_ROOT_SET, launch->root);
    add(arguments, "-blockdev");
    add(arguments,
        "{\"driver\":\"raw\",\"node-name\":\"root\",\"read-only\":true,\"file\":{\"driver\":"
        "\"file\","
        "\"filename\":\"/dev/fdset/%d\",\"locking\":\"off\",\"read-only\":true}}",
        QEMU_ROOT_SET);
    add(arguments, "-device");
    add(arguments, "virtio-blk-pci,drive=root");
    add(arguments, "-blockdev");
    add(arguments, "%s", text ? text : "");
    add(arguments, "-device");
    add(arguments, "virtio-blk-pci,id=" VM_DISK_DEVICE ",drive=%s",
        launch->layers.at[launch->layers.count - 1].name);
    free(text);
}

static void add_network(const struct launch *launch, struct qemu_arguments *arguments)
{
    static const char *const hardware_address[] = {GUEST_AGENT_MAC, GUEST_MAC};
    const int taps[] = {launch->agent_tap, launch->guest_tap};
    for (int i = 0; i < 2; i++) {
        add(arguments, "-netdev");
        add(arguments, "tap,id=n%d,fd=%d", i, taps[i]);
        add(arguments, "-device");
        add(arguments, "virtio-net-pci,netdev=n%d,mac=%s,romfile=", i, hardware_address[i]);
    }
}

static void add_monitor_and_console(const struct launch *launch, struct qemu_arguments *arguments)
{
    add(arguments, "-chardev");
    add(arguments, "socket,id=q,fd=%d,server=on,wait=off", launch->monitor);
    add(arguments, "-mon");
    add(arguments, "chardev=q,mode=control");
    qemu_arguments_add_set(arguments, QEMU_CONSOLE_SET, launch->console_end);
    add(arguments, "-chardev");
    add(arguments, "file,id=c,path=/dev/fdset/%d,append=on", QEMU_CONSOLE_SET);
    add(arguments, "-serial");
    add(arguments, "chardev:c");
}

static void add_start(const struct launch *launch, struct qemu_arguments *arguments)
{
    if (!launch->boots) {
        add(arguments, "-S");
        add(arguments, "-incoming");
        add(arguments, "defer");
        return;
    }
    add(arguments, "-kernel");
    add(arguments, "/guest/vmlinuz");
    add(arguments, "-initrd");
    add(arguments, "/guest/initrd");
    add(arguments, "-append");
    /* Emulated code is translated once for each address that it runs at: where every process has its programs elsewhere,
     * starting one takes five times as long. */
    bool kvm = strcmp(launch->shape.facts.accel, "kvm") == 0;
    add(arguments, "%s%s", GUEST_KERNEL_ARGUMENTS, kvm ? "" : " norandmaps");
}

void qemu_arguments_make(const struct launch *launch, struct qemu_arguments *arguments)
{
    add_constants(arguments);
    add_shape(launch, arguments);
    add_monitor_and_console(launch, arguments);
    add_disks(launch, arguments);
    add_network(launch, arguments);
    add_start(launch, arguments);
}
