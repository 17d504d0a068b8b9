#include "cli/base64.h"

#include <stdbool.h>
#include <stdint.h>

static int digit(char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t length, unsigned char *bytes)
{
    size_t used = 0;
    if (length % 4) {
        return -1;
    }
    for (size_t i = 0; i < length; i += 4) {
        bool last = i + 4 == length;
        int padding = last ? (text[i + 3] == '=') + (text[i + 2] == '=') : 0;
        uint32_t group = 0;
        for (int j = 0; j < 4; j++) {
            int value = j >= 4 - padding ? 0 : digit(text[i + (size_t)j]);
            if (value < 0) {
                return -1;
            }
            group = group << 6 | (uint32_t)value;
        }
        for (int j = 0; j < 3 - padding; j++) {
            bytes[used++] = (unsigned char)(group >> (16 - 8 * j));
        }
    }
    return (ssize_t)used;
}
