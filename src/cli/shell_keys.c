#include "cli/shell_keys.h"

size_t shell_keys_take(struct shell_keys *keys, const char *bytes, size_t length, char *out,
                       bool *ret_leave)
{
    size_t used = 0;
    *ret_leave = false;
    for (size_t i = 0; i < length; i++) {
        char key = bytes[i];
        if (keys->tilde) {
            keys->tilde = false;
            if (key == '.') {
                *ret_leave = true;
                return used;
            }
            if (key != '~') {
                out[used++] = '~';
            }
        } else if (keys->at_line_start && key == '~') {
            keys->tilde = true;
            continue;
        }
        keys->at_line_start = key == '\r' || key == '\n';
        out[used++] = key;
    }
    return used;
}
