"""POST /sandboxes/{id}/exec/stream: events as they happen, and exactly one end."""

import hashlib
import threading

import pytest

from harness.client import event_bytes
from harness.expect import checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")


def collect(stream):
    with stream:
        return list(stream)


def exits(events):
    return [data for name, data in events if name == "exit"]


def test_events_come_in_order_with_one_exit_last(shared_sandbox):
    events = collect(shared_sandbox.stream("echo a; echo b >&2; exit 4"))
    names = [name for name, _ in events]
    assert names[0] == "started"
    assert names[-1] == "exit"
    assert sorted(names[1:-1]) == ["stderr", "stdout"]
    assert all(data["type"] == name for name, data in events)
    assert exits(events) == [events[-1][1]]
    assert events[-1][1]["exit_code"] == 4
    assert events[-1][1]["timed_out"] is False


def test_a_line_has_its_text_and_its_exact_bytes(shared_sandbox):
    events = collect(shared_sandbox.stream("printf 'one\\ntwo\\nthree'"))
    lines = [data for name, data in events if name == "stdout"]
    assert [data["line"] for data in lines] == ["one", "two", "three"]
    assert [data["data"] for data in lines] == ["one\n", "two\n", "three"]


def test_output_comes_before_the_command_ends(shared_sandbox):
    with shared_sandbox.stream("echo first; cat", open_stdin=True) as stream:
        started = stream.next("started")
        assert started["exec_id"].startswith("exc_")
        assert started["pid"] > 0
        # cat is still waiting: what follows can only have been sent at once.
        assert stream.next("stdout")["line"] == "first"
        where = f"{shared_sandbox.path}/exec/{started['exec_id']}/stdin"
        assert shared_sandbox.client.post(where, data=b"typed\n").ok
        assert stream.next("stdout")["line"] == "typed"
        assert shared_sandbox.client.post(where, data=b"last", params={"eof": "true"}).ok
        assert stream.next("stdout")["data"] == "last"
        assert stream.next("exit")["exit_code"] == 0


def test_a_partial_line_is_not_held_back(shared_sandbox):
    with shared_sandbox.stream("printf 'password: '; cat", open_stdin=True) as stream:
        stream.next("started")
        assert stream.next("stdout")["data"] == "password: "


def test_signals_reach_the_command(shared_sandbox):
    command = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    with shared_sandbox.stream(command) as stream:
        exec_id = stream.next("started")["exec_id"]
        assert stream.next("stdout")["line"] == "ready"
        where = f"{shared_sandbox.path}/exec/{exec_id}/signal"
        assert shared_sandbox.client.post(where, {"signal": "SIGINT"}).ok
        assert stream.next("stdout")["line"] == "caught"
        assert stream.next("exit")["exit_code"] == 7


def test_bytes_that_are_not_text_survive(shared_sandbox):
    events = collect(shared_sandbox.stream(r"printf '\xff\x00\xfe\n'; printf 'plain\n'"))
    output = b"".join(event_bytes(data) for name, data in events if name == "stdout")
    assert output == b"\xff\x00\xfe\nplain\n"


def test_a_character_cut_in_two_survives(shared_sandbox):
    command = r"printf '\xc3'; sleep 0.3; printf '\xa4\n'"
    events = collect(shared_sandbox.stream(command))
    output = b"".join(event_bytes(data) for name, data in events if name == "stdout")
    assert output == "ä\n".encode()


def test_more_than_the_capture_limit_streams(shared_sandbox):
    size = 12 << 20
    command = f"head -c {size} /dev/zero | tr '\\0' y | fold -w 1000"
    total = sum(data["data"].count("y") for name, data in shared_sandbox.stream(command) if name == "stdout")
    assert total == size


def test_one_endless_line_streams_in_pieces(shared_sandbox):
    size = 3 << 20
    events = collect(shared_sandbox.stream(f"head -c {size} /dev/zero | tr '\\0' z"))
    pieces = [data["data"] for name, data in events if name == "stdout"]
    assert sum(map(len, pieces)) == size
    assert max(map(len, pieces)) <= 1 << 20


def test_timeout_is_told_in_the_exit(shared_sandbox):
    events = collect(shared_sandbox.stream("echo begun; sleep 765", timeout=1))
    assert len(exits(events)) == 1
    assert events[-1][1]["exit_code"] == -1
    assert events[-1][1]["timed_out"] is True


def test_destroy_ends_the_stream_with_one_exit(sandbox):
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        sandbox.destroy()
        rest = list(stream)
    assert len(exits(rest)) == 1
    last = rest[-1][1]
    assert last["exit_code"] == -2
    assert last["error"]["code"]
    assert "destroy" in last["error"]["message"]
    assert last["error"]["request_id"]


def test_stop_ends_the_stream_with_one_exit(sandbox):
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        sandbox.stop()
        rest = list(stream)
    assert len(exits(rest)) == 1
    assert rest[-1][1]["exit_code"] in (-2, 137)


def test_a_command_that_cannot_start_is_told(shared_sandbox):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/exec/stream", {"argv": ["no-such-program"]})
    if reply.status_code == 200:
        assert reply.text.count("event: exit") == 1
        assert "COMMAND_NOT_FOUND" in reply.text
    else:
        expect_error(reply, 422, "COMMAND_NOT_FOUND")


def test_a_bad_request_is_refused_before_any_event(shared_sandbox):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/exec/stream", {"command": 1})
    expect_error(reply, 422, "VALIDATION_ERROR", field="command")


def test_a_leaving_client_kills_the_command(shared_sandbox):
    stream = shared_sandbox.stream("echo on; sleep 4321 & sleep 4321")
    stream.next("stdout")
    stream.close()
    gone = "pgrep -f '[s]leep 4321' >/dev/null || echo gone"
    wait_until(lambda: shared_sandbox.output(gone) == "gone\n", 20, "the command is dead")


def test_stdin_of_an_unknown_or_ended_stream_is_not_found(shared_sandbox):
    with shared_sandbox.stream("true") as stream:
        exec_id = stream.next("started")["exec_id"]
        stream.next("exit")

    def gone():
        where = f"{shared_sandbox.path}/exec/{exec_id}/stdin"
        return shared_sandbox.client.post(where, data=b"x").status_code == 404

    wait_until(gone, 10, "the ended stream is forgotten")
    reply = shared_sandbox.client.post(
        f"{shared_sandbox.path}/exec/exc_00000000000000000000000000/signal", {"signal": "SIGINT"}
    )
    expect_error(reply, 404, "NOT_FOUND")


@pytest.mark.parametrize("signal", ["SIGNONSENSE", 0, 65, -1, 1.5, None])
def test_a_bad_signal_is_refused(shared_sandbox, signal):
    with shared_sandbox.stream("cat", open_stdin=True) as stream:
        exec_id = stream.next("started")["exec_id"]
        where = f"{shared_sandbox.path}/exec/{exec_id}/signal"
        reply = shared_sandbox.client.post(where, {"signal": signal})
        assert reply.status_code in (400, 422), reply.text


def test_large_input_flows_with_back_pressure(shared_sandbox):
    data = bytes(range(256)) * (16 << 12)
    with shared_sandbox.stream("sleep 0.5; sha256sum", open_stdin=True) as stream:
        exec_id = stream.next("started")["exec_id"]
        where = f"{shared_sandbox.path}/exec/{exec_id}/stdin"
        assert shared_sandbox.client.post(where, data=data, params={"eof": "true"}).ok
        told = stream.next("stdout")["line"]
    assert told.split()[0] == hashlib.sha256(data).hexdigest()


def test_streams_run_side_by_side(shared_sandbox):
    results = {}

    def run(number):
        events = collect(shared_sandbox.stream(f"for i in $(seq 100); do echo {number}-$i; done"))
        results[number] = [data["line"] for name, data in events if name == "stdout"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [f"{n}-{i}" for i in range(1, 101)] for n in range(10)}


def test_a_stream_on_a_sandbox_that_is_unknown(client):
    reply = client.post("/sandboxes/sbx_00000000000000000000000000/exec/stream", {"command": "true"})
    expect_error(reply, 404, "NOT_FOUND")


def test_a_stream_is_activity(make_sandbox):
    sandbox = make_sandbox(idle_timeout_sec=1)
    events = collect(sandbox.stream("sleep 2.5; echo alive"))
    assert [data["line"] for name, data in events if name == "stdout"] == ["alive"]
    assert checked(sandbox.client.get(sandbox.path))["id"] == sandbox.id
