/*
 * How a virtual machine is booted: what atoll-guest-init, its first program, finds and says. The machine has
 * a serial port (the console), two virtio disks, in this order: the template's root (ext4, read-only) and the
 * sandbox's own disk (ext4); and the two network interfaces of guest_network.h, told apart by their addresses.
 */
#ifndef ATOLL_WIRE_GUEST_BOOT_H
#define ATOLL_WIRE_GUEST_BOOT_H

/* The kernel's arguments, the same for every machine. An error of the kernel ends it; a clock that is late, because
 * the host is busy or the machine stood still, is none. Huge pages would make each machine's own memory, and
 * what a snapshot must save, larger than what was written. Of the security modules those are left that programs use on
 * themselves: the others' hooks are in the way of every file and process. */
#define GUEST_KERNEL_ARGUMENTS                                                                     \
    "console=ttyS0 quiet panic=-1 oops=panic reboot=t ipv6.disable=1 random.trust_cpu=on "         \
    "nowatchdog rcupdate.rcu_cpu_stall_suppress=1 no_timer_check tsc=reliable mitigations=off "    \
    "transparent_hugepage=madvise lsm=landlock,yama"

/* An argument more: the machine needs neither disks nor interfaces, prints the word and resets (which ends QEMU
 * with -no-reboot). What can do that can run machines. */
#define GUEST_PROBE_ARGUMENT "atoll.probe"
#define GUEST_PROBE_WORD     "atoll-guest-init: this kernel runs"

/* What a line on the console begins with when the guest cannot start; it then ends with a panic, which QEMU's
 * pvpanic device tells. */
#define GUEST_INIT_NAME "atoll-guest-init"

#endif
