"""The directory of seeds when it is shared, on a file system of its own."""

import subprocess

import pytest

from harness import vm
from harness.resources import instance_number
from harness.small_disk import mount_new
from harness.wait import wait_until

SIZE_BYTES = 4 << 30


@pytest.fixture
def apart(fresh_instance):
    """With its seeds on another file system than its state."""
    made = fresh_instance(start=False, spare_slots=1)
    seeds = made.state.parent / f"{made.state.name}-seeds"
    image = seeds.with_suffix(".img")
    seeds.mkdir()
    mount_new(image, seeds, SIZE_BYTES)
    (seeds / "lost+found").rmdir()
    made.environment["ATOLL_SEEDS"] = str(seeds)
    made.seeds = seeds
    yield made.start()
    made.stop()
    subprocess.run(["umount", seeds], check=True)
    seeds.rmdir()
    image.unlink()


def test_machines_start_from_seeds_that_lie_elsewhere(apart):
    client = apart.client()
    with client.create(**vm.SHAPE) as first, client.create(**vm.SHAPE) as second:
        assert second.object["boot_path"] == "snapshot"
        first.write("/workspace/a", "first")
        second.write("/workspace/a", "second")
        first.pause()
        first.resume()
        assert [first.read("/workspace/a"), second.read("/workspace/a")] == [b"first", b"second"]


def test_what_a_host_left_unfinished_is_removed_by_it_alone(apart):
    number = instance_number(apart.state)
    apart.host.kill9()
    own, foreign = (apart.seeds / f"{'a' * 32}.{n}-1800.tmp" for n in (number, number + 1000))
    for directory in (own, foreign):
        directory.mkdir()
        (directory / "memory.base").write_bytes(b"half")
    apart.start_host()
    wait_until(apart.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: list(apart.seeds.iterdir()) == [foreign], 30, "the host's own to be removed")
