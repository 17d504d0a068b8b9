"""The same command on the same base image, started by other means."""
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time

PAUSE_MS = 1000


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    command: tuple
    count: int
    quick_count: int
    root: str = "-"
    pause_ms: int = 0
    program: str = ""


def _bwrap(rootfs):
    return ("bwrap", "--ro-bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--unshare-all", "--die-with-parent", "--new-session", "/bin/echo", "hi")


def _runc_bundle(directory, rootfs):
    subprocess.run(["runc", "spec", "--bundle", directory], check=True)
    path = os.path.join(directory, "config.json")
    with open(path, encoding="utf-8") as text:
        config = json.load(text)
    config["process"].update(terminal=False, args=["/bin/echo", "hi"])
    config["root"] = {"path": rootfs, "readonly": True}
    with open(path, "w", encoding="utf-8") as text:
        json.dump(config, text)


@contextlib.contextmanager
def _bundle(rootfs):
    directory = tempfile.mkdtemp(prefix="atoll-bench-runc.")
    try:
        _runc_bundle(directory, rootfs)
        yield ("runc", "--root", f"{directory}/state", "run", "--bundle", directory, "@")
    finally:
        shutil.rmtree(directory)


def _both(source, name, command, count, root="-"):
    program = f"{os.environ.get('ATOLL_BUILD', source + '/build')}/bench/atoll-bench-peer"
    yield Peer(name, command, count, 20, root, 0, program)
    yield Peer(f"{name}, after 1 s idle", command, 20, 5, root, PAUSE_MS, program)


def all_peers(source, images):
    rootfs = f"{images}/miosa-sandbox/rootfs"
    yield from _both(source, "fork + exec, no isolation", ("/bin/echo", "hi"), 300, rootfs)
    if shutil.which("bwrap"):
        yield from _both(source, "bwrap", _bwrap(rootfs), 200)
    if shutil.which("runc"):
        with _bundle(rootfs) as command:
            yield from _both(source, "runc run", command, 100)


def measure(peer, quick, deadline):
    count = peer.quick_count if quick else peer.count
    left = deadline - time.monotonic()
    row = {"name": f"peer: {peer.name}", "failures": 0}
    if left < 5:
        return {**row, "skipped": "the time for the whole run is used up"}
    run = subprocess.run([peer.program, str(count), str(peer.pause_ms), peer.root, *peer.command],
                         capture_output=True, text=True, timeout=left, check=False)
    try:
        return {**row, **json.loads(run.stdout), "command": list(peer.command)}
    except json.JSONDecodeError:
        return {**row, "failures": 1, "skipped": (run.stderr.strip() or "no result")[-300:]}
