"""Restarts of the daemons disturb no sandbox: upgrade, crash, kill -9."""

import pytest

from harness.network import RESOLVE
from harness.wait import wait_until

WAYS = ["kill9", "stop"]


def background(sandbox):
    sandbox.output("nohup sleep 100000 >/dev/null 2>&1 & echo $! > /tmp/pid")
    return sandbox.output("cat /tmp/pid").strip()


@pytest.mark.parametrize("which", [("api",), ("host",), ("host", "api")], ids="+".join)
@pytest.mark.parametrize("way", WAYS)
def test_sandboxes_go_on(fresh_instance, which, way):
    instance = fresh_instance(spare_slots=2)
    client = instance.client()
    running, paused = client.create(name="running"), client.create(name="paused")
    running.write("/workspace/file", "content")
    paused.write("/workspace/file", "content")
    pids = [background(sandbox) for sandbox in (running, paused)]
    paused.pause()
    before = {
        name: running.refresh()[name] for name in ("id", "slug", "started_at", "created_at", "boot_path")
    }

    for name in which:
        getattr(getattr(instance, name), way)()
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")

    wait_until(lambda: running.state == "running", 30, "the sandbox is adopted")
    assert {name: running.object[name] for name in before} == before
    assert paused.state == "paused"
    paused.resume()
    for sandbox, pid in zip((running, paused), pids):
        assert sandbox.output(f"cat /proc/{pid}/comm") == "sleep\n", "the same process still runs"
        assert sandbox.read("/workspace/file") == b"content"
    assert client.create().output("echo new ones, too") == "new ones, too\n"


def test_an_adopted_sandbox_can_do_everything(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    sandbox = instance.client().create()
    instance.host.kill9()
    instance.api.kill9()
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: sandbox.state == "running", 30, "the sandbox is adopted")
    assert sandbox.output(RESOLVE).split()
    sandbox.pause()
    sandbox.resume()
    sandbox.write("/workspace/x", "y")
    sandbox.stop()
    sandbox.resume()
    assert sandbox.read("/workspace/x") == b"y"
    sandbox.destroy()
    assert sandbox.state == "destroyed"


def test_an_adopted_sandbox_that_dies_is_noticed(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    before = instance.settled()
    sandbox = instance.client().create()
    instance.host.kill9()
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: sandbox.state == "running", 30, "the sandbox is adopted")
    instance.kill_agent(sandbox)
    wait_until(lambda: sandbox.state == "error", 30, "its end is noticed")
    sandbox.destroy()
    instance.assert_no_leak(before)


def test_many_sandboxes_survive(fresh_instance):
    instance = fresh_instance(spare_slots=4)
    client = instance.client()
    made = [client.create() for _ in range(30)]
    instance.host.kill9()
    instance.api.kill9()
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    for number, sandbox in enumerate(made):
        assert sandbox.output(f"echo {number}") == f"{number}\n"
    for sandbox in made:
        sandbox.destroy()
