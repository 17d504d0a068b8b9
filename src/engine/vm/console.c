#include "engine/vm/launch.h"

#include <string.h>
#include <unistd.h>

static void append(struct console *console, const char *bytes, size_t length)
{
    size_t room = sizeof(console->text) - console->length;
    if (length > room) { /* what is read at once is shorter than what is kept */
        size_t gone = length - room;
        memmove(console->text, console->text + gone, console->length - gone);
        console->length -= gone;
    }
    memcpy(console->text + console->length, bytes, length);
    console->length += length;
}

void console_drain(struct console *console)
{
    char bytes[CONSOLE_RING_BYTES / 2];
    ssize_t got;
    /* Bounded, so that a guest that never stops writing does not keep the supervisor from its other work. */
    for (int i = 0; i < 16 && (got = read(console->fd, bytes, sizeof(bytes))) > 0; i++) {
        append(console, bytes, (size_t)got);
    }
}

void console_text(const struct console *console, char *text, size_t size)
{
    size_t from = console->length >= size ? console->length - size + 1 : 0, length = 0;
    for (size_t i = from; i < console->length; i++) {
        char byte = console->text[i];
        if (byte == '\n' || (byte >= ' ' && byte <= '~')) {
            text[length++] = byte;
        }
    }
    text[length] = '\0';
}
