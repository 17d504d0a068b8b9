"""Which engine runs a sandbox: what is asked for is had, or refused with the reason."""

import json

import pytest

from harness.expect import checked, expect_error
from harness.snapshots import fork, take


def engines(client):
    return {one["id"]: one for one in checked(client.get("/engines"))["data"]}


def test_the_default_is_the_instances(client, sandbox):
    made = sandbox.object
    assert (made["engine"], made["accel"], made["paused_with_memory"]) == ("container", None, None)
    assert made["isolation"] == engines(client)["container"]["isolation"]


def test_auto_takes_a_machine_only_where_it_is_accelerated(client):
    vm = engines(client).get("vm")
    accelerated = bool(vm and vm["usable"] and vm["accel"] == "kvm")
    with client.create(engine="auto") as made:
        assert made.object["engine"] == ("vm" if accelerated else "container")


@pytest.mark.parametrize("value", ["qemu", "", "VM", "vm ", 1, True, ["vm"]])
def test_there_are_no_others(client, value):
    expect_error(client.post("/sandboxes", {"engine": value}), 422, "VALIDATION_ERROR", "engine")


def test_what_the_host_lacks_is_refused_and_leaves_nothing(fresh_instance, factory):
    """This one's images have no guest for machines."""
    images = factory.root / "images-without-guest"
    for directory in (images, images / "miosa-sandbox", images / "miosa-sandbox" / "rootfs"):
        directory.mkdir(mode=0o755, exist_ok=True)
    own = fresh_instance(images=str(images), engine="vm", spare_slots=0)
    client = own.client()
    vm = engines(client)["vm"]
    assert vm["usable"] is False and vm["problem"]
    for body in ({}, {"engine": "vm"}):
        told = expect_error(client.post("/sandboxes", body), 409, "ENGINE_UNAVAILABLE", "engine")
        assert vm["problem"] in told["message"] and "/engines" in told["details"]["hint"]
    assert checked(client.get("/sandboxes"))["data"] == []


def test_lists_can_be_of_one_engine(client, sandbox):
    ids = lambda engine: [one["id"] for one in checked(client.get("/sandboxes", params={"engine": engine}))["data"]]
    assert sandbox.id in ids("container")
    assert sandbox.id not in ids("vm")
    expect_error(client.get("/sandboxes", params={"engine": "auto"}), 422, "VALIDATION_ERROR", "engine")


def test_a_fork_has_its_sources_engine(client, sandbox):
    taken = take(sandbox)
    assert (taken["engine"], taken["memory"]) == ("container", False)
    with fork(sandbox, engine="auto") as branch:
        assert branch.object["engine"] == "container"
    for body in ({"engine": "vm"}, {"engine": "vm", "snapshot_id": taken["id"]}):
        expect_error(client.post(f"{sandbox.path}/fork", body), 422, "VALIDATION_ERROR", "engine")
    expect_error(client.post(f"{sandbox.path}/fork", {"memory": True}), 422, "VALIDATION_ERROR", "memory")
    expect_error(client.post("/sandboxes", {"memory": False}), 422, "VALIDATION_ERROR", "memory")
    with fork(sandbox, memory=False) as branch:
        assert branch.output("echo on") == "on\n"


def test_a_frozen_container_is_paused_with_memory(sandbox):
    assert sandbox.action("pause")["paused_with_memory"] is True
    assert sandbox.action("stop")["paused_with_memory"] is False
    assert sandbox.action("resume")["paused_with_memory"] is None


def test_the_program_shows_and_names_them(atoll, client):
    def succeed(done):
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = {row.split("\t")[0]: row.split("\t") for row in succeed(atoll("engines")).splitlines()}
    assert set(shown) == set(engines(client))
    assert shown["container"][1:4] == ["yes", "none", "files"]
    made = succeed(atoll("create", "--engine", "container")).strip()
    try:
        assert json.loads(succeed(atoll("get", made, "--json")))["engine"] == "container"
        assert made in succeed(atoll("ls", "--quiet", "--engine", "container"))
        assert made not in succeed(atoll("ls", "--quiet", "--engine", "vm"))
    finally:
        succeed(atoll("rm", made))
    done = atoll("create", "--engine", "qemu")
    assert done.returncode == 1 and "engine" in done.stderr
