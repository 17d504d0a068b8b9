"""Services, apps and waking of machines: what lives in memory lives on, and is not started a second time."""

import pytest

from harness import counter
from harness.expect import checked, expect_error
from harness.served import serve
from harness.snapshots import create_from, fork, restore, take
from harness.visitor import Visitor
from harness.wait import wait_until

pytestmark = pytest.mark.engines("vm")

COUNTING = "exec python3 /workspace/counter.py"


def service(sandbox):
    [only] = checked(sandbox.client.get(f"{sandbox.path}/services"))["data"]
    return only


def processes(sandbox):
    return [one["id"] for one in checked(sandbox.client.get(f"{sandbox.path}/processes"))["data"]]


@pytest.fixture
def counting(sandbox):
    """A sandbox with one service, which counts."""
    sandbox.write("/workspace/counter.py", counter.PROGRAM)
    sandbox.action("services", {"name": "counting", "command": COUNTING})
    sandbox.output("until test -s /dev/shm/count; do sleep 0.05; done", timeout_seconds=30)
    return sandbox


def test_a_service_never_knows_of_a_pause(counting):
    before, running = counter.read(counting), processes(counting)
    assert counting.pause()["paused_with_memory"] is True
    assert counting.resume()["boot_path"] == "snapshot"
    counter.await_more(counting, before)
    assert processes(counting) == running
    assert (service(counting)["status"], service(counting)["restarts"]) == ("running", 0)


def test_a_service_is_started_anew_after_a_stop(counting):
    who, _ = counter.read(counting)
    counting.pause()
    assert counting.stop()["paused_with_memory"] is False
    assert counting.resume()["boot_path"] == "cold"
    wait_until(lambda: service(counting)["status"] == "running", 30, "the service to be started")
    counting.output("until test -s /dev/shm/count; do sleep 0.05; done", timeout_seconds=30)
    assert counter.read(counting)[0] != who


def test_a_fork_has_the_service_that_runs_and_no_second_one(counting):
    before, running = counter.read(counting), processes(counting)
    with fork(counting) as branch:
        counter.await_more(branch, before)
        assert processes(branch) == running
        assert service(branch)["status"] == "running"
        with fork(branch, services=[{"name": "other", "command": "sleep inf"}]) as further:
            names = lambda: {one["name"]: one["status"] for one in checked(further.client.get(f"{further.path}/services"))["data"]}
            wait_until(lambda: names() == {"counting": "running", "other": "running"}, 30, "the service that was asked for")
            counter.await_more(further, before)


def test_files_alone_start_anew_in_any_shape(client, counting):
    taken = take(counting)
    who, _ = counter.read(counting)
    for body in ({"memory_mb": 640}, {"cpu_count": 2}):
        [field] = body
        expect_error(client.post("/sandboxes", {"snapshot_id": taken["id"], **body}), 422, "VALIDATION_ERROR", field)
    with create_from(client, taken, memory=False) as made:
        assert made.object["boot_path"] == "cold"
        wait_until(lambda: service(made)["status"] == "running", 30, "the service to be started")
        made.output("until test -s /dev/shm/count; do sleep 0.05; done", timeout_seconds=30)
        assert counter.read(made)[0] != who
    checked(client.post(f"{counting.path}/restore/{taken['id']}", {"memory": False}))
    wait_until(lambda: service(counting)["status"] == "running", 30, "the service to be started")
    counting.output("until test -s /dev/shm/count; do sleep 0.05; done", timeout_seconds=30)
    assert counter.read(counting)[0] != who
    restore(counting, taken)
    assert counter.read(counting)[0] == who


def test_whatever_reaches_it_wakes_it(make_sandbox):
    sandbox = make_sandbox(auto_resume=True)
    counter.start(sandbox)
    for reach in (lambda: sandbox.output("true"), lambda: sandbox.read("/workspace/counter.py")):
        before = counter.read(sandbox)
        sandbox.pause()
        reach()
        assert sandbox.state == "running" and sandbox.object["boot_path"] == "snapshot"
        counter.await_more(sandbox, before)


def test_a_page_wakes_it(instance, make_sandbox):
    visitor, sandbox = Visitor(instance), make_sandbox(auto_resume=True)
    serve(sandbox, 8000)
    url = checked(sandbox.client.post(f"{sandbox.path}/expose", {"port": 8000}))["url"]
    assert '"server": "one"' in visitor.page(url)
    sandbox.pause()
    assert '"server": "one"' in visitor.page(url)
    assert sandbox.state == "running" and sandbox.object["boot_path"] == "snapshot"


def test_an_idle_one_is_suspended(make_sandbox):
    sandbox = make_sandbox(idle_timeout_sec=1)
    wait_until(lambda: sandbox.state == "paused", 30, "the idle timeout pauses it")
    assert sandbox.object["paused_with_memory"] is True
    assert sandbox.object["metadata"]["last_pause"]["source"] == "idle_timeout"


def test_a_fork_has_the_process_limit_that_it_asks_for(make_sandbox):
    source = make_sandbox(process_limit=64)
    with fork(source, process_limit=200) as branch:
        started = branch.output("for i in $(seq 100); do sleep 30 & done; jobs -p | wc -l; kill $(jobs -p)")
        assert int(started) == 100
    refused = source.exec("for i in $(seq 100); do sleep 30 & done; kill $(jobs -p)")
    assert "esource temporarily unavailable" in refused["stderr"]
