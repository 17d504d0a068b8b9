"""Floods hurt their own sandbox only: the neighbour and the API answer all the while."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.expect import checked
from harness.wait import wait_until

FLOODS = {
    "processes": "import os\nprint('on', flush=True)\nwhile True:\n  try: os.fork()\n  except OSError: pass\n",
    "threads": (
        "import threading, time\nprint('on', flush=True)\nwhile True:\n"
        "  try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n  except RuntimeError: pass\n"
    ),
    "memory": "print('on', flush=True)\nheld = []\nwhile True: held.append(b'x' * (1 << 20))\n",
    "shared memory": (
        "print('on', flush=True)\nf = open('/dev/shm/x', 'wb')\nwhile True:\n"
        "  try: f.write(b'x' * (1 << 20))\n  except OSError: pass\n"
    ),
    "disk": (
        "print('on', flush=True)\nn = 0\nwhile True:\n  n += 1\n"
        "  try: open('/workspace/%d' % (n % 4), 'wb').write(b'x' * (64 << 20))\n  except OSError: pass\n"
    ),
    "inodes": (
        "import os\nprint('on', flush=True)\nos.makedirs('/workspace/i')\nn = 0\nwhile True:\n  n += 1\n"
        "  try: open('/workspace/i/%d' % n, 'w').close()\n  except OSError: pass\n"
    ),
    "descriptors": (
        "import os, resource\nhard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))\nprint('on', flush=True)\nheld = []\nwhile True:\n"
        "  try: held.append(os.pipe())\n  except OSError: pass\n"
    ),
    "pseudo-terminals": (
        "import os\nprint('on', flush=True)\nheld = []\nwhile True:\n  try: held.append(os.openpty())\n"
        "  except OSError: pass\n"
    ),
    "sockets": (
        "import socket\nprint('on', flush=True)\nheld = []\nwhile True:\n"
        "  try: s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen(); held.append(s)\n  except OSError: pass\n"
    ),
    "busy loops": "import os\nfor _ in range(8): os.fork()\nprint('on', flush=True)\nwhile True: pass\n",
    "output": "import sys\nprint('on', flush=True)\nwhile True: sys.stdout.write('x' * 100 + '\\n' * 100)\n",
    "kernel log": (
        "print('on', flush=True)\nwhile True:\n"
        "  try: open('/dev/kmsg', 'w').write('flood\\n')\n  except OSError: pass\n"
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_hurts_only_its_own_sandbox(instance, make_sandbox, neighbour, kind):
    sandbox = make_sandbox(memory_mb=256, disk_mb=256, process_limit=128)
    with sandbox.stream(["python3", "-c", FLOODS[kind]], timeout=300) as flood:
        flood.next("stdout")
        for _ in range(15):
            neighbour.check()
            assert checked(instance.client().get(sandbox.path))["state"] == "running"
    assert sandbox.state == "running"
    # Files are still handled inside, full or not.
    assert checked(sandbox.client.get(f"{sandbox.path}/files", params={"path": "/etc"}))["data"]["entries"]
    sandbox.destroy()


def test_a_flood_of_requests_is_survived(instance, make_sandbox, neighbour):
    """More commands at once than the sandbox may have processes: each is answered, one way or the other."""
    sandbox = make_sandbox(process_limit=64)

    def call(_):
        return sandbox.client.post(
            f"{sandbox.path}/exec", {"command": "sleep 0.2", "timeout": 60}
        ).status_code

    with ThreadPoolExecutor(100) as pool:
        statuses = set(pool.map(call, range(300)))
    assert statuses <= {200, 409, 503}, statuses
    assert sandbox.output("echo fine") == "fine\n"


def test_an_archive_bomb_is_just_a_full_disk(make_sandbox, neighbour):
    sandbox = make_sandbox(disk_mb=256)
    sandbox.output("head -c 2000000000 /dev/zero | gzip > /tmp/bomb.gz", timeout=120)
    told = sandbox.exec("gzip -dc /tmp/bomb.gz > /workspace/out", timeout=120)
    assert told["exit_code"] != 0
    assert "space" in told["stderr"]
    neighbour.check()


def test_a_million_small_frames_do_not_grow_the_api_daemon(instance, shared_sandbox):
    with shared_sandbox.stream("while :; do echo; done", timeout=60) as stream:
        for _, _event in zip(range(20_000), stream):
            pass
    gone = "pgrep -f '[w]hile :' >/dev/null || echo gone"
    wait_until(lambda: "gone" in shared_sandbox.output(gone), 30, "the flood has ended")
    assert instance.api.running()
