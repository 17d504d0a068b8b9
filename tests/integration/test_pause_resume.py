"""Pause freezes processes and keeps files; resume lets them go on where they were."""

import pytest

import threading

from harness.expect import checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")

# Counts as fast as it can, so that a freeze shows at once.
COUNTER = "nohup sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count; done' >/dev/null 2>&1 &"


def test_processes_stop_and_go_on(sandbox):
    sandbox.exec(COUNTER)
    wait_until(lambda: sandbox.output("cat /tmp/count 2>/dev/null || true").strip(), 20, "counter runs")
    pid = sandbox.output("pgrep -f tmp/count | head -1").strip()
    paused = sandbox.pause()
    assert paused["state"] == "paused"
    assert paused["ready"] is False
    assert paused["metadata"]["last_pause"]["source"] == "api"
    resumed = sandbox.resume()
    assert (resumed["state"], resumed["ready"]) == ("running", True)
    assert sandbox.output("pgrep -f tmp/count | head -1").strip() == pid
    before = sandbox.output("cat /tmp/count")
    wait_until(lambda: sandbox.output("cat /tmp/count") != before, 20, "the counter goes on")


def test_files_survive_many_rounds(sandbox):
    for turn in range(4):
        sandbox.write(f"/workspace/{turn}.txt", f"turn {turn}")
        sandbox.pause()
        sandbox.resume()
        for earlier in range(turn + 1):
            assert sandbox.read(f"/workspace/{earlier}.txt") == f"turn {earlier}".encode()


def test_nothing_runs_in_a_paused_sandbox(sandbox):
    sandbox.pause()
    client, path = sandbox.client, sandbox.path
    refused = [
        client.post(f"{path}/exec", json={"command": "true"}),
        client.post(f"{path}/exec/stream", json={"command": "true"}),
        client.post(f"{path}/commands", json={"command": "true"}),
        client.get(f"{path}/files", params={"path": "/"}),
        client.get(f"{path}/files/etc/hostname"),
        client.put(f"{path}/files/raw", params={"path": "/tmp/x"}, data=b"x"),
        client.post(f"{path}/files", json={"path": "/tmp/x", "content": ""}),
        client.post(f"{path}/fs/write", json={"path": "/tmp/x", "content": ""}),
        client.get(f"{path}/fs", params={"path": "/"}),
    ]
    for reply in refused:
        expect_error(reply, 409, "SANDBOX_NOT_RUNNING")


def test_pausing_twice_is_fine(sandbox):
    sandbox.pause()
    assert sandbox.pause()["state"] == "paused"


def test_resume_of_a_running_one_is_refused(sandbox):
    expect_error(sandbox.client.post(f"{sandbox.path}/resume"), 409, "SANDBOX_NOT_PAUSED")


def test_a_paused_one_can_be_destroyed(sandbox):
    sandbox.exec(COUNTER)
    sandbox.pause()
    assert sandbox.destroy()["state"] == "destroyed"
    assert sandbox.client.post(f"{sandbox.path}/resume").status_code in (404, 409)


def test_the_timeout_does_not_run_while_paused(make_sandbox):
    sandbox = make_sandbox(timeout_sec=600)
    sandbox.pause()
    first = sandbox.refresh()["timeout_remaining_ms"]
    second = sandbox.refresh()["timeout_remaining_ms"]
    assert first == second


def test_pause_and_resume_at_once_from_many_clients_end_in_a_sane_state(sandbox):
    statuses = []

    def toggle(verb):
        for _ in range(5):
            statuses.append(sandbox.client.post(f"{sandbox.path}/{verb}").status_code)

    threads = [threading.Thread(target=toggle, args=(v,)) for v in ("pause", "resume") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 409}
    wait_until(lambda: sandbox.state in ("running", "paused"), 20, "the state settles")
    if sandbox.state == "paused":
        sandbox.resume()
    assert sandbox.output("echo alive") == "alive\n"


@pytest.mark.engines("container")
def test_open_streams_go_on_after_a_pause(sandbox):
    with sandbox.stream("echo one; read line; echo $line", open_stdin=True) as stream:
        started = stream.next("started")
        assert stream.next("stdout")["line"] == "one"
        sandbox.pause()
        sandbox.resume()
        where = f"{sandbox.path}/exec/{started['exec_id']}/stdin"
        checked_status(sandbox.client.post(where, data=b"two\n"))
        assert stream.next("stdout")["line"] == "two"
        assert stream.next("exit")["exit_code"] == 0


def checked_status(reply):
    assert reply.status_code in (200, 202, 204), reply.text


def test_pause_of_an_unknown_sandbox(client):
    for verb in ("pause", "resume", "stop", "extend"):
        reply = client.post(f"/sandboxes/sbx_00000000000000000000000000/{verb}")
        expect_error(reply, 404, "NOT_FOUND")


def test_timings_of_a_pause_are_recorded(sandbox):
    sandbox.pause()
    fields = checked(sandbox.client.get(sandbox.path))
    assert fields["metadata"]["last_pause"]["at"]
