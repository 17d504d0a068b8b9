/*
 * The network of a virtual machine, the same in every one: what tells them apart is the network namespace
 * around each. Two interfaces: one for the agent alone, in the guest's first network namespace, which
 * no command of the sandbox is in; and "eth0" of the sandbox.
 *
 * In the namespace around the machine, "lo" stays down and 127.0.0.0/8 is routed to the guest (whose
 * eth0 has route_localnet), so that a server that listens on the sandbox's loopback only is reached
 * at 127.0.0.1 from there, as in a container.
 */
#ifndef ATOLL_WIRE_GUEST_NETWORK_H
#define ATOLL_WIRE_GUEST_NETWORK_H

#define GUEST_AGENT_HOST_ADDRESS "169.254.64.1"
#define GUEST_AGENT_ADDRESS "169.254.64.2"
#define GUEST_GATEWAY_ADDRESS "10.200.0.1"
#define GUEST_ADDRESS "10.200.0.2"

/* Names of the tap devices in the namespace around the machine, and addresses of both ends. */
#define GUEST_AGENT_TAP "agent0"
#define GUEST_TAP "vm0"
#define GUEST_AGENT_TAP_MAC "02:a0:11:00:00:01"
#define GUEST_AGENT_MAC "02:a0:11:00:00:02"
#define GUEST_TAP_MAC "02:a0:11:00:01:01"
#define GUEST_MAC "02:a0:11:00:01:02"

enum { GUEST_AGENT_PORT = 1, GUEST_PREFIX_LENGTH = 30 };

#endif
