/* The terminal that the program runs in. */
#ifndef ATOLL_CLI_TTY_H
#define ATOLL_CLI_TTY_H

#include <stdbool.h>
#include <termios.h>

struct tty_mode {
    bool is_changed;
    struct termios before;
};

/* Passes every key on as it is typed, until tty_restore. Does nothing when standard input is no terminal. */
void tty_make_raw(struct tty_mode *mode);
void tty_restore(struct tty_mode *mode);

#define auto_tty_mode __attribute__((cleanup(tty_restore)))

/* Rows and columns of standard output, input or error, whichever is a terminal; false: none is. */
bool tty_size(int *ret_rows, int *ret_cols);

#endif
