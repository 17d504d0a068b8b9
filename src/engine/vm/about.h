/*
 * What a machine is: the text file "about" beside the files of a seed, a sandbox, a snapshot, a saved state.
 *
 * Only root writes these files; reading refuses whatever was not written by this version.
 */
#ifndef ATOLL_ENGINE_VM_ABOUT_H
#define ATOLL_ENGINE_VM_ABOUT_H

#include "engine/engine.h"

#include <stdbool.h>

enum { VM_WORD_SIZE = 64, VM_ABOUT_MAX_BYTES = 4096 };

#define VM_ABOUT_NAME "about"

/* What decides whether the memory of one machine makes sense in another. Texts have no spaces. */
struct vm_shape {
    char template_image[ENGINE_TEMPLATE_SIZE];
    char template_digest[ENGINE_DIGEST_SIZE]; /* of what root.ext4 holds */
    char kernel_digest[ENGINE_DIGEST_SIZE];   /* of kernel and initramfs */
    char qemu_version[VM_WORD_SIZE];
    char accel[VM_WORD_SIZE];
    char cpu_model[VM_WORD_SIZE];
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
};

struct vm_about {
    struct vm_shape shape;
    char base_digest
        [ENGINE_DIGEST_SIZE]; /* of memory.base, what the machine's memory was mapped from */
    /* Of the saved memory; "-" where there is none. */
    char memory_digest[ENGINE_DIGEST_SIZE];
    char device_digest[ENGINE_DIGEST_SIZE];
    int64_t memory_stored_bytes; /* both files on the host's disk; 0: no memory is saved */
};

/* The name of the seed of that shape: SHA-256 over it and the version of the format. */
void vm_shape_key(const struct vm_shape *shape, char key[ENGINE_DIGEST_SIZE]);

/* Can a machine with the shape now continue from memory that was saved with the shape saved? 0, or -1 with err:
 * ERR_NOT_RESTORABLE, a sentence that says what differs. */
int vm_shape_fits(const struct vm_shape *saved, const struct vm_shape *now, struct error *err);

/* The text of an about; its length. */
size_t vm_about_print(const struct vm_about *about, char text[VM_ABOUT_MAX_BYTES]);
/* Pure. -1 with err: ERR_NOT_RESTORABLE. text is NUL-terminated. */
int vm_about_parse(const char *text, struct vm_about *ret_about, struct error *err);

/* Writes the file durably, in place of an earlier one. */
int vm_about_write(int directory_fd, const struct vm_about *about, struct error *err);
int vm_about_read(int directory_fd, struct vm_about *ret_about, struct error *err);

#endif
