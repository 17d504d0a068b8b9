/* Swaps two paths for ever: exchange A B. A directory and a symbolic link, say. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    puts("swapping");
    fflush(stdout);
    for (;;) {
        if (renameat2(-100, argv[1], -100, argv[2], RENAME_EXCHANGE)) {
            usleep(100);
        }
    }
}
