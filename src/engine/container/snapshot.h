/* Snapshots of the container engine; for the files of this directory.
 *
 * STATE/snapshots/<id>/ holds disk.img, an image as in disks/, sparse, without errors and cleanly
 * unmounted, and "about", lines of text. It gets its name when everything in it is on the host's disk:
 * "<id>.tmp" is one in the making, "dead-<number>" one that goes. What else a snapshot may come to hold
 * (memory) belongs into the same directory. */
#ifndef ATOLL_ENGINE_CONTAINER_SNAPSHOT_H
#define ATOLL_ENGINE_CONTAINER_SNAPSHOT_H

#include "engine/container/internal.h"
#include "engine/digest.h"

#include <sys/stat.h>

enum { SNAPSHOT_NAME_SIZE = ID_SIZE + 8 };

/* What "about" says. */
struct snapshot_about {
    char template_image[ENGINE_TEMPLATE_SIZE];
    char template_digest[ENGINE_DIGEST_SIZE]; /* of the image's manifest, "-" when it has none */
    int64_t disk_bytes;
    int64_t stored_bytes;
    char digest[ENGINE_DIGEST_SIZE];
};

/* What a helper leaves for atoll-host, in memory that both share. */
struct snapshot_report {
    struct error error; /* why it failed */
    struct engine_saved saved;
    struct stat file; /* of the image whose digest it found right */
};

/* NULL with err. */
struct snapshot_report *snapshot_report_new(struct error *err);
struct snapshot_report *snapshot_report_free(struct snapshot_report *report);

/* A snapshot in the making. */
struct snapshot_job {
    struct engine *engine;
    struct engine_snapshot plan;
    struct engine_call *call;
    char template_digest[ENGINE_DIGEST_SIZE];
    struct slot *slot;        /* held until its files are copied; NULL then, and for kept disks */
    bool copying;             /* the source's image must stay as it is */
    int image_fd;             /* the source's image */
    int root_fd;              /* a directory on the source's mounted disk, -1 for kept disks */
    int loop_number;          /* that disk's */
    struct event_source gate; /* to the helper */
    struct event_child helper;
    struct event_timer timer; /* asks whether all processes have stopped */
    int64_t since_ms;         /* when they were asked to stop */
    int64_t frozen_us;        /* the same; 0: they were not */
    int64_t pause_us;
    struct snapshot_report *report;
    struct error error; /* why it was given up */
    struct snapshot_job *next;
};

/* Single bytes on the gate. */
enum snapshot_word {
    SNAPSHOT_READY = 'r',  /* helper: has copied what it could while the processes ran */
    SNAPSHOT_GO = 'g',     /* atoll-host: nothing writes now */
    SNAPSHOT_COPIED = 'c', /* helper: does not need the source any more */
};

/* snapshot.c: from the start of its helper to the answer. */
struct snapshot_job *snapshot_job_free(struct snapshot_job *job);
char *snapshot_temporary_name(const struct snapshot_job *job, char name[SNAPSHOT_NAME_SIZE]);
/* Removes what was made of it. */
void snapshot_discard(struct snapshot_job *job);
void snapshot_on_word(void *owner, uint32_t events);
void snapshot_on_helper_exit(void *owner, int wait_status);
void snapshot_poll_frozen(void *owner);

/* snapshot_save.c: the helper's part: copies, checks, names. Never returns. */
void snapshot_save(const struct snapshot_job *job, int gate) __attribute__((noreturn));

/* For helpers, which may work for long: closes all other descriptors, since an inherited one keeps other
 * sandboxes' disks mounted and clients waiting. Sorts fds; -1 is ignored. */
void snapshot_keep_only(int *fds, size_t count);

/* snapshot_about.c */
/* Opens a directory of STATE/snapshots; -1 errno. */
int snapshot_open_directory(const struct engine *engine, const char *name);
int snapshot_write_about(int directory_fd, const struct snapshot_about *about, struct error *err);
/* -1 with err (ERR_NOT_RESTORABLE). */
int snapshot_read_about(int directory_fd, struct snapshot_about *ret_about, struct error *err);
/* What the image is today: a rebuilt one has another digest. */
int snapshot_template_digest(const struct engine *engine, const char *image,
                             char digest[ENGINE_DIGEST_SIZE], struct error *err);

/* snapshot_source.c: is a snapshot whole, and what it was? ERR_NOT_RESTORABLE. */
/* Its image, and what it is. -1 with err. */
int snapshot_open(const struct engine *engine, const char *snapshot_id,
                  struct snapshot_about *ret_about, struct error *err);
/* What can be checked at once. digest: "": not asked. */
int snapshot_check_about(const struct engine *engine, const struct snapshot_about *about,
                         int image_fd, const char *digest, const char *template_image,
                         struct error *err);
/* Reads all of it: for helpers. *ret_file: what was read. */
int snapshot_check_digest(int image_fd, const char *digest, struct stat *ret_file,
                          struct error *err);

/* snapshot_digest.c */
/* Images whose digest was found right a while ago and that were not touched since need not be read again
 * for each of many forks. */
void snapshot_remember(struct engine *engine, const struct stat *file, const char *digest);
bool snapshot_is_remembered(const struct engine *engine, int image_fd, const char *digest);

/* snapshot_list.c */
void snapshot_trash(struct engine *engine, const char *name);

#endif
