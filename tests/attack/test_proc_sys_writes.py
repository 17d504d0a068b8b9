"""core_pattern, modprobe, sysrq and all the rest: a write sweep over /proc and /sys as root inside."""

# Opens everything for writing, never writes: when the walls fail, the machine that runs the tests survives.
SWEEP = """
import os, sys
for top in sys.argv[1:]:
    for directory, names, files in os.walk(top):
        if directory == '/proc':
            names[:] = [n for n in names if not n.isdigit() and n not in ('self', 'thread-self')]
        for name in files:
            path = os.path.join(directory, name)
            if os.path.islink(path): continue
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                continue
            print(path)
            os.close(fd)
"""
MASKED = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/latency_stats",
    "/proc/acpi",
    "/proc/scsi",
    "/sys/firmware",
    "/proc/interrupts",
]


def test_nothing_in_proc_or_sys_opens_for_writing(shared_sandbox):
    told = shared_sandbox.output(["python3", "-c", SWEEP, "/proc", "/sys"], timeout=120)
    assert [path for path in told.splitlines() if not is_masked(shared_sandbox, path)] == []


def is_masked(sandbox, path):
    """/dev/null over it: opens, and leads nowhere."""
    return sandbox.output(["stat", "-c", "%t:%T", path]).strip() == "1:3"


def test_masked_paths_tell_nothing(shared_sandbox):
    for path in MASKED[:5]:
        told = shared_sandbox.exec(f"test -e {path} || exit 0; head -c 100 {path} | wc -c")
        assert told["stdout"].strip() in ("", "0"), path
    assert shared_sandbox.output("ls /sys/firmware 2>/dev/null | wc -l") == "0\n"


def test_namespaced_values_cannot_be_changed(shared_sandbox):
    for path in (
        "kernel/core_pattern",
        "kernel/modprobe",
        "kernel/hostname",
        "kernel/shmmax",
        "vm/overcommit_memory",
        "net/ipv4/ip_forward",
        "fs/file-max",
        "kernel/ns_last_pid",
        "kernel/randomize_va_space",
    ):
        assert (
            shared_sandbox.exec(f"cat /proc/sys/{path} > /tmp/v; cp /tmp/v /proc/sys/{path}")["exit_code"]
            != 0
        ), path


def test_the_sandbox_sees_only_its_own_processes(shared_sandbox):
    names = shared_sandbox.output("cat /proc/[0-9]*/comm 2>/dev/null").split("\n")
    assert not {"atolld", "atoll-host", "systemd", "pytest"} & set(names)


def test_limits_of_its_own_oom_score(shared_sandbox):
    """A command may make itself a likelier victim, never an unlikelier one than the agent."""
    assert shared_sandbox.exec("echo -1000 > /proc/self/oom_score_adj")["exit_code"] != 0
