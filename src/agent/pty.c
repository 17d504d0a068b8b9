#include "agent/pty.h"

#include "agent/path.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

enum { SLAVE_MODE = 0620 };

void pty_resize(int master_fd, int rows, int cols)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    ioctl(master_fd, TIOCSWINSZ, &size);
}

/* So that erasing a character erases all of its bytes. */
static void expect_utf8(int slave_fd)
{
    struct termios modes;
    if (tcgetattr(slave_fd, &modes) == 0) {
        modes.c_iflag |= IUTF8;
        tcsetattr(slave_fd, TCSANOW, &modes);
    }
}

int pty_open(const struct account *account, int rows, int cols, int *ret_master, int *ret_slave)
{
    int unlock = 0;
    auto_close int master = path_open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0) {
        return -1;
    }
    auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        return -1;
    }
    if (fchown(slave, account->uid, (gid_t)-1) == 0) {
        fchmod(slave, SLAVE_MODE);
    }
    expect_utf8(slave);
    pty_resize(master, rows, cols);
    *ret_master = take_fd(&master);
    *ret_slave = take_fd(&slave);
    return 0;
}
