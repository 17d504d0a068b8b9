/*
 * What must survive the death of atoll-host: one record a slot, in a file that is mapped into memory.
 * A store to memory is all that writing takes, and the page cache keeps it whatever happens to the
 * process. A host that restarted has lost all processes, so nothing needs to reach the disk in time.
 */
#ifndef ATOLL_ENGINE_RECORDS_H
#define ATOLL_ENGINE_RECORDS_H

#include "base/error.h"
#include "base/ids.h"

#include <stdbool.h>
#include <stdint.h>

enum record_state {
    RECORD_FREE = 0,
    RECORD_SPARE,    /* being prepared, parked, or being cleaned up; no sandbox */
    RECORD_CREATING, /* a sandbox that is not acknowledged */
    RECORD_RUNNING,
    RECORD_FROZEN,
    RECORD_ENDING,
};

/* Fixed layout, 256 bytes. Fields are filled before the state that makes them valid is stored. */
struct record {
    uint32_t state; /* enum record_state; through record_set_state only */
    uint32_t generation;
    char id[ID_SIZE];
    int32_t pid;
    int32_t loop_number;
    uint64_t pid_start_ticks;
    uint8_t has_network;
    uint8_t discard_disk; /* CREATING: of a failed start; ENDING: of a destroyed sandbox */
    uint8_t padding[2];
    int32_t child_pid; /* of a virtual machine: QEMU's, on the host */
    char reserved[192];
};

struct records;

/* Maps the table, which is made when missing. Pids of records written before the machine restarted
 * read 0. NULL with err. */
struct records *records_open(const char *path, struct error *err);
struct records *records_close(struct records *records);

struct record *records_slot(struct records *records, int index);

/* A number that no slot has had before. */
uint32_t records_next_generation(struct records *records);

/* Stores the state after everything that was written to the record before. */
void record_set_state(struct record *record, enum record_state state);

#endif
