"""A sandbox that is a virtual machine: what it says of itself, what runs in it, how it ends."""

import concurrent.futures
import os
import signal

import pytest

from harness import vm
from harness.expect import checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("vm")


def test_it_says_what_it_is(instance, client, sandbox):
    made = sandbox.object
    assert (made["engine"], made["accel"], made["state"], made["ready"]) == ("vm", "tcg", "running", True)
    assert made["boot_path"] in ("snapshot", "cold")
    assert "machine" in made["isolation"]
    assert sandbox.output("uname -r") != os.uname().release
    engines = {one["id"]: one for one in checked(client.get("/engines"))["data"]}
    assert engines["vm"]["usable"] and engines["vm"]["accel"] == "tcg"
    assert engines["vm"]["capabilities"]["memory_snapshot"] is True
    assert engines["container"]["accel"] == "none"


def test_the_next_one_starts_from_the_seed(make_sandbox):
    make_sandbox()
    assert make_sandbox().object["boot_path"] == "snapshot"


def test_its_shape_is_what_was_asked_for(shared_sandbox):
    box = shared_sandbox
    assert box.output("nproc") == "1\n"
    megabytes = int(box.output("awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo"))
    assert vm.SHAPE["memory_mb"] * 0.75 < megabytes <= vm.SHAPE["memory_mb"]
    disk_mb = int(box.output("df -m --output=size / | tail -1"))
    assert vm.SHAPE["disk_mb"] * 0.85 < disk_mb <= vm.SHAPE["disk_mb"]
    assert box.output("id -u; echo $HOME").split() == ["0", "/root"]


def test_a_full_disk_is_an_error_inside_and_no_more(make_sandbox, instance):
    box, other = make_sandbox(), make_sandbox()
    told = box.exec("head -c 2000000000 /dev/zero > /workspace/big", timeout_seconds=120)
    assert told["exit_code"] != 0 and "space" in told["stderr"]
    box.output("rm /workspace/big")
    box.write("/workspace/a", "works again")
    assert other.output("echo alive") == "alive\n"


def test_memory_that_runs_out_ends_the_command(make_sandbox):
    box = make_sandbox()
    told = box.exec(["python3", "-c", "held = []\nwhile True: held.append(b'x' * (1 << 20))"], timeout_seconds=120)
    assert told["exit_code"] == 137
    assert told["oom_killed"] is True
    assert box.output("echo alive") == "alive\n"


def test_usage_is_told(client, shared_sandbox):
    shared_sandbox.output("head -c 20000000 /dev/zero | tr '\\0' x > /workspace/used; sync")
    usage = checked(client.get(f"{shared_sandbox.path}/metrics"))["data"]
    assert usage["current"]["active_cpu_ms"] > 0
    assert usage["current"]["memory_peak_bytes"] > 30 << 20  # QEMU and the pages that are its own


def test_many_at_once(client):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: client.create(), range(4)))
        try:
            assert [one.output("echo alive") for one in made] == ["alive\n"] * 4
        finally:
            list(pool.map(lambda one: one.destroy(), made))


def descriptors(instance):
    return len(os.listdir(f"/proc/{instance.host.pid}/fd"))


def test_nothing_is_left_of_those_that_went(fresh_instance):
    own = fresh_instance(spare_slots=1)
    client = own.client()
    client.create().destroy()
    before, held = own.settled(), descriptors(own)
    for _ in range(3):
        made = client.create()
        made.pause()
        made.resume()
        made.destroy()
    own.assert_no_leak(before)
    wait_until(lambda: descriptors(own) <= held, 20, "atoll-host to close what it opened")


# --- ends that nobody asked for ---


def assert_ended(sandbox, *words):
    wait_until(lambda: sandbox.state == "error", 60, "state error")
    told = str(sandbox.object["metadata"]["last_error"])
    for word in words:
        assert word in told, told
    expect_error(sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"}), 409, "SANDBOX_NOT_RUNNING")


def assert_told(rest):
    """The events behind the sandbox's end: exactly one, which has the reason."""
    assert [name for name, _ in rest].count("exit") == 1
    assert rest[-1][1]["exit_code"] == -2 and rest[-1][1]["error"]["code"]


def test_its_machine_is_killed(instance, make_sandbox):
    sandbox = make_sandbox()
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        os.kill(vm.machine_of(instance, sandbox), signal.SIGKILL)
        assert_told(list(stream))
    assert_ended(sandbox)
    assert sandbox.destroy()["state"] == "destroyed"


def test_its_kernel_panics(instance, make_sandbox):
    sandbox = make_sandbox()
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        vm.crash(sandbox)
        assert_told(list(stream))
    assert_ended(sandbox, "panic", "sysrq")
    sandbox.destroy()


def test_it_powers_itself_off(instance, make_sandbox):
    sandbox = make_sandbox()
    sandbox.client.post(f"{sandbox.path}/exec", {"command": "echo o > /proc/sysrq-trigger; sleep 10"})
    assert_ended(sandbox)
    sandbox.destroy()


def test_it_hangs(fresh_instance):
    own = fresh_instance(spare_slots=1, vm_hang_sec=20)
    sandbox = own.client().create()
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        os.kill(vm.machine_of(own, sandbox), signal.SIGSTOP)
        assert_told(list(stream))
    assert_ended(sandbox, "hung", "20 seconds")
    sandbox.destroy()


def test_nothing_is_left_of_one_that_ended(fresh_instance):
    own = fresh_instance(spare_slots=1)
    client = own.client()
    client.create().destroy()
    before = own.settled()
    made = client.create()
    os.kill(vm.machine_of(own, made), signal.SIGKILL)
    assert_ended(made)
    made.destroy()
    own.assert_no_leak(before)
