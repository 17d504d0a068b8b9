"""Who a restored machine is: entropy, machine id, host name and clock are its own, whatever its memory says."""

import time

import pytest

from harness.snapshots import create_from, fork, take

pytestmark = pytest.mark.engines("vm")

RANDOM = """
import random, secrets, uuid, os
print(random.random(), secrets.token_hex(), uuid.uuid4(), uuid.uuid1(), os.urandom(16).hex())
"""
SKEW_SECONDS = 0.05


def numbers(sandbox):
    """What a program started now draws from every source of randomness."""
    drawn = sandbox.output("head -c 32 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid").split("\n")
    return drawn + sandbox.output(["python3", "-c", RANDOM]).split()


def assert_all_differ(sandboxes):
    drawn = [numbers(each) for each in sandboxes]
    for column in zip(*drawn):
        assert column[0] == "" or len(set(column)) == len(sandboxes), column


def names(sandbox):
    return tuple(sandbox.output("cat /etc/machine-id; hostname; cat /etc/hostname").split())


def assert_clock_is_right(sandbox):
    before = time.time()
    told = float(sandbox.output("date +%s.%N"))
    after = time.time()
    assert before - SKEW_SECONDS <= told <= after + SKEW_SECONDS, (before, told, after)


def test_two_of_one_seed_share_no_randomness(make_sandbox):
    assert_all_differ([make_sandbox() for _ in range(3)])


def test_forks_and_their_source_share_no_randomness(make_sandbox):
    source = make_sandbox()
    taken = take(source)
    with fork(source) as one, create_from(source.client, taken) as two, create_from(source.client, taken) as three:
        assert_all_differ([source, one, two, three])
        told = [names(each) for each in (source, one, two, three)]
        for column in zip(*told):
            assert len(set(column)) == len(told), column
        for sandbox in (source, one, two, three):
            assert_clock_is_right(sandbox)


def test_restoring_twice_repeats_no_randomness(make_sandbox):
    sandbox = make_sandbox()
    before = names(sandbox)
    taken = take(sandbox)
    drawn = []
    for _ in range(3):
        sandbox.client.ok(sandbox.client.post(f"{sandbox.path}/restore/{taken['id']}", {}))
        drawn.append(numbers(sandbox))
    for column in zip(*drawn):
        assert column[0] == "" or len(set(column)) == len(drawn), column
    assert names(sandbox) == before, "the same sandbox keeps its names"


def test_the_clock_after_everything(make_sandbox):
    sandbox = make_sandbox()
    assert_clock_is_right(sandbox)
    take(sandbox)
    assert_clock_is_right(sandbox)
    sandbox.pause()
    sandbox.resume()
    assert_clock_is_right(sandbox)


def test_time_that_passed_elsewhere_fires_no_timer_early(make_sandbox):
    """A command with a minute to live outlives a pause, and still has its time limit."""
    sandbox = make_sandbox()
    started = sandbox.output("awk '{print int($1)}' /proc/uptime")
    sandbox.pause()
    sandbox.resume()
    assert int(sandbox.output("awk '{print int($1)}' /proc/uptime")) - int(started) < 60
