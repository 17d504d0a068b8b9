"""Snapshots as atoll-host makes them: the source runs on whatever happens, and nothing half made is left."""

import contextlib
import os
import signal
import struct
import subprocess
import uuid

import pytest

from harness import host
from harness.host import HostError
from harness.wait import wait_until

BIG_MB = 150


@pytest.fixture(scope="module")
def own(factory):
    """An instance of this file's own: atolld removes snapshots that it does not know."""
    instance = factory.make().start()
    wait_until(instance.connected, 20, "atolld to find atoll-host")
    yield instance
    factory.end(instance)


@pytest.fixture
def source(own):
    with own.client().create(persistent=True) as sandbox:
        yield sandbox
    for snapshot_id in host.snapshots(own):
        host.ask(own, "SNAPSHOT_REMOVE", snapshot_id=snapshot_id)
    wait_until(lambda: not names(own), 20, "the removed snapshots to go")


def names(instance):
    return sorted(os.listdir(instance.state / "snapshots"))


def image(instance, snapshot_id):
    return instance.state / "snapshots" / snapshot_id / "disk.img"


def inside(path, file):
    """A file of the sandbox's own layer, read from an image."""
    done = subprocess.run(["debugfs", "-R", f"cat /upper{file}", path], capture_output=True, text=True, check=True)
    return done.stdout


def assert_whole(path):
    done = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def fill(sandbox, megabytes=BIG_MB):
    sandbox.output(f"head -c {megabytes << 20} /dev/urandom > /workspace/big")


def plan(snapshot, **fields):
    return {
        "engine": "container",
        "template": "miosa-sandbox",
        "hostname": "fork",
        "cpu_count": 1,
        "memory_bytes": 1 << 29,
        "disk_bytes": snapshot["disk_bytes"],
        "process_limit": 256,
        "network": 1,
        "snapshot_id": snapshot["snapshot_id"],
    } | fields


def create(instance, snapshot, **fields):
    sandbox_id = fields.pop("id", None) or host.new_id("sbx_")
    return sandbox_id, host.ask(instance, "CREATE", id=sandbox_id, **plan(snapshot, **fields))


def check(instance, snapshot, **fields):
    wanted = {"snapshot_id": snapshot["snapshot_id"], "template": "miosa-sandbox", "digest": snapshot["digest"]}
    return host.ask(instance, "SNAPSHOT_CHECK", **wanted | fields)


def assert_runs(sandbox):
    assert sandbox.output("echo alive") == "alive\n"


def refused(code, call):
    with pytest.raises(HostError) as refusal:
        call()
    assert refusal.value.code == code, refusal.value
    return refusal.value.message


def test_running_paused_and_stopped_ones_are_saved(own, source):
    source.write("/workspace/file", "running")
    taken = [host.snapshot(own, source.id)]
    assert taken[0]["pause_us"] > 0
    source.write("/workspace/file", "paused")
    source.pause()
    taken.append(host.snapshot(own, source.id))
    assert source.refresh()["state"] == "paused"
    source.resume()
    source.write("/workspace/file", "stopped")
    source.stop()
    taken.append(host.snapshot(own, source.id))
    source.resume()
    source.write("/workspace/file", "later")
    for snapshot, content in zip(taken, ("running", "paused", "stopped")):
        path = image(own, snapshot["snapshot_id"])
        assert_whole(path)
        assert inside(path, "/workspace/file") == content
        assert path.stat().st_blocks * 512 == snapshot["stored_bytes"] < 64 << 20
    assert [one["pause_us"] for one in taken[1:]] == [0, 0]
    assert names(own) == host.snapshots(own) == sorted(one["snapshot_id"] for one in taken)


def test_one_that_was_adopted_is_saved(own, source):
    source.write("/workspace/file", "adopted")
    own.host.stop()
    own.start()
    wait_until(own.connected, 20, "atolld to find atoll-host")
    taken = host.snapshot(own, source.id)
    assert inside(image(own, taken["snapshot_id"]), "/workspace/file") == "adopted"
    assert_runs(source)


def test_what_was_deleted_takes_no_room(own, source):
    fill(source)
    source.output("sync; rm /workspace/big; exec 9>/workspace/open; echo kept >&9; rm /workspace/open; sync")
    assert host.snapshot(own, source.id)["stored_bytes"] < 32 << 20


def test_the_same_content_has_the_same_digest(own, source):
    source.write("/workspace/file", "text")
    source.stop()
    first, second = (host.snapshot(own, source.id) for _ in range(2))
    assert first["digest"] == second["digest"]
    source.resume()


def test_ids_are_taken_once(own, source):
    taken = host.snapshot(own, source.id)
    refused("ERR_CONFLICT", lambda: host.snapshot(own, source.id, taken["snapshot_id"]))
    assert names(own) == [taken["snapshot_id"]]
    message = refused("ERR_NOT_FOUND", lambda: host.snapshot(own, host.new_id("sbx_")))
    assert "no sandbox" in message
    for snapshot_id in (taken["snapshot_id"], taken["snapshot_id"], host.new_id("snp_")):
        host.ask(own, "SNAPSHOT_REMOVE", snapshot_id=snapshot_id)
    assert host.snapshots(own) == []


def test_a_long_list_is_read_whole(own, source):
    made = sorted(host.new_id("snp_") for _ in range(300))
    for name in made:
        (own.state / "snapshots" / name).mkdir()
    try:
        assert host.snapshots(own) == made
    finally:
        for name in made:
            (own.state / "snapshots" / name).rmdir()


def test_a_sandbox_that_ends_while_it_is_saved_leaves_nothing(own, source):
    with own.client().create() as victim:
        fill(victim)
        call = host.start_snapshot(own, victim.id)
        victim.destroy()
        try:  # it may just have had its copy
            assert call.result()["digest"]
            host.ask(own, "SNAPSHOT_REMOVE", snapshot_id=call.snapshot_id)
        except HostError as error:
            assert error.code in ("ERR_NOT_RUNNING", "ERR_CONFLICT", "ERR_NOT_FOUND")
    wait_until(lambda: not names(own), 20, "what was begun to go")


def test_removing_one_in_the_making_gives_it_up(own, source):
    fill(source)
    call = host.start_snapshot(own, source.id)
    wait_until(lambda: names(own), 20, "it to begin", interval=0.001)
    host.ask(own, "SNAPSHOT_REMOVE", snapshot_id=call.snapshot_id)
    assert refused("ERR_CANCELLED", call.result)
    assert_runs(source)
    wait_until(lambda: not names(own), 20, "what was begun to go")


def helper_of(instance):
    """The process that makes a snapshot: the only child of atoll-host that has its file open."""
    for entry in os.listdir("/proc"):
        try:
            status = open(f"/proc/{entry}/status").read() if entry.isdigit() else ""
            if f"\nPPid:\t{instance.host.process.pid}\n" in status and any(
                "/snapshots/" in os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")
            ):
                return int(entry)
        except OSError:
            pass
    return None


def test_the_source_runs_on_when_the_helper_is_killed(own, source):
    fill(source)
    call = host.start_snapshot(own, source.id)
    os.kill(wait_until(lambda: helper_of(own), 20, "the helper", interval=0.001), signal.SIGKILL)
    assert refused("ERR_ENGINE", call.result)
    assert_runs(source)
    wait_until(lambda: not names(own), 20, "what was begun to go")
    assert host.snapshot(own, source.id)["digest"]


def test_a_killed_atoll_host_leaves_the_source_running(own, source):
    fill(source)
    call = host.start_snapshot(own, source.id)
    wait_until(lambda: names(own), 20, "it to begin", interval=0.001)
    own.host.process.kill()
    own.host.wait()
    with pytest.raises((OSError, KeyError, ValueError)):
        call.result()
    own.start()
    wait_until(own.connected, 20, "atolld to find atoll-host")
    assert_runs(source)
    wait_until(lambda: all(name.startswith("snp_") and "." not in name for name in names(own)), 20, "it to go")


def image_named(instance, sandbox_id, hostname):
    """A new snapshot's image, or None when the agent has not written the sandbox's name yet."""
    path = image(instance, host.snapshot(instance, sandbox_id)["snapshot_id"])
    return path if inside(path, "/etc/hostname") == hostname else None


def test_forks_are_of_their_own(own, source):
    source.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    source.write("/workspace/file", "text")
    taken = host.snapshot(own, source.id)
    identities = set()
    for number in range(2):
        sandbox_id, _ = create(own, taken, digest=taken["digest"], hostname=f"fork{number}")
        path = wait_until(lambda n=number, i=sandbox_id: image_named(own, i, f"fork{n}\n"), 20, "its agent to begin")
        assert inside(path, "/workspace/file") == "text"
        identities.add(inside(path, "/etc/machine-id"))
        host.ask(own, "DESTROY", id=sandbox_id)
    assert len(identities) == 2 and all(len(one) == 33 for one in identities)
    assert source.read("/etc/machine-id") == b"0123456789abcdef0123456789abcdef\n"


def damage(path, how):
    if how == "truncated":
        os.truncate(path, path.stat().st_size - 4096)
    elif how == "missing":
        path.unlink()
    else:
        with open(path, "r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(b"x")


@pytest.mark.parametrize("how", ["altered", "truncated", "missing", "undescribed"])
def test_what_is_not_as_it_was_saved_is_refused(own, source, how):
    taken = host.snapshot(own, source.id)
    path = image(own, taken["snapshot_id"])
    damage(path if how != "undescribed" else path.parent / "about", "altered" if how == "undescribed" else how)
    sandbox_id = host.new_id("sbx_")
    message = refused("ERR_NOT_RESTORABLE", lambda: create(own, taken, id=sandbox_id))
    assert taken["snapshot_id"] in message
    assert refused("ERR_NOT_RESTORABLE", lambda: check(own, taken)) == message
    wait_until(lambda: not [name for name in os.listdir(own.state / "disks") if sandbox_id in name], 20, "it to go")


def test_what_does_not_fit_is_refused(own, source):
    taken = host.snapshot(own, source.id)
    for fields in ({"disk_bytes": 1 << 30}, {"template": "another"}, {"digest": "0" * 64}):
        refused("ERR_NOT_RESTORABLE" if "template" not in fields else "ERR_TEMPLATE_NOT_READY",
                lambda fields=fields: create(own, taken, **fields))
    refused("ERR_NOT_RESTORABLE", lambda: create(own, taken | {"snapshot_id": host.new_id("snp_")}))
    for fields in ({"template": "another"}, {"digest": "0" * 64}, {"snapshot_id": host.new_id("snp_")}):
        refused("ERR_NOT_RESTORABLE", lambda fields=fields: check(own, taken, **fields))


def test_what_is_as_it_was_saved_passes_its_check(own, source):
    taken = host.snapshot(own, source.id)
    # Read whole the first time, remembered the second.
    assert [check(own, taken)["memory_usable"] for _ in range(2)] == [1, 1]
    assert check(own, taken, digest="")["memory_usable"] == 1
    damage(image(own, taken["snapshot_id"]), "altered")
    refused("ERR_NOT_RESTORABLE", lambda: check(own, taken))


def test_a_create_names_an_engine_that_is_here(own, source):
    taken = host.snapshot(own, source.id)
    assert "another" in refused("ERR_VALIDATION", lambda: create(own, taken, engine="another"))
    refused("ERR_VALIDATION", lambda: create(own, taken, engine=""))


def test_engines_do_not_take_each_others(own, source):
    taken = host.snapshot(own, source.id)
    assert "engine container" in refused("ERR_NOT_RESTORABLE", lambda: create(own, taken, engine="vm"))
    assert "engine container" in refused("ERR_CONFLICT", lambda: create(own, taken, engine="vm", id=source.id))
    assert_runs(source)


def test_a_kept_disk_is_replaced_or_left(own, source):
    source.write("/workspace/file", "old")
    taken = host.snapshot(own, source.id)
    source.write("/workspace/file", "new")
    source.stop()
    with open(image(own, taken["snapshot_id"]), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    refused("ERR_NOT_RESTORABLE", lambda: create(own, taken, id=source.id, keep_disk=1))
    assert inside(own.state / "disks" / f"{source.id}.img", "/workspace/file") == "new"
    with open(image(own, taken["snapshot_id"]), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(last)
    create(own, taken, id=source.id, keep_disk=1)
    host.ask(own, "DESTROY", id=source.id, keep_disk=1)
    assert inside(own.state / "disks" / f"{source.id}.img", "/workspace/file") == "old"
    source.resume()
    assert source.read("/workspace/file") == b"old"


def test_a_create_that_is_cancelled_while_it_copies_leaves_nothing(own, source):
    fill(source)
    taken = host.snapshot(own, source.id)
    sandbox_id = host.new_id("sbx_")
    call = host.Call(own, "CREATE", id=sandbox_id, **plan(taken))
    kept = lambda: [name for name in os.listdir(own.state / "disks") if sandbox_id in name]
    wait_until(kept, 20, "the copy to begin", interval=0.001)
    host.ask(own, "DESTROY", id=sandbox_id)
    assert refused("ERR_CANCELLED", call.result)
    wait_until(lambda: not kept(), 20, "the copy to go")


@contextlib.contextmanager
def snapshots_elsewhere(instance, megabytes):
    """The directory of the snapshots is another file system, of that size and of another kind."""
    place = instance.state / "snapshots"
    options = f"size={megabytes}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_snapshots_may_be_on_another_file_system(own, source):
    fill(source)
    source.write("/workspace/file", "text")
    with snapshots_elsewhere(own, 1024):
        taken = host.snapshot(own, source.id)
        assert inside(image(own, taken["snapshot_id"]), "/workspace/file") == "text"
        sandbox_id, _ = create(own, taken)
        assert inside(own.state / "disks" / f"{sandbox_id}.img", "/workspace/file") == "text"
        host.ask(own, "DESTROY", id=sandbox_id)
    with snapshots_elsewhere(own, BIG_MB // 2):
        refused("ERR_CAPACITY", lambda: host.snapshot(own, source.id))
        assert_runs(source)
        wait_until(lambda: not names(own), 20, "what was begun to go")
    assert host.snapshot(own, source.id)["digest"]


def test_nothing_is_left_when_the_disk_is_full(fresh_instance):
    """The reserve is what is free: as full as a disk can be without filling this machine's."""
    instance = fresh_instance()
    sandbox = instance.client().create(persistent=True)
    fill(sandbox)
    info = os.statvfs(instance.state)
    reserve = (info.f_bavail * info.f_frsize >> 20) - BIG_MB // 2
    instance.host.stop()
    instance.host.environment["ATOLL_DISK_RESERVE_MB"] = str(reserve)
    instance.start()
    wait_until(instance.connected, 20, "atolld to find atoll-host")
    message = refused("ERR_CAPACITY", lambda: host.snapshot(instance, sandbox.id))
    assert "disk_reserve_mb" in message
    assert_runs(sandbox)
    wait_until(lambda: not names(instance), 20, "what was begun to go")


TIDE = """
import os
tide = os.open("/workspace/tide", os.O_RDWR | os.O_CREAT)
number = 0
while True:
    number += 1
    for megabyte in range(64):
        os.pwrite(tide, number.to_bytes(4, "little") * (1 << 18), megabyte << 20)
    open("/workspace/begun", "w").close()
"""


def test_one_moment_is_saved_while_the_files_change(own, source):
    """Every image shows the wave of one writer at one place: what lies ahead of it is one older."""
    source.write("/workspace/tide.py", TIDE)
    source.output("nohup python3 /workspace/tide.py >/dev/null 2>&1 &")
    wait_until(lambda: source.exec("test -e /workspace/begun")["exit_code"] == 0, 20, "the first wave")
    for _ in range(3):
        path = image(own, host.snapshot(own, source.id)["snapshot_id"])
        command = ["debugfs", "-R", "cat /upper/workspace/tide", path]
        water = subprocess.run(command, capture_output=True, check=True).stdout
        heights = struct.unpack(f"<{len(water) // 4096}I", b"".join(water[at : at + 4] for at in range(0, len(water), 4096)))
        assert len(heights) == 64 << 8
        assert list(heights) == sorted(heights, reverse=True) and heights[0] - heights[-1] in (0, 1)


def test_writes_are_in_it_once_they_were_acknowledged(own, source):
    for number in range(20):
        text = f"{number} {uuid.uuid4()}"
        source.write("/workspace/file", text)
        taken = host.snapshot(own, source.id)
        assert inside(image(own, taken["snapshot_id"]), "/workspace/file") == text
