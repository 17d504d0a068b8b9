/* Keeps a test program's processes to themselves. */
#ifndef ATOLL_TESTS_ISOLATE_H
#define ATOLL_TESTS_ISOLATE_H

/* For tests that start and kill processes: the rest of the program runs in a PID namespace of its own. No
 * signal, however wrong its target, leaves it, and nothing outlives it. Call first in main. Without root
 * the whole program is skipped. */
void isolate_processes(void);

#endif
