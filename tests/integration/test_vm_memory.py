"""Memory of a machine: kept by snapshots, forks and pauses; the processes never know."""

import pytest

from harness import counter, jobs, vm
from harness.expect import checked
from harness.power import lose_power
from harness.snapshots import create_from, fork, restore, take
from harness.wait import wait_until

pytestmark = pytest.mark.engines("vm")


def test_a_snapshot_says_what_is_in_it(sandbox):
    taken = take(sandbox)
    assert taken["memory"] is True and taken["status"] == "ready"
    assert 0 < taken["memory_bytes"] <= taken["size_bytes"]
    assert 0 < taken["source_pause_us"]


def test_the_source_and_its_fork_count_on(make_sandbox):
    source = make_sandbox()
    job = counter.start(source)
    before = counter.read(source)
    with fork(source) as branch:
        after = counter.await_more(branch, before)
        counter.await_more(source, before)
        counter.await_more(branch, after)
        assert jobs.get(branch, job)["status"] == "running"
        # They are two: what one is told, the other does not hear.
        branch.output("pkill -f [c]ounter.py")
        counter.await_more(source, counter.read(source))


def test_a_snapshot_is_one_moment(make_sandbox):
    """Memory and disk are of the same instant: the file never says more than the process that wrote it."""
    source = make_sandbox()
    source.write(
        "/workspace/both.py",
        "import os, time\nn = 0\nwhile True:\n  n += 1\n"
        "  with open('/workspace/n.new', 'w') as f: f.write(str(n))\n"
        "  os.rename('/workspace/n.new', '/workspace/n')\n"
        "  with open('/dev/shm/n.new', 'w') as f: f.write(str(n))\n"
        "  os.rename('/dev/shm/n.new', '/dev/shm/n')\n  time.sleep(0.01)\n",
    )
    jobs.start(source, "exec python3 /workspace/both.py")
    source.output("until test -s /dev/shm/n; do sleep 0.05; done", timeout_seconds=30)
    for _ in range(3):
        with fork(source) as branch:
            branch.output("pkill -STOP -f [b]oth.py")
            on_disk, in_memory = branch.output("cat /workspace/n; echo; cat /dev/shm/n").split()
            assert int(on_disk) - int(in_memory) in (0, 1)


def test_forks_of_forks_of_forks(make_sandbox):
    sandbox = make_sandbox()
    counter.start(sandbox)
    reading, made = counter.read(sandbox), []
    try:
        for generation in range(4):
            sandbox.write(f"/workspace/{generation}", str(generation))
            made.append(fork(sandbox))
            sandbox = made[-1]
            reading = counter.await_more(sandbox, reading)
        assert sandbox.output("cd /workspace; cat 0 1 2 3") == "0123"
        for each in made:
            counter.await_more(each, counter.read(each))
    finally:
        for each in made:
            each.destroy()


def test_restore_goes_back_in_time(make_sandbox):
    sandbox = make_sandbox()
    counter.start(sandbox)
    sandbox.write("/workspace/a", "then")
    taken = take(sandbox)
    later = counter.await_more(sandbox, counter.read(sandbox))
    sandbox.output("pkill -f [c]ounter.py; echo now > /workspace/a; touch /dev/shm/later")
    restore(sandbox, taken)
    who, _ = counter.read(sandbox)
    assert who == later[0], "the process of then counts"
    counter.await_more(sandbox, counter.read(sandbox))
    assert sandbox.read("/workspace/a") == b"then"
    assert sandbox.exec("test -e /dev/shm/later")["exit_code"] == 1


def test_many_snapshots_of_one(make_sandbox):
    """More than one chain of layers may have."""
    sandbox = make_sandbox()
    for number in range(20):
        sandbox.write(f"/workspace/{number}", str(number))
        taken = take(sandbox)
        if number != 5:
            checked(sandbox.client.delete(f"/snapshots/{taken['id']}"))
        else:
            kept = taken
    assert len(sandbox.output("ls /workspace").split()) == 20
    with create_from(sandbox.client, kept) as old:
        assert len(old.output("ls /workspace").split()) == 6
    sandbox.pause()
    sandbox.resume()
    assert sandbox.output("cat /workspace/0 /workspace/19") == "019"


def test_a_snapshot_survives_everything_it_came_from(client, make_sandbox):
    source = make_sandbox()
    counter.start(source)
    first = take(source)
    branch = create_from(client, first)
    second = take(branch)
    reading = counter.read(branch)
    for each in (source, branch):
        each.destroy()
    checked(client.delete(f"/snapshots/{first['id']}"))
    with create_from(client, second) as made:
        who, count = counter.read(made)
        assert who == reading[0]
        counter.await_more(made, (who, count))


# --- pause and resume ---


def test_a_pause_keeps_processes_and_frees_memory(instance, sandbox):
    job = counter.start(sandbox)
    before, machine = counter.read(sandbox), vm.machine_of(instance, sandbox)
    sandbox.pause()
    assert machine not in vm.machines(instance), "its QEMU has ended"
    resumed = sandbox.resume()
    assert (resumed["state"], resumed["boot_path"]) == ("running", "snapshot")
    counter.await_more(sandbox, before)
    assert jobs.get(sandbox, job)["status"] == "running"


def test_a_stop_keeps_files_only(sandbox):
    counter.start(sandbox)
    sandbox.write("/workspace/a", "kept")
    sandbox.stop()
    assert sandbox.resume()["boot_path"] == "cold"
    assert sandbox.read("/workspace/a") == b"kept"
    assert sandbox.exec("test -e /dev/shm/count")["exit_code"] == 1


def test_a_paused_one_is_forked_and_saved(client, sandbox):
    counter.start(sandbox)
    reading = counter.read(sandbox)
    sandbox.pause()
    taken = take(sandbox)
    assert taken["memory"] is True and taken["source_pause_us"] == 0
    with fork(sandbox) as branch, create_from(client, taken) as made:
        assert sandbox.state == "paused"
        counter.await_more(branch, reading)
        counter.await_more(made, reading)
    sandbox.resume()
    counter.await_more(sandbox, reading)


@pytest.fixture
def own(fresh_instance):
    return fresh_instance(spare_slots=1)


def test_processes_outlive_both_daemons(own):
    running, paused = own.client().create(), own.client().create()
    readings = []
    for sandbox in (running, paused):
        counter.start(sandbox)
        readings.append(counter.read(sandbox))
    paused.pause()
    own.host.kill9()
    own.api.kill9()
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: running.state == "running", 30, "the running one to be adopted")
    counter.await_more(running, readings[0])
    assert paused.state == "paused"
    assert paused.resume()["boot_path"] == "snapshot"
    counter.await_more(paused, readings[1])


def test_paused_processes_outlive_the_power_supply(own):
    client = own.client()
    paused, stopped, running = client.create(), client.create(), client.create()
    for sandbox in (paused, stopped, running):
        sandbox.write("/workspace/a", sandbox.id)
    counter.start(paused)
    reading = counter.read(paused)
    paused.pause()
    stopped.stop()
    lose_power(own)
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    for sandbox in (paused, stopped, running):
        wait_until(lambda: sandbox.state == "paused", 30, "it is paused")
    assert paused.resume()["boot_path"] == "snapshot"
    counter.await_more(paused, reading)
    for sandbox in (stopped, running):
        assert sandbox.resume()["boot_path"] == "cold"
    for sandbox in (paused, stopped, running):
        assert sandbox.read("/workspace/a") == sandbox.id.encode()


def test_a_stopped_one_is_saved_as_files(client, sandbox):
    sandbox.write("/workspace/a", "then")
    sandbox.stop()
    for _ in range(3):  # the disk is shared with each; it gets a new layer when it starts, not before
        taken = take(sandbox)
        assert taken["memory"] is False and taken["memory_bytes"] == 0
    sandbox.resume()
    sandbox.write("/workspace/a", "now")
    with create_from(client, taken) as made:
        assert made.read("/workspace/a") == b"then"
        made.write("/workspace/a", "elsewhere")
    assert sandbox.read("/workspace/a") == b"now"
