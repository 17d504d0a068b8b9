"""The agent is PID 1: nothing inside can trace, stop, kill or starve it."""

import pytest

from harness.wait import wait_until

SIGNALS = [
    "KILL",
    "STOP",
    "TERM",
    "SEGV",
    "INT",
    "HUP",
    "QUIT",
    "ABRT",
    "CHLD",
    "PIPE",
    "ALRM",
    "USR1",
    "USR2",
    "XCPU",
    "TSTP",
    "TTIN",
    "SYS",
    "RTMIN",
]


@pytest.mark.parametrize("user", ["root", "sandbox"])
def test_signals_do_not_end_it(sandbox, user):
    for name in SIGNALS:
        sandbox.exec(f"kill -{name} 1", user=user)
        assert sandbox.output("echo alive") == "alive\n", name


def test_killing_everything_leaves_the_agent(sandbox):
    for command in ("kill -9 -1", "kill -STOP -1", "kill -TERM -1"):
        sandbox.exec(command, timeout=10)
        assert sandbox.output("echo alive") == "alive\n", command


def test_it_cannot_be_traced(sandbox):
    code = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "for request in (16, 0x4206): print(c.ptrace(request, 1, 0, 0))\n"
        "fd = c.syscall(434, 1, 0); print(c.syscall(438, fd, 3, 0))\n"
    )
    assert sandbox.output(["python3", "-c", code]).split() == ["-1", "-1", "-1"]


def test_sabotage_of_its_limits_stays_inside(make_sandbox, neighbour):
    """Root inside may spoil its own sandbox; the API stays in charge of it."""
    sandbox = make_sandbox()
    sandbox.exec(
        "renice -n 19 -p 1; echo 1000 > /proc/1/oom_score_adj; prlimit --pid 1 --nofile=3:3 --nproc=1:1"
    )
    reply = sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"})
    assert reply.status_code in (200, 409, 502, 503), reply.text
    neighbour.check()
    assert sandbox.destroy()["state"] == "destroyed"


def test_when_it_is_killed_from_outside_the_api_tells(instance, make_sandbox):
    sandbox = make_sandbox()
    sandbox.write("/workspace/kept", "kept")
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        instance.kill_agent(sandbox)
        rest = list(stream)
    assert [name for name, _ in rest].count("exit") == 1
    assert rest[-1][1]["exit_code"] == -2
    assert rest[-1][1]["error"]["code"]
    wait_until(lambda: sandbox.state == "error", 30, "the sandbox is in state error")
    assert sandbox.object["metadata"]["last_error"]


def test_a_busy_sandbox_does_not_starve_its_agent(make_sandbox):
    sandbox = make_sandbox(process_limit=300)
    busy = "for i in $(seq 200); do (while :; do :; done) & done; echo busy; wait"
    with sandbox.stream(busy, timeout=120) as stream:
        assert stream.next("stdout")["line"] == "busy"
        for _ in range(5):
            assert sandbox.output("echo alive", timeout=60) == "alive\n"
