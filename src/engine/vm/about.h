/*
 * What a machine was made of: the text file "about" beside the files of a seed, a sandbox, a snapshot.
 *
 * Only root writes these files; reading refuses whatever was not written by this version.
 */
#ifndef ATOLL_ENGINE_VM_ABOUT_H
#define ATOLL_ENGINE_VM_ABOUT_H

#include "engine/engine.h"
#include "engine/vm/host_facts.h"

#include <stddef.h>

enum { VM_ABOUT_MAX_BYTES = 4096 };

#define VM_ABOUT_NAME "about"

/* What two machines must have in common for the memory of one to make sense in the other. */
struct vm_shape {
    struct host_facts facts;
    char template_image[ENGINE_TEMPLATE_SIZE];
    char template_digest[ENGINE_DIGEST_SIZE]; /* of its root.ext4 */
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t disk_bytes;
};

struct vm_about {
    struct vm_shape shape;
    char base_digest[ENGINE_DIGEST_SIZE]; /* of memory.base; "-": it is empty */
    /* Of what is saved; "-": no memory is. memory "-" with a device: it is that of the base. */
    char memory_digest[ENGINE_DIGEST_SIZE];
    char device_digest[ENGINE_DIGEST_SIZE];
};

/* The name of the seed of that shape: SHA-256 over it, the version of the format and the kernel's arguments. 0 or -1. */
int vm_shape_key(const struct vm_shape *shape, char key[ENGINE_DIGEST_SIZE]);

/* Can a machine of the shape now, which the host makes, continue from memory that was saved with the other one? The
 * guest's kernel may be another by now: it is in that memory. 0, or -1 with err: ERR_NOT_RESTORABLE, a sentence
 * that says what differs. */
int vm_shape_fits(const struct vm_shape *saved, const struct vm_shape *now, struct error *err);

/* The text of a shape, of an about; its length. Pure. */
size_t vm_shape_print(const struct vm_shape *shape, char text[VM_ABOUT_MAX_BYTES]);
size_t vm_about_print(const struct vm_about *about, char text[VM_ABOUT_MAX_BYTES]);
/* Pure; text ends with NUL. -1 with err: ERR_NOT_RESTORABLE. */
int vm_about_parse(const char *text, struct vm_about *ret_about, struct error *err);

/* Writes the file whole, in place of an earlier one, and onto the disk (its name not yet: fsync the directory). */
int vm_about_write(int directory_fd, const struct vm_about *about, struct error *err);
int vm_about_read(int directory_fd, struct vm_about *ret_about, struct error *err);

/* The same for any small text. */
int vm_write_text(int directory_fd, const char *name, const char *text, size_t length,
                  struct error *err);

#endif
