"""Restore: the same sandbox with the files of then; whatever fails, it keeps the files that it had."""

import pytest

from harness import jobs
from harness.expect import checked
from harness.snapshots import create_from, event_types, fork, restore, take
from harness.wait import wait_until


def disk_of(instance, snapshot):
    return instance.state / "snapshots" / snapshot["id"] / "disk.img"


def test_the_files_of_then_under_the_same_id(client, make_sandbox):
    sandbox = make_sandbox(name="restored", env={"A": "b"})
    sandbox.output("cd /workspace && echo one > kept && echo one > changed && ln -s kept link && chmod 751 kept")
    taken = take(sandbox)
    sandbox.output("cd /workspace && echo two > changed && rm kept link && echo new > added")
    job = jobs.start(sandbox, "sleep 1000")
    before = dict(sandbox.refresh())
    restore(sandbox, taken)
    assert sandbox.object["state"] == "running" and sandbox.object["ready"]
    for member in ("id", "slug", "name", "env", "created_at", "memory_mb", "metadata"):
        if member != "metadata":
            assert sandbox.object.get(member) == before.get(member)
    assert sandbox.object["snapshot_id"] == taken["id"]
    listing = sandbox.output("cd /workspace && ls && cat kept changed && readlink link && stat -c %a kept")
    assert listing == "changed\nkept\nlink\none\none\nkept\n751\n"
    assert sandbox.output("echo $A") == "b\n"
    assert client.get(f"{sandbox.path}/processes/{job['id']}").status_code == 404
    assert take(sandbox)["parent_snapshot_id"] == taken["id"]


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_a_paused_one_runs_then(make_sandbox, how):
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "then")
    taken = take(sandbox)
    sandbox.write("/workspace/a", "later")
    sandbox.action(how)
    assert restore(sandbox, taken).object["state"] == "running"
    assert sandbox.read("/workspace/a") == b"then"


def test_back_and_forth(make_sandbox):
    sandbox = make_sandbox()
    states = []
    for number in range(3):
        sandbox.write("/workspace/a", str(number))
        states.append(take(sandbox))
    for number in (0, 2, 1, 1):
        restore(sandbox, states[number])
        assert sandbox.read("/workspace/a").decode() == str(number)


def test_services_are_those_of_then(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.action("services", {"name": "then", "command": "sleep 1000"})
    taken = take(sandbox)
    checked(client.delete(f"{sandbox.path}/services/then"))
    sandbox.action("services", {"name": "later", "command": "sleep 1000"})
    restore(sandbox, taken)

    def running():
        services = checked(client.get(f"{sandbox.path}/services"))["data"]
        return [one["name"] for one in services if one["status"] == "running"]

    wait_until(lambda: running() == ["then"], 10, "the service to run")


def test_events_tell_of_it(sandbox):
    restore(sandbox, take(sandbox))
    names = event_types(sandbox)
    expected = ["sandbox.pausing", "sandbox.paused", "sandbox.resuming", "sandbox.resumed"]
    assert [name for name in names if name in expected][-5:] == expected


def damage(instance, snapshot, how):
    disk = disk_of(instance, snapshot)
    if how == "truncated":
        with disk.open("r+b") as file:
            file.truncate(disk.stat().st_size // 2)
    elif how == "altered":
        altered = False
        with disk.open("r+b") as file:
            data = file.read(1 << 20)
            position = next(i for i, byte in enumerate(data) if byte)
            file.seek(position)
            file.write(bytes([data[position] ^ 1]))
            altered = True
        assert altered
    elif how == "missing":
        disk.unlink()


@pytest.mark.parametrize("how", ["truncated", "altered", "missing"])
def test_a_damaged_snapshot_is_refused(instance, client, make_sandbox, how):
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "then")
    taken = take(sandbox)
    sandbox.write("/workspace/a", "now")
    job = jobs.start(sandbox, "sleep 1000")
    init, run = instance.init_of(sandbox), event_types(sandbox)
    damage(instance, taken, how)
    refusals = [
        client.post(f"{sandbox.path}/restore/{taken['id']}", {}),
        client.post("/sandboxes", {"snapshot_id": taken["id"]}),
        client.post(f"/snapshots/{taken['id']}/fork", {}),
        client.post(f"{sandbox.path}/fork", {"snapshot_id": taken["id"]}),
    ]
    for reply in refusals:
        error = reply.json()["error"]
        assert reply.status_code == 409 and error["code"] == "SANDBOX_NOT_RESTORABLE", reply.text
        assert taken["id"] in error["message"]
    assert sandbox.state == "running"
    assert sandbox.read("/workspace/a") == b"now"
    assert jobs.get(sandbox, job)["status"] == "running", "nothing was ended for it"
    assert instance.init_of(sandbox) == init and event_types(sandbox) == run
    with fork(sandbox) as branch:
        assert branch.read("/workspace/a") == b"now"
    checked(client.delete(f"/snapshots/{taken['id']}"))


def test_a_paused_one_stays_so_when_refused(instance, client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "now")
    taken = take(sandbox)
    damage(instance, taken, "altered")
    sandbox.stop()
    assert client.post(f"{sandbox.path}/restore/{taken['id']}", {}).status_code == 409
    assert sandbox.state == "paused"
    sandbox.resume()
    assert sandbox.read("/workspace/a") == b"now"


def test_bad_requests(client, make_sandbox, instance):
    sandbox = make_sandbox()
    taken = take(sandbox)
    reply = client.post(f"{sandbox.path}/restore/{taken['id']}", {"environment": "x"})
    assert reply.status_code == 422 and reply.json()["error"]["details"]["field"] == "environment"
    instance.kill_agent(sandbox)
    wait_until(lambda: sandbox.state == "error", 10, "the end to be noticed")
    reply = client.post(f"{sandbox.path}/restore/{taken['id']}", {})
    assert reply.status_code == 409 and reply.json()["error"]["code"] == "SANDBOX_NOT_RUNNING"


def test_it_survives_restarts_of_both_daemons(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    client = instance.client()
    with client.create() as sandbox:
        sandbox.write("/workspace/a", "then")
        taken = take(sandbox)
        instance.restart()
        wait_until(instance.connected, 30, "the daemons")
        sandbox.write("/workspace/a", "later")
        later = take(sandbox)
        restore(sandbox, taken)
        assert sandbox.read("/workspace/a") == b"then"
        with create_from(client, later) as made:
            assert made.read("/workspace/a") == b"later"
