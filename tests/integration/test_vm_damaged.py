"""Snapshots and saved states of machines that are not what they were: refused with the reason, and nothing is ended for them."""

import shutil

import pytest

from harness import counter
from harness.expect import checked
from harness.snapshots import create_from, fork, restore, take
from harness.wait import wait_until

pytestmark = pytest.mark.engines("vm")


def saved(instance, snapshot):
    return instance.state / "vm" / "snapshots" / snapshot["id"]


def truncate(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def alter(path):
    """Changes one byte that is not zero, in the middle of what is there."""
    with path.open("r+b") as file:
        data = file.read()
        position = next(i for i in range(len(data) // 2, len(data)) if data[i])
        file.seek(position)
        file.write(bytes([data[position] ^ 1]))


def damage(path, how):
    """A file of its own takes the damage: others have links to the old one."""
    if how == "missing":
        path.unlink()
        return
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    {"truncated": truncate, "altered": alter}[how](copy)
    copy.rename(path)


@pytest.fixture(scope="module")
def source(client, engine):
    with client.create(timeout_sec=3600) as sandbox:
        sandbox.write("/workspace/a", "then")
        counter.start(sandbox)
        yield sandbox


@pytest.fixture
def snapshot(client, source):
    taken = take(source)
    yield taken
    checked(client.delete(f"/snapshots/{taken['id']}"))


def refusals(client, sandbox, taken):
    yield client.post(f"{sandbox.path}/restore/{taken['id']}", {})
    yield client.post("/sandboxes", {"snapshot_id": taken["id"]})
    yield client.post(f"{sandbox.path}/fork", {"snapshot_id": taken["id"]})


# Files that every snapshot of a running machine has.
@pytest.mark.parametrize("how", ["truncated", "altered", "missing"])
@pytest.mark.parametrize("name", ["memory", "device", "layers", "about", "top"])
def test_a_damaged_snapshot_is_refused(instance, client, source, snapshot, name, how):
    before = counter.read(source)
    directory = saved(instance, snapshot)
    layers = (directory / "layers").read_text().split("\n")
    file = layers[[line != "" for line in layers].count(True) - 1].split()[0] if name == "top" else name
    damage(next(directory.rglob(file)), how)
    for reply in refusals(client, source, snapshot):
        error = reply.json()["error"]
        assert reply.status_code == 409 and error["code"] == "SANDBOX_NOT_RESTORABLE", reply.text
        assert snapshot["id"] in error["message"]
    assert source.state == "running"
    counter.await_more(source, before)
    with fork(source) as branch:
        counter.await_more(branch, before)


def test_an_undamaged_one_is_not(client, source, snapshot):
    before = counter.read(source)
    with create_from(client, snapshot) as made:
        counter.await_more(made, before)


@pytest.mark.parametrize("name", ["memory", "device"])
def test_a_damaged_pause_still_has_its_files(instance, make_sandbox, name):
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "kept")
    counter.start(sandbox)
    sandbox.pause()
    damage(next((instance.state / "vm" / "sandboxes" / sandbox.id).rglob(name)), "altered")
    assert sandbox.resume()["boot_path"] == "cold"
    assert sandbox.read("/workspace/a") == b"kept"
    assert sandbox.exec("test -e /dev/shm/count")["exit_code"] == 1


def test_memory_of_another_machine_is_left_alone(instance, client, make_sandbox):
    """Saved by another version of QEMU: the files are used, and start anew."""
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "kept")
    counter.start(sandbox)
    sandbox.pause()
    about = instance.state / "vm" / "sandboxes" / sandbox.id / "saved" / "about"
    text = about.read_text()
    line = next(line for line in text.splitlines() if "qemu" in line)
    about.unlink()  # another directory may have it, too
    about.write_text(text.replace(line, line.rsplit(" ", 1)[0] + " 0.0.1"))
    assert sandbox.resume()["boot_path"] == "cold"
    assert sandbox.read("/workspace/a") == b"kept"
    restore(sandbox, take(sandbox))
    wait_until(lambda: sandbox.state == "running", 20, "it to run")
