"""CPU, memory, disk and processes: limits hold, the API tells, the agent answers meanwhile."""

import pytest

from harness.expect import checked
from harness.wait import wait_until

# Two busy processes for a while; prints the CPU seconds used per second that passed.
BURN = """
import os, resource, time
start, pids = time.monotonic(), []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        while time.monotonic() < start + 3: pass
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) / (time.monotonic() - start))
"""
MEMORY_HOG = """
held = []
while True: held.append(b'x' * (1 << 20))
"""
PROCESS_HOG = """
import subprocess
count = 0
try:
    while True:
        subprocess.Popen(['sleep', '99'])
        count += 1
except OSError as error:
    print(count, error.strerror)
"""
# Every process makes more of them, for as long as it can.
FORK_FLOOD = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""


def test_cpu_quota(make_sandbox):
    sandbox = make_sandbox(cpu_count=1)
    # An upper bound holds however busy the machine is.
    assert float(sandbox.output("python3 -", stdin=BURN, timeout=60)) < 1.4


def test_running_out_of_memory_is_told_and_the_sandbox_lives_on(make_sandbox):
    sandbox = make_sandbox(memory_mb=256)
    result = sandbox.exec(["python3", "-"], stdin=MEMORY_HOG, timeout=120)
    assert result["oom_killed"] is True
    assert result["exit_code"] == 137
    assert sandbox.state == "running"
    assert sandbox.output("echo fine") == "fine\n"
    assert not sandbox.exec("true").get("oom_killed")


def test_memory_that_fits_is_given(make_sandbox):
    sandbox = make_sandbox(memory_mb=512)
    assert sandbox.output("python3 -c \"print(len(b'x' * (300 << 20)))\"") == f"{300 << 20}\n"


def test_the_agent_answers_while_memory_is_fought_for(make_sandbox):
    sandbox = make_sandbox(memory_mb=256)
    command = 'while :; do python3 -c "$HOG"; echo again; done'
    with sandbox.stream(command, env={"HOG": MEMORY_HOG}, timeout=300) as hog:
        hog.next("stdout")
        for number in range(10):
            sandbox.write(f"/workspace/{number}", "x" * 1000)
            assert sandbox.read(f"/workspace/{number}") == b"x" * 1000
        reply = sandbox.client.get(f"{sandbox.path}/files", params={"path": "/workspace"})
        assert len(checked(reply)["data"]["entries"]) == 10
    assert sandbox.state == "running"


def test_shared_memory_counts(make_sandbox):
    sandbox = make_sandbox(memory_mb=256)
    result = sandbox.exec("head -c 600000000 /dev/zero > /dev/shm/x; echo rest", timeout=120)
    assert result.get("oom_killed") or result["stderr"], result
    sandbox.exec("rm -f /dev/shm/x")
    assert sandbox.output("echo fine") == "fine\n"


def test_a_full_disk_is_told_and_the_sandbox_lives_on(make_sandbox):
    sandbox, neighbour = make_sandbox(disk_mb=256), make_sandbox(disk_mb=256)
    result = sandbox.exec("dd if=/dev/zero of=/workspace/fill bs=1M", timeout=120)
    assert result["exit_code"] == 1
    assert "No space left on device" in result["stderr"]
    assert result["disk_full"] is True
    assert neighbour.output("head -c 50000000 /dev/zero > /workspace/ok; echo written") == "written\n"
    assert sandbox.output("echo fine") == "fine\n"
    query = {"path": "/workspace/more"}
    reply = sandbox.client.put(f"{sandbox.path}/files/raw", params=query, data=b"x" * 5_000_000)
    assert reply.status_code == 507
    sandbox.output("rm /workspace/fill")
    sandbox.write("/workspace/more", "fits again")


def test_the_size_of_the_disk_is_the_one_asked_for(make_sandbox):
    for megabytes in (256, 1024):
        total = int(make_sandbox(disk_mb=megabytes).output("df -B1 --output=size / | tail -1"))
        assert 0.8 * megabytes * (1 << 20) <= total <= megabytes * (1 << 20)


def test_inodes_run_out_only_inside(make_sandbox):
    sandbox = make_sandbox(disk_mb=256)
    command = "mkdir /workspace/i; cd /workspace/i; i=0; while : > $i; do i=$((i+1)); done"
    assert "No space" in sandbox.exec(command, timeout=300)["stderr"]
    sandbox.output("rm -rf /workspace/i", timeout=300)
    sandbox.write("/workspace/again", "x")


@pytest.mark.engines("container", "vm")
def test_process_limit(make_sandbox):
    sandbox = make_sandbox(process_limit=64)
    count, reason = sandbox.output(["python3", "-"], stdin=PROCESS_HOG).split(" ", 1)
    assert int(count) < 64
    assert "unavailable" in reason
    reply = sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"})
    assert reply.status_code in (200, 409)
    if reply.status_code == 409:
        assert reply.json()["error"]["code"] == "PROCESS_LIMIT_REACHED"
    # Files need no process.
    sandbox.write("/workspace/still", "works")
    assert sandbox.read("/workspace/still") == b"works"


def test_a_flood_of_processes_ends_with_its_command(make_sandbox):
    sandbox = make_sandbox(process_limit=128)
    result = sandbox.exec(["python3", "-"], stdin=FORK_FLOOD, timeout=3)
    assert result["timed_out"] is True

    def answers():
        reply = sandbox.client.post(f"{sandbox.path}/exec", {"command": "echo alive"})
        return reply.status_code == 200 and reply.json()["data"]["stdout"] == "alive\n"

    wait_until(answers, 60, "the sandbox is usable again")


def test_open_files_are_plenty(shared_sandbox):
    code = "print(len([open('/dev/null') for _ in range(2000)]))"
    assert shared_sandbox.exec(f'ulimit -n 4096; python3 -c "{code}"')["stdout"] == "2000\n"
