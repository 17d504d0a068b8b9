/*
 * What is on its way to a running command: bytes for its standard input, the end of them, signals. A
 * bounded queue between the requests that bring it and the one thread that talks to the agent. Counted;
 * any thread.
 */
#ifndef ATOLL_API_EXEC_INPUT_H
#define ATOLL_API_EXEC_INPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exec_input;

enum exec_input_kind { EXEC_INPUT_NONE, EXEC_INPUT_BYTES, EXEC_INPUT_END, EXEC_INPUT_SIGNAL };

/* max: bytes that wait at most. takes_bytes: false when only signals are taken. One reference. */
struct exec_input *exec_input_new(size_t max, bool takes_bytes, struct error *err);
struct exec_input *exec_input_ref(struct exec_input *input);
/* Accepts NULL; returns NULL. */
struct exec_input *exec_input_unref(struct exec_input *input);

/* Producers. push waits while the queue is full, until the client behind client_fd (or -1) goes:
 * ERR_CANCELLED. All: ERR_NOT_FOUND when the command is over. */
int exec_input_push(struct exec_input *input, const void *bytes, size_t length, int client_fd,
                    struct error *err);
int exec_input_end(struct exec_input *input, struct error *err);
int exec_input_signal(struct exec_input *input, int signal, struct error *err);

/* The consumer. wake_fd is readable after something came; take clears it when nothing is left. */
int exec_input_wake_fd(const struct exec_input *input);
bool exec_input_pending(struct exec_input *input);
/* *ret_length: how many of size bytes were filled; *ret_signal. */
enum exec_input_kind exec_input_take(struct exec_input *input, void *bytes, size_t size,
                                     size_t *ret_length, int *ret_signal);

/* A wake-up without anything to take: clears wake_fd. */
void exec_input_woken(struct exec_input *input);

/* The service stops: the consumer is to give up at that monotonic time, 0 = not known. Wakes it. */
void exec_input_set_end(struct exec_input *input, int64_t monotonic_ms);
int64_t exec_input_end_time(struct exec_input *input);

/* The command is over: producers stop. */
void exec_input_close(struct exec_input *input);

#endif
