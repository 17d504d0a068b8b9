/*
 * The kept output of a session: records in a file without a name, in two halves. When the newer half is
 * full, the older one is given up. A position is the number of output bytes before it, those included
 * that are gone or that the disk had no room for.
 */
#ifndef ATOLL_AGENT_SPOOL_H
#define ATOLL_AGENT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct spool_half {
    int64_t length;         /* bytes of records in it */
    int64_t first_position; /* of its first record */
};

struct spool {
    int fd;
    int64_t half_bytes;
    int64_t end;     /* position behind everything that was put */
    uint64_t newest; /* number of the half that is written: halves[newest % 2]; newest - 1 is kept, too */
    struct spool_half halves[2];
};

/* Where a reader is. Start: {.position = where} . */
struct spool_cursor {
    int64_t position;
    uint64_t half;
    int64_t offset; /* in that half: of the record that comes next or holds position */
};

/* A piece of one record. */
struct spool_piece {
    int stream;
    int64_t time_ms;
    int64_t lost; /* bytes before it that are gone */
    size_t length; /* 0: bytes were lost at the end */
};

/* on_disk: a file in the sandbox, or memory where there is none to be had. 0, or -1 with errno. */
int spool_open(struct spool *spool, int on_disk, int64_t bytes_max);

void spool_close(struct spool *spool);

/* Gives up everything that is kept. Positions stay. */
void spool_drop(struct spool *spool);

/* Bytes of memory or disk that it takes. */
int64_t spool_size(const struct spool *spool);

/* Adds a record of at most half of bytes_max. Without room on the disk it is lost, which readers are told. */
void spool_put(struct spool *spool, int stream, int64_t time_ms, const void *bytes, size_t length);

/* Copies the next piece, of at most size bytes and not beyond position limit, and advances. 1, or 0 when there
 * is none. */
int spool_read(const struct spool *spool, struct spool_cursor *cursor, int64_t limit,
               unsigned char *bytes, size_t size, struct spool_piece *ret_piece);

#endif
