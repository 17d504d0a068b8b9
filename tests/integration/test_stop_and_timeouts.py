"""stop, extend, destroy, timeout_sec and idle_timeout_sec."""

import pytest

from harness.expect import checked, expect_error
from harness.wait import wait_until


def test_stop_keeps_the_files_of_a_persistent_sandbox(sandbox):
    sandbox.write("/workspace/kept.txt", "kept")
    sandbox.exec("nohup sleep 1000 >/dev/null 2>&1 &")
    stopped = sandbox.stop()
    assert stopped["id"] == sandbox.id
    assert stopped["state"] == "paused"
    assert stopped["persistent"] is True
    resumed = sandbox.resume()
    assert resumed["state"] == "running"
    assert resumed["boot_path"] == "cold"
    assert sandbox.read("/workspace/kept.txt") == b"kept"
    assert sandbox.output("pgrep -x sleep || echo none") == "none\n"


def test_everything_of_the_root_file_system_is_kept(sandbox):
    sandbox.output(
        "echo a > /root/r; rm /etc/debian_version; mkdir -m 700 /srv/deep; "
        "ln -s /etc/passwd /srv/link; chown sandbox /root/r"
    )
    for _ in range(2):
        sandbox.stop()
        sandbox.resume()
    listing = sandbox.output(
        "stat -c '%n %U %a %F' /root/r /srv/deep /srv/link; "
        "test -e /etc/debian_version && echo back || echo gone"
    )
    assert "/root/r sandbox 644 regular file" in listing
    assert "/srv/deep root 700 directory" in listing
    assert "/srv/link root 777 symbolic link" in listing
    assert listing.endswith("gone\n")


def test_stop_destroys_one_that_is_not_persistent(make_sandbox):
    sandbox = make_sandbox(persistent=False)
    sandbox.stop()
    assert sandbox.state == "destroyed"


def test_a_paused_one_can_be_stopped_and_resumed(sandbox):
    sandbox.write("/workspace/a", "a")
    sandbox.pause()
    assert sandbox.stop()["state"] == "paused"
    sandbox.resume()
    assert sandbox.read("/workspace/a") == b"a"


def test_destroy_answers_with_the_runtime_and_is_final(sandbox):
    reply = sandbox.destroy()
    assert reply["id"] == sandbox.id
    assert reply["state"] == "destroyed"
    assert reply["total_runtime_sec"] >= 0
    fields = checked(sandbox.client.get(sandbox.path))
    assert fields["state"] == "destroyed"
    assert fields["destroyed_at"]
    assert fields["ready"] is False
    expect_error(sandbox.client.delete(sandbox.path), 404, "NOT_FOUND")
    reply = sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"})
    expect_error(reply, 404, "NOT_FOUND")


def test_timeout_pauses_a_persistent_sandbox_and_loses_nothing(make_sandbox):
    sandbox = make_sandbox(timeout_sec=1)
    sandbox.write("/workspace/last", "written just before")
    wait_until(lambda: sandbox.state == "paused", 30, "the timeout pauses it")
    assert sandbox.object["metadata"]["last_pause"]["source"] == "timeout"
    sandbox.resume()
    assert sandbox.read("/workspace/last") == b"written just before"


def test_timeout_destroys_one_that_is_not_persistent(make_sandbox):
    sandbox = make_sandbox(timeout_sec=1, persistent=False)
    wait_until(lambda: sandbox.state == "destroyed", 30, "the timeout destroys it")


def test_idle_timeout_waits_for_the_last_use(make_sandbox):
    sandbox = make_sandbox(idle_timeout_sec=1, timeout_sec=600)
    # Longer than the idle timeout, and in use all the while.
    assert sandbox.exec("sleep 2.5; echo still here", timeout=30)["stdout"] == "still here\n"
    wait_until(lambda: sandbox.state == "paused", 30, "the idle timeout pauses it")
    assert sandbox.object["metadata"]["last_pause"]["source"] == "idle_timeout"


def test_always_on_has_no_timeout(make_sandbox):
    sandbox = make_sandbox(always_on=True, timeout_sec=1, idle_timeout_sec=0)
    assert sandbox.object["timeout_remaining_ms"] is None
    sandbox.exec("sleep 2", timeout=30)
    assert sandbox.state == "running"


def test_extend_replaces_the_timeout_and_counts_anew(make_sandbox):
    sandbox = make_sandbox(timeout_sec=100)
    fields = checked(sandbox.client.post(f"{sandbox.path}/extend", json={"timeout_sec": 1000}))
    assert fields["timeout_sec"] == 1000
    assert 900_000 < fields["timeout_remaining_ms"] <= 1_000_000
    fields = checked(sandbox.client.post(f"{sandbox.path}/extend"))
    assert fields["timeout_sec"] == 1000
    assert 900_000 < fields["timeout_remaining_ms"] <= 1_000_000


@pytest.mark.parametrize("value", [-1, 86401, "long", 1.5])
def test_extend_refuses_a_bad_timeout(shared_sandbox, value):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/extend", json={"timeout_sec": value})
    expect_error(reply, 422, "VALIDATION_ERROR", field="timeout_sec")


def test_timers_survive_a_restart_of_the_api_daemon(fresh_instance):
    instance = fresh_instance()
    sandbox = instance.client().create(timeout_sec=3)
    instance.api.kill9()
    instance.start()
    wait_until(lambda: sandbox.state == "paused", 30, "the timeout pauses it after a restart")


def test_usage_and_readiness_answer(sandbox):
    sandbox.exec("python3 -c 'sum(range(3000000))'")
    usage = checked(sandbox.client.get(f"{sandbox.path}/usage"))["data"]
    assert usage["sandbox_id"] == sandbox.id
    assert usage["active_cpu_ms"] > 0
    assert checked(sandbox.client.get(f"{sandbox.path}/readiness"))["data"]["ready"] is True
    current = checked(sandbox.client.get(f"{sandbox.path}/metrics"))["data"]["current"]
    assert current["cpu_count"] == 1
