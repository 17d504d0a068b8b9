"""auto_resume: a paused sandbox is resumed by whatever reaches it."""

import threading

import pytest

from harness.expect import checked, expect_error
from harness.wait import wait_until


@pytest.fixture
def sleeper(make_sandbox):
    sandbox = make_sandbox(auto_resume=True)
    assert sandbox.object["auto_resume"] is True
    sandbox.write("/workspace/kept", "kept")
    sandbox.pause()
    return sandbox


def test_it_is_off_unless_asked_for(sandbox):
    assert sandbox.object["auto_resume"] is False
    sandbox.pause()
    expect_error(sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"}), 409, "SANDBOX_NOT_RUNNING")
    checked(sandbox.client.patch(sandbox.path, {"auto_resume": True}))
    assert sandbox.output("echo awake") == "awake\n"
    checked(sandbox.client.patch(sandbox.path, {"auto_resume": False}))
    sandbox.pause()
    expect_error(sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"}), 409, "SANDBOX_NOT_RUNNING")


def test_commands_wake_it(sleeper):
    assert sleeper.output("cat /workspace/kept") == "kept"
    assert sleeper.state == "running"


def test_files_wake_it(sleeper):
    assert sleeper.read("/workspace/kept") == b"kept"
    sleeper.pause()
    sleeper.write("/workspace/new", "new")
    assert sleeper.state == "running"


def test_looking_at_it_does_not(sleeper):
    sleeper.client.list()
    for route in ("", "/usage", "/readiness"):
        checked(sleeper.client.get(sleeper.path + route))
    assert sleeper.state == "paused"


def test_a_stopped_one_starts_again_on_its_files(sleeper):
    sleeper.resume()
    sleeper.stop()
    assert sleeper.output("cat /workspace/kept") == "kept"
    assert sleeper.refresh()["boot_path"] == "cold"


def test_of_many_at_once_one_resumes_and_all_are_served(sleeper):
    outputs = []
    threads = [
        threading.Thread(target=lambda: outputs.append(sleeper.output("cat /workspace/kept"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["kept"] * 8


def test_it_sleeps_and_wakes_again_and_again(make_sandbox):
    sandbox = make_sandbox(auto_resume=True, idle_timeout_sec=1)
    for turn in range(2):
        wait_until(lambda: sandbox.state == "paused", 20, "it is idle")
        assert sandbox.output(f"echo {turn}") == f"{turn}\n"


def test_it_survives_a_restart_of_the_service(fresh_instance):
    instance = fresh_instance()
    with instance.client().create(auto_resume=True) as sandbox:
        sandbox.pause()
        instance.restart()
        wait_until(instance.connected, 20, "atolld has found atoll-host")
        assert sandbox.output("echo awake") == "awake\n"


def test_the_value_is_checked(client, sandbox):
    expect_error(client.post("/sandboxes", {"auto_resume": 1}), 422, "VALIDATION_ERROR", "auto_resume")
    expect_error(client.patch(sandbox.path, {"auto_resume": "yes"}), 422, "VALIDATION_ERROR", "auto_resume")
