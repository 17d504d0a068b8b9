"""A process that counts, and says who it is: whether it lives on, is a copy, or was started anew can be seen."""

from harness import jobs
from harness.wait import wait_until

# What it says lies in memory only, and its token nowhere else than in its own.
PROGRAM = """
import os, time, uuid
token, count = uuid.uuid4().hex, 0
while True:
    count += 1
    with open("/dev/shm/count.new", "w") as file:
        file.write(f"{os.getpid()}-{token} {count}")
    os.rename("/dev/shm/count.new", "/dev/shm/count")
    time.sleep(0.02)
"""


def start(sandbox):
    """Returns its job once it counts."""
    sandbox.write("/workspace/counter.py", PROGRAM)
    job = jobs.start(sandbox, "exec python3 /workspace/counter.py")
    sandbox.output("until test -s /dev/shm/count; do sleep 0.05; done", timeout_seconds=30)
    return job


def read(sandbox):
    """Who counts, and how far it is."""
    who, count = sandbox.output("cat /dev/shm/count").split()
    return who, int(count)


def await_more(sandbox, than):
    """Waits until the same process has counted further than that reading; returns the new one."""

    def more():
        who, count = read(sandbox)
        assert who == than[0], "another process counts"
        return (who, count) if count > than[1] else None

    return wait_until(more, 20, "the counter to go on")
