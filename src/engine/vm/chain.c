#include "engine/vm/chain.h"

#include "base/cleanup.h"
#include "engine/vm/state.h"

#include <stdio.h>
#include <string.h>

/* The disk's device has no id in what QEMU tells, but a path below it. */
static bool is_disk(const char *device)
{
    static const char below[] = "/machine/peripheral/" VM_DISK_DEVICE "/";
    return device &&
           (strcmp(device, VM_DISK_DEVICE) == 0 || strncmp(device, below, strlen(below)) == 0);
}

/* Which layer QEMU writes to. A guest that made QEMU lie gets a disk of its own that is wrong. */
static int find_top(struct qmp *qmp, const struct vm_layers *layers, struct error *err)
{
    json_t *devices, *device;
    size_t i;
    int top = -1;
    if (qmp_execute(qmp, "query-block", NULL, -1, &devices, err) < 0) {
        return -1;
    }
    json_array_foreach(devices, i, device)
    {
        const char *node =
            json_string_value(json_object_get(json_object_get(device, "inserted"), "node-name"));
        if (node && is_disk(json_string_value(json_object_get(device, "qdev")))) {
            top = vm_layers_find(layers, node);
        }
    }
    json_decref(devices);
    return top >= 0 ? top : error_set(err, ERR_ENGINE, 0, "QEMU does not have the sandbox's disk");
}

/* Descriptor sets of tops: by the number in the name, which no other layer of the machine has. */
static int set_of(const char *name)
{
    const char *dash = strrchr(name, '-');
    return VM_TOP_SET + (dash ? (int)strtol(dash + 1, NULL, 10) : 0);
}

/* QEMU forgets a node, if it knows it and nothing uses it. */
static void forget_node(struct qmp *qmp, const char *name)
{
    struct error ignored;
    qmp_execute(qmp, "blockdev-del", json_pack("{s:s}", "node-name", name), -1, NULL, &ignored);
    qmp_remove_fds(qmp, set_of(name), &ignored);
}

void chain_drop(struct qmp *qmp, int directory_fd, struct vm_layers *layers)
{
    struct error ignored;
    const char *name = layers->at[layers->count - 1].name;
    forget_node(qmp, name);
    layers->count--;
    if (vm_layers_write(directory_fd, layers, &ignored) == 0) {
        unlinkat(directory_fd, name, 0);
    }
}

int chain_read(struct qmp *qmp, int directory_fd, struct vm_layers *ret_layers, struct error *err)
{
    if (vm_layers_read(directory_fd, ret_layers, err) < 0) {
        return -1;
    }
    int top = find_top(qmp, ret_layers, err);
    if (top < 0) {
        return -1;
    }
    while (ret_layers->count > top + 1) {
        chain_drop(qmp, directory_fd, ret_layers);
    }
    return 0;
}

/* One descriptor for each way in which QEMU opens it. */
static int give(struct qmp *qmp, int directory_fd, const struct vm_layers *layers,
                struct error *err)
{
    int top = layers->count - 1, set = set_of(layers->at[top].name);
    auto_close int writable = vm_layers_open(layers, top, directory_fd, true, err);
    auto_close int readable = vm_layers_open(layers, top, directory_fd, false, err);
    if (writable < 0 || readable < 0 || qmp_add_fd(qmp, set, writable, err) < 0 ||
        qmp_add_fd(qmp, set, readable, err) < 0) {
        return -1;
    }
    return qmp_execute(qmp, "blockdev-add", vm_layer_blockdev(layers->at[top].name, set), -1, NULL,
                       err);
}

int chain_prepare(struct qmp *qmp, int directory_fd, struct vm_layers *layers, struct error *err)
{
    if (vm_layers_push(layers, NULL, err) < 0) {
        return -1;
    }
    if (vm_layers_make_top(directory_fd, layers, err) < 0 ||
        vm_layers_write(directory_fd, layers, err) < 0 || fsync(directory_fd) < 0 ||
        give(qmp, directory_fd, layers, err) < 0) {
        chain_drop(qmp, directory_fd, layers);
        return -1;
    }
    return 0;
}

int chain_switch(struct qmp *qmp, const struct vm_layers *layers, struct error *err)
{
    const struct vm_layer *top = &layers->at[layers->count - 1];
    return qmp_execute(qmp, "blockdev-snapshot",
                       json_pack("{s:s, s:s}", "node", (top - 1)->name, "overlay", top->name), -1,
                       NULL, err);
}
