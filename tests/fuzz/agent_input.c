/* What the agent does with arbitrary frames for a running command. */
#include "agent/command_io.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { INPUT_MAX = 64 * 1024 }; /* fits into the socket's buffer */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct agent agent;
    int ends[2];
    if (size > INPUT_MAX) {
        return 0;
    }
    if (!agent.batch) {
        agent.batch = malloc(BATCH_BYTES);
        assert(agent.batch && loop_init(&agent.loop) == 0);
    }
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    assert(send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
    close(ends[1]);
    /* Reaped: no signal is ever sent. */
    struct command command = {.agent = &agent, .reaped = true, .tree = NULL};
    command.socket = (struct watch){.fd = ends[0]};
    command.input = (struct watch){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    while (command_pump_input(&command) == 0) {
        assert(command.intake.header_length <= FRAME_HEADER_BYTES);
    }
    watch_close(&command.input);
    watch_close(&command.socket);
    free(command.input_pending.data);
    return 0;
}
