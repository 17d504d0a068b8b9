#include "engine/slots.h"

#include "engine/engine.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
    FIRST_UID_RANGE = 1024,    /* ranges below are left to users, services and other tools */
    NETWORK_BASE = 0x64400000, /* 100.64.0.0 */
    NETWORK_ADDRESSES = 2 * SLOTS_ALL,
    NETWORK_PREFIX = 20,
};

_Static_assert(1 << (32 - NETWORK_PREFIX) == NETWORK_ADDRESSES, "one network holds all slots");

uid_t slot_uid_base(int instance, int index)
{
    return (uid_t)(FIRST_UID_RANGE + instance * SLOTS_ALL + index) * SLOT_UID_COUNT;
}

struct in_addr slot_host_address(int instance, int index)
{
    return (struct in_addr){
        htonl((uint32_t)(NETWORK_BASE + instance * NETWORK_ADDRESSES + 2 * index))};
}

struct in_addr slot_sandbox_address(int instance, int index)
{
    return (struct in_addr){
        htonl((uint32_t)(NETWORK_BASE + instance * NETWORK_ADDRESSES + 2 * index + 1))};
}

char *slot_interface(int instance, int index, char name[SLOT_INTERFACE_SIZE])
{
    snprintf(name, SLOT_INTERFACE_SIZE, "at%ds%d", instance, index);
    return name;
}

char *engine_network_of(int instance, char text[32])
{
    char address[INET_ADDRSTRLEN];
    struct in_addr base = slot_host_address(instance, 0);
    inet_ntop(AF_INET, &base, address, sizeof(address));
    snprintf(text, 32, "%s/%d", address, NETWORK_PREFIX);
    return text;
}
