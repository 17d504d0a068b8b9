"""Machines that are kept ready and claimed by create."""

import time

import pytest

from harness import vm
from harness.wait import wait_until
from harness.warm import Operator

WANTED = 2


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
