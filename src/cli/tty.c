#include "cli/tty.h"

#include <sys/ioctl.h>
#include <unistd.h>

void tty_make_raw(struct tty_mode *mode)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &mode->before)) {
        return;
    }
    raw = mode->before;
    cfmakeraw(&raw);
    mode->is_changed = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void tty_restore(struct tty_mode *mode)
{
    if (mode->is_changed) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &mode->before);
        mode->is_changed = false;
    }
}

bool tty_size(int *ret_rows, int *ret_cols)
{
    static const int descriptors[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
    for (int i = 0; i < 3; i++) {
        struct winsize size;
        if (ioctl(descriptors[i], TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
            *ret_rows = size.ws_row;
            *ret_cols = size.ws_col;
            return true;
        }
    }
    return false;
}
