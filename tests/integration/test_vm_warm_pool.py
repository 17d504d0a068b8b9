"""Machines that are kept ready and claimed by create."""

import json
import os
import time

import pytest

from harness import paths, resources, vm
from harness.wait import wait_until
from harness.warm import TEMPLATE, Operator

WANTED = 2
GUEST_FILES = ("vmlinuz", "initrd", "manifest.json")
IMAGE_FILES = ("root.ext4", "root.json", "manifest.json")


@pytest.fixture(scope="module")
def warm_instance(factory):
    instance = factory.make(spare_slots=1).start()
    yield instance
    factory.end(instance)


@pytest.fixture(scope="module")
def operator(warm_instance):
    return Operator(warm_instance)


@pytest.fixture
def pool(operator):
    operator.set(target=WANTED, **vm.SHAPE)
    return operator.await_ready(WANTED, **vm.SHAPE)


@pytest.fixture
def client(warm_instance):
    return warm_instance.client()


def test_claimed_machines_are_themselves(pool, operator, client):
    with client.create(**vm.SHAPE) as one, client.create(**vm.SHAPE) as other:
        assert [one.object["boot_path"], other.object["boot_path"]] == ["warm", "warm"]
        for each in (one, other):
            name = each.output("hostname").strip()
            assert each.output("cat /etc/hostname").strip() == name != "sandbox"
            assert each.output(f"getent hosts {name}")
        for command in ("hostname", "od -An -tx1 -N16 /dev/urandom",
                        "cat /proc/sys/kernel/random/uuid", "python3 -c 'import random; print(random.random())'"):
            assert one.output(command) != other.output(command), command
        before = time.time()
        inside = float(one.output("date +%s.%N"))
        assert before - 0.05 <= inside <= time.time() + 0.05
    assert operator.pool(**vm.SHAPE)["hits"] == 2
    operator.await_ready(WANTED, **vm.SHAPE)


def test_an_empty_pool_fails_nobody(pool, operator, client):
    made = [client.create(**vm.SHAPE) for _ in range(WANTED + 1)]
    try:
        paths = [each.object["boot_path"] for each in made]
        assert paths[:WANTED] == ["warm"] * WANTED
        assert set(paths) <= {"warm", "snapshot"}
        assert all(each.output("echo alive") == "alive\n" for each in made)
    finally:
        for each in made:
            each.destroy()


def test_pools_outlive_both_daemons(pool, operator, client, warm_instance):
    before = warm_instance.resources()
    warm_instance.api.kill9()
    warm_instance.host.kill9()
    warm_instance.start()
    wait_until(warm_instance.connected, 30, "atolld to find atoll-host")
    operator.await_ready(WANTED, **vm.SHAPE)
    with client.create(**vm.SHAPE) as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        assert sandbox.output("echo alive") == "alive\n"
    operator.await_ready(WANTED, **vm.SHAPE)
    warm_instance.assert_no_leak(before)


def test_a_pool_that_is_given_up_leaves_no_machine(pool, operator, warm_instance):
    operator.set(target=0, **vm.SHAPE)
    wait_until(lambda: not vm.machines(warm_instance), 30, "the machines to be gone")


def copied_images(directory):
    """What machines are started from, by other names: one of it can be changed."""
    for part, names in ((".guest", GUEST_FILES), (TEMPLATE, IMAGE_FILES)):
        (directory / part).mkdir(mode=0o711, parents=True)
        for name in names:
            os.link(paths.IMAGES / part / name, directory / part / name)
    (directory / TEMPLATE / "rootfs").mkdir(mode=0o700)
    return directory


def test_machines_of_a_template_that_was_built_again_are_replaced(fresh_instance):
    instance = fresh_instance(start=False, spare_slots=1)
    images = copied_images(instance.state / "images")
    instance.environment["ATOLL_IMAGES"] = str(images)
    instance.start()
    operator = Operator(instance)
    operator.set(target=1, **vm.SHAPE)
    operator.await_ready(1, **vm.SHAPE)
    [before] = vm.machines(instance)
    description = images / TEMPLATE / "root.json"
    root = json.loads(description.read_text())
    root["root_sha256"] = "0" * 64
    (images / "new").write_text(json.dumps(root))
    os.replace(images / "new", description)
    wait_until(lambda: before not in vm.machines(instance), 60, "the old machine to go")
    operator.await_ready(1, **vm.SHAPE)
    with instance.client().create(**vm.SHAPE) as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        assert sandbox.output("echo alive") == "alive\n"


def cpu_weight(pid):
    return resources.of_its_cgroups(pid, "cpu.shares", "cpu.weight")


def test_machines_that_are_made_ahead_leave_the_cpus_to_others(pool, operator, client, warm_instance):
    weights = [cpu_weight(machine) for machine in vm.machines(warm_instance)]
    with client.create(**vm.SHAPE) as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        ordinary = cpu_weight(vm.machine_of(warm_instance, sandbox))
        assert weights and all(weight * 4 < ordinary for weight in weights)
    operator.await_ready(WANTED, **vm.SHAPE)


def test_the_settings_pool_is_of_the_engine_that_creates_get(fresh_instance):
    instance = fresh_instance(engine="vm", warm_sandboxes=1, spare_slots=1)
    pool = Operator(instance).await_ready(1, engine="vm")
    assert (pool["source"], pool["target"]) == ("settings", 1)
    with instance.client().create() as sandbox:
        assert (sandbox.object["engine"], sandbox.object["boot_path"]) == ("vm", "warm")
        assert sandbox.output("echo alive") == "alive\n"
