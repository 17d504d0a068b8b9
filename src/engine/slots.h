/* What follows from the numbers of an instance and of a slot alone: user ids, addresses, names. Engines share
 * one numbering, so that nothing of one can be taken for another's. */
#ifndef ATOLL_ENGINE_SLOTS_H
#define ATOLL_ENGINE_SLOTS_H

#include <netinet/in.h>
#include <sys/types.h>

enum {
    SLOTS_ALL = 2048,
    SLOTS_VM = 256,
    SLOTS_CONTAINER = SLOTS_ALL - SLOTS_VM, /* these come first */
    SLOTS_VM_FIRST = SLOTS_CONTAINER,
    SLOT_UID_COUNT = 65536,
    SLOT_INTERFACE_SIZE = 16, /* IFNAMSIZ */
};

/* The first of the SLOT_UID_COUNT user and group ids of a slot. */
uid_t slot_uid_base(int instance, int index);

/* The two ends of its veth pair, a /31. */
struct in_addr slot_host_address(int instance, int index);
struct in_addr slot_sandbox_address(int instance, int index);

/* The host's end of it, "at0s12": what the firewall goes by. */
char *slot_interface(int instance, int index, char name[SLOT_INTERFACE_SIZE]);

#endif
