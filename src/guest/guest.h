/* The first program of a virtual machine, in steps. It only runs as PID 1 there, once: a step that fails ends
 * the machine with a line on the console. */
#ifndef ATOLL_GUEST_GUEST_H
#define ATOLL_GUEST_GUEST_H

/* Prints what could not be done, with errno's text, and ends: the kernel panics, which ends the machine. */
_Noreturn void guest_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes text into the existing file; ends the machine when it cannot. */
void guest_write(const char *path, const char *text);

/* /proc, /sys, /dev of the initramfs; afterwards the console is where messages go. */
void guest_early_mounts(void);

/* Loads what /modules/order names, one file a line. Does nothing without that file: all is built in. */
void guest_load_modules(void);

/* Brings up both interfaces. Returns the descriptor of the agent's listening socket, which lives in
 * a network namespace that nothing else is in. */
int guest_open_network(void);

/* Makes the cgroup of the commands. Returns the descriptor of its directory, and of its memory.events. */
int guest_open_cgroup(int *ret_memory_events);

/* A copy of /atoll-agent in memory that nobody can write to. Returns its descriptor. */
int guest_seal_agent(void);

/* Makes the overlay of both disks, with what a container sandbox sees mounted in it, this process's root. */
void guest_enter_root(void);

#endif
