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


def _write_bundle(program, directory, rootfs):
    subprocess.run([program, "spec", "--bundle", directory], check=True, stdout=subprocess.DEVNULL)
    path = os.path.join(directory, "config.json")
    with open(path, encoding="utf-8") as text:
        config = json.load(text)
    config["process"].update(terminal=False, args=["/bin/echo", "hi"])
    config["root"] = {"path": rootfs, "readonly": True}
    with open(path, "w", encoding="utf-8") as text:
        json.dump(config, text)


@contextlib.contextmanager
def _bundle(program, options, rootfs):
    directory = tempfile.mkdtemp(prefix=f"atoll-bench-{program}.")
    try:
        _write_bundle(program, directory, rootfs)
        yield (program, "--root", f"{directory}/state", *options, "run", "--bundle", directory, "@")
    finally:
        shutil.rmtree(directory)


# runsc from Debian 12 has only the slower of its platforms, and takes this kernel's network namespaces for the host's.
RUNSC_OPTIONS = ("--network=none", "--platform=ptrace", "--ignore-cgroups")

# A guest that says so as soon as its first program runs, and resets: no disk, no interface.
QEMU = (
    "qemu-system-x86_64 -accel {accel} -M pc -m 512 -nodefaults -no-user-config -display none -no-reboot"
    " -serial stdio -kernel {guest}/vmlinuz -initrd {guest}/initrd -append '{arguments}'"
    " | {{ grep -q -m1 '{word}' && echo hi; cat >/dev/null; }}"
)


def _guest_words(source):
    """The guest's kernel arguments, the one that makes it a probe, and what it says then."""
    with open(f"{source}/src/wire/guest_boot.h", encoding="utf-8") as text:
        header = text.read().replace("\\\n", "")
    found = {}
    for line in header.splitlines():
        if line.startswith("#define GUEST_"):
            _, name, *_ = line.split()
            found[name] = "".join(line.split('"')[1::2])
    return f"{found['GUEST_KERNEL_ARGUMENTS']} {found['GUEST_PROBE_ARGUMENT']}", found["GUEST_PROBE_WORD"]


def _qemu(source, images, accel):
    arguments, word = _guest_words(source)
    guest = f"{images}/.guest"
    return ("/bin/sh", "-c", QEMU.format(accel=accel, guest=guest, arguments=arguments, word=word))


def _program(source):
    return f"{os.environ.get('ATOLL_BUILD', source + '/build')}/bench/atoll-bench-peer"


def _both(source, name, command, count, root="-"):
    program = _program(source)
    yield Peer(name, command, count, 20, root, 0, program)
    yield Peer(f"{name}, after 1 s idle", command, 20, 5, root, PAUSE_MS, program)


def all_peers(source, images, accel):
    """accel: that of our virtual machines, "tcg" or "kvm"."""
    rootfs = f"{images}/miosa-sandbox/rootfs"
    yield from _both(source, "fork + exec, no isolation", ("/bin/echo", "hi"), 300, rootfs)
    if shutil.which("bwrap"):
        yield from _both(source, "bwrap", _bwrap(rootfs), 200)
    if shutil.which("runc"):
        with _bundle("runc", (), rootfs) as command:
            yield from _both(source, "runc run", command, 100)
    if shutil.which("runsc"):
        with _bundle("runsc", RUNSC_OPTIONS, rootfs) as command:
            yield Peer("runsc run (gVisor)", command, 20, 5, program=_program(source))
    if shutil.which("qemu-system-x86_64") and os.path.exists(f"{images}/.guest/vmlinuz"):
        yield Peer(f"QEMU ({accel}), the guest's kernel booted", _qemu(source, images, accel), 5, 2,
                   program=_program(source))


def measure(peer, quick, deadline):
    count = peer.quick_count if quick else peer.count
    left = deadline - time.monotonic()
    row = {"name": f"peer: {peer.name}", "failures": 0}
    if left < 5:
        return {**row, "skipped": "the time for the whole run is used up"}
    try:
        run = subprocess.run([peer.program, str(count), str(peer.pause_ms), peer.root, *peer.command],
                             capture_output=True, text=True, timeout=left, check=False)
        return {**row, **json.loads(run.stdout), "command": list(peer.command)}
    except subprocess.TimeoutExpired:
        return {**row, "skipped": "it took longer than the time that was left for peers"}
    except json.JSONDecodeError:
        return {**row, "failures": 1, "skipped": (run.stderr.strip() or "no result")[-300:]}
