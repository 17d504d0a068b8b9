/* What of the host a machine's saved memory depends on. */
#ifndef ATOLL_ENGINE_VM_HOST_FACTS_H
#define ATOLL_ENGINE_VM_HOST_FACTS_H

enum { FACT_SIZE = 80 };

struct host_facts {
    char qemu_version[FACT_SIZE]; /* "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)" */
    char accel[8];                /* "kvm" or "tcg" */
    char cpu_model[FACT_SIZE];    /* with kvm the host's CPU, else what QEMU emulates */
    char guest_digest[65];        /* SHA-256 over the guest's kernel and initramfs */
};

#endif
