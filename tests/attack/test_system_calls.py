"""Kernel surface: a sweep over all system calls, and each forbidden one by name."""

import errno

REFUSED = {errno.EPERM, errno.ENOSYS, errno.EACCES}
# The kernel may not know these address families or calls at all: as good as a refusal.
UNKNOWN = {"vsock": {errno.EAFNOSUPPORT}, "packet socket": {errno.EAFNOSUPPORT}}


def test_forbidden_calls_are_refused(sandbox, compiled, neighbour):
    program = compiled(sandbox, "forbidden")
    for user in ("root", "sandbox"):
        told = sandbox.output([program], user=user, timeout=60)
        outcomes = {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in told.splitlines()}
        assert len(outcomes) > 45
        allowed = {
            name: errno.errorcode.get(value, value)
            for name, value in outcomes.items()
            if value not in REFUSED | UNKNOWN.get(name, set())
        }
        assert allowed == {}, user


def test_a_sweep_over_all_numbers_hurts_nobody(instance, make_sandbox, compiled, neighbour):
    sandbox = make_sandbox(memory_mb=512, process_limit=256)
    program = compiled(sandbox, "syscalls")
    for user in ("root", "sandbox"):
        told = sandbox.exec([program, "600"], user=user, timeout=300)
        assert told["stdout"].endswith("done\n"), told
        neighbour.check()
    assert sandbox.state == "running"
    assert sandbox.output("echo alive") == "alive\n"
    # Numbers that no kernel has are unknown, not a crash.
    outcomes = dict(line.split() for line in told["stdout"].splitlines()[:-1])
    assert int(outcomes["600"]) in (errno.ENOSYS, errno.EPERM)
    assert instance.host.running() and instance.api.running()


def test_32_bit_calls_are_refused(sandbox):
    sandbox.write("/tmp/old.c", OLD_CALL)
    sandbox.output("gcc -O1 -o /tmp/old /tmp/old.c")
    told = sandbox.exec(["/tmp/old"])
    assert told["exit_code"] != 0 or int(told["stdout"]) in (-errno.ENOSYS, -errno.EPERM)


# getpid by int 0x80, where numbers mean other calls than the filter's author thought of.
OLD_CALL = r"""
#include <stdio.h>
int main(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L), "b"(0L), "c"(0L) : "memory");
    printf("%d\n", (int)result);
    return 0;
}
"""
