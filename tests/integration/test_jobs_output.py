"""What jobs write: kept, read by its end, followed, resumed without a byte lost or doubled."""

import hashlib
import threading

import pytest
import requests

from harness import jobs
from harness.client import event_bytes
from harness.expect import checked, expect_error
from harness.wait import wait_until

# 40,000 numbered lines on both streams, in bursts, with lines that are begun and ended apart.
CHATTER = r"""
for i in $(seq 1 2000); do
    for j in 1 2 3 4 5 6 7 8 9; do echo "out $i.$j"; done
    echo "err $i" >&2
    printf 'begun %s ' "$i"; printf 'and ended\n'
    [ $((i % 100)) -ne 0 ] || sleep 0.02
done
"""


def expected():
    out, err = [], []
    for i in range(1, 2001):
        out += [f"out {i}.{j}\n" for j in range(1, 10)] + [f"begun {i} and ended\n"]
        err += [f"err {i}\n"]
    return "".join(out).encode(), "".join(err).encode()


def test_logs_in_both_shapes(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo one; echo two >&2; printf three")
    jobs.ended(shared_sandbox, job)
    reply = jobs.logs(shared_sandbox, job)
    assert sorted(reply["data"]["lines"]) == ["one", "three", "two"]
    assert reply["data"]["count"] == reply["count"] == 3
    assert {(entry["line"], entry["stream"]) for entry in reply["logs"]} == {
        ("one", "stdout"), ("two", "stderr"), ("three", "stdout")}
    assert all(entry["t"].endswith("Z") for entry in reply["logs"])
    assert (reply["data"]["truncated"], reply["data"]["lost_bytes"]) == (False, 0)


def test_the_tail_and_one_stream_only(shared_sandbox):
    job = jobs.start(shared_sandbox, "for i in $(seq 1 3000); do echo $i; done; echo problem >&2")
    jobs.ended(shared_sandbox, job)
    reply = jobs.logs(shared_sandbox, job, tail=5, stream="stdout")
    assert reply["data"]["lines"] == [str(i) for i in range(2996, 3001)]
    assert reply["data"]["truncated"] is True
    assert jobs.lines(shared_sandbox, job, stream="stderr") == ["problem"]
    assert len(jobs.lines(shared_sandbox, job)) == 1000
    assert len(jobs.lines(shared_sandbox, job, tail=100000)) == 3001
    assert jobs.lines(shared_sandbox, job, tail=0) == []


@pytest.mark.parametrize("query", [{"tail": "x"}, {"tail": -1}, {"tail": 100001}, {"stream": "out"}])
def test_bad_log_queries_are_refused_by_name(shared_sandbox, query):
    job = jobs.start(shared_sandbox, "true")
    reply = shared_sandbox.client.get(f"{jobs.path(shared_sandbox, job)}/logs", params=query)
    expect_error(reply, 422, "VALIDATION_ERROR", field=next(iter(query)))


def test_bytes_that_are_not_text(shared_sandbox):
    job = jobs.start(shared_sandbox, r"printf '\xff\x00\xfe\n'; printf 'ok\n'")
    jobs.ended(shared_sandbox, job)
    assert jobs.lines(shared_sandbox, job)[1] == "ok"
    assert jobs.output(jobs.follow(shared_sandbox, job)) == b"\xff\x00\xfe\nok\n"


@pytest.mark.parametrize("route", ["stream", "logs/stream"])
def test_a_stream_tells_everything_and_one_end(shared_sandbox, route):
    job = jobs.start(shared_sandbox, "echo first; sleep 0.2; echo second >&2; printf third; exit 7")
    events = jobs.follow(shared_sandbox, job, route=route)
    assert [name for name, _ in events] == ["stdout", "stderr", "stdout", "exit"]
    first = events[0][1]
    assert (first["type"], first["stream"], first["line"], first["data"]) == ("stdout", "stdout", "first", "first\n")
    assert first["timestamp"].endswith("Z")
    assert events[2][1]["data"] == "third"
    assert (events[3][1]["exit_code"], events[3][1]["type"]) == (7, "exit")


def test_output_comes_as_it_is_written(shared_sandbox):
    job = jobs.start(shared_sandbox, "printf 'prompt: '; cat", open_stdin=True)
    with jobs.Follow(shared_sandbox, job) as stream:
        assert stream.next("stdout")["data"] == "prompt: "
        where = f"{jobs.path(shared_sandbox, job)}/stdin"
        assert shared_sandbox.client.post(where, {"data": "typed\n", "eof": True}).ok
        assert stream.next("stdout")["line"] == "typed"
        assert stream.next("exit")["exit_code"] == 0


def test_a_client_that_leaves_does_not_disturb_the_job(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo on; cat; echo end", open_stdin=True)
    stream = jobs.Follow(shared_sandbox, job)
    stream.next("stdout")
    stream.close()
    assert jobs.get(shared_sandbox, job)["status"] == "running"
    shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stdin", {"eof": True})
    assert jobs.ended(shared_sandbox, job)["exit_code"] == 0


def test_several_follow_one_job(shared_sandbox):
    job = jobs.start(shared_sandbox, "cat; for i in $(seq 500); do echo $i; done", open_stdin=True)
    seen = {}

    def watch(number):
        with jobs.Follow(shared_sandbox, job) as stream:
            seen[number] = jobs.output(stream)

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stdin", {"eof": True})
    for thread in threads:
        thread.join(60)
    assert set(seen.values()) == {"".join(f"{i}\n" for i in range(1, 501)).encode()} and len(seen) == 5


@pytest.mark.parametrize("by_query", [False, True])
def test_resuming_again_and_again_loses_and_doubles_nothing(shared_sandbox, by_query):
    job = jobs.start(shared_sandbox, CHATTER)
    got = {"stdout": b"", "stderr": b""}
    last, leave, connections, ended = None, 1, 0, False
    while not ended:
        connections += 1
        with jobs.Follow(shared_sandbox, job, last=last, by_query=by_query) as stream:
            for count, (name, data) in enumerate(stream, start=1):
                if name == "exit":
                    ended = True
                    break
                got[name] += event_bytes(data)
                last = stream.last_id
                if count == leave:
                    break
        leave = leave * 2 if leave < 3000 else 1
    assert connections > 10
    assert (got["stdout"], got["stderr"]) == expected()


def test_after_the_end_a_stream_tells_the_rest_and_the_end(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo one; sleep 0.1; echo two")
    with jobs.Follow(shared_sandbox, job) as stream:
        stream.next("stdout")
        last = stream.last_id
    jobs.ended(shared_sandbox, job)
    events = jobs.follow(shared_sandbox, job, last=last)
    assert [name for name, _ in events] == ["stdout", "exit"]
    with jobs.Follow(shared_sandbox, job) as stream:
        list(stream)
        assert [name for name, _ in jobs.follow(shared_sandbox, job, last=stream.last_id)] == ["exit"]


@pytest.mark.parametrize("last", ["nonsense", "-1", "1-2-3-4", "99999999999999999999"])
def test_a_foreign_place_is_refused(shared_sandbox, last):
    job = jobs.start(shared_sandbox, "true")
    reply = shared_sandbox.client.get(f"{jobs.path(shared_sandbox, job)}/stream", headers={"Last-Event-ID": last})
    expect_error(reply, 422, "VALIDATION_ERROR", field="last_event_id")


def test_a_place_beyond_the_end_does_not_hang(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo a")
    jobs.ended(shared_sandbox, job)
    reply = shared_sandbox.client.get(f"{jobs.path(shared_sandbox, job)}/stream",
                                      headers={"Last-Event-ID": "4611686018427387904"}, timeout=20)
    assert reply.status_code == 422 or "event: exit" in reply.text


def test_a_flood_is_kept_bounded_and_its_end_can_be_read(shared_sandbox):
    used = "du -sm --one-file-system / 2>/dev/null | cut -f1"
    before = int(shared_sandbox.output(used))
    job = jobs.start(shared_sandbox, "head -c 30000000 /dev/zero | tr '\\0' x | fold -w 999; echo the end")
    assert jobs.ended(shared_sandbox, job, 60)["exit_code"] == 0
    reply = jobs.logs(shared_sandbox, job, tail=3)
    assert reply["data"]["lines"][-1].endswith("the end")
    assert reply["data"]["truncated"] is True
    assert reply["data"]["lost_bytes"] > 15_000_000
    assert int(shared_sandbox.output(used)) - before < 15
    events = jobs.follow(shared_sandbox, job)
    assert events[0][0] == "lost" and events[0][1]["bytes"] > 15_000_000
    kept = len(jobs.output(events))
    assert 4_000_000 < kept <= 10 * 1024 * 1024 + 100_000
    assert events[-1][1]["exit_code"] == 0
    jobs.stop(shared_sandbox, job)


def test_a_flood_does_not_keep_others_from_working(shared_sandbox):
    job = jobs.start(shared_sandbox, "yes $(printf 'flood%.0s' $(seq 1000))")
    with jobs.Follow(shared_sandbox, job) as stream:
        stream.next("stdout")
        for number in range(5):
            assert shared_sandbox.output(f"echo {number}") == f"{number}\n"
        assert jobs.stop(shared_sandbox, job)["status"] == "stopped"
        assert stream.next("exit")["signal"] in ("SIGTERM", "SIGKILL")


def test_a_follower_that_reads_slowly_is_told_what_it_missed(shared_sandbox):
    job = jobs.start(shared_sandbox, "cat; head -c 40000000 /dev/zero | tr '\\0' y | fold -w 99", open_stdin=True)
    with jobs.Follow(shared_sandbox, job) as stream:
        shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stdin", {"eof": True})
        jobs.ended(shared_sandbox, job, 60)
        events = list(stream)
    lost = sum(data["bytes"] for name, data in events if name == "lost")
    assert lost > 0
    assert events[-1][0] == "exit" and events[-1][1]["exit_code"] == 0


def test_destroy_ends_the_stream_with_one_exit(sandbox):
    job = jobs.start(sandbox, "echo on; sleep 1000")
    with jobs.Follow(sandbox, job) as stream:
        stream.next("stdout")
        sandbox.destroy()
        rest = list(stream)
    assert [name for name, _ in rest] == ["exit"]
    assert rest[0][1]["exit_code"] == -2
    assert "destroyed" in rest[0][1]["error"]["message"]
    assert rest[0][1]["error"]["request_id"]


def test_kill_9_of_the_daemon_disturbs_neither_job_nor_log(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    client = instance.client()
    with client.create() as sandbox:
        job = jobs.start(sandbox, CHATTER)
        got = {"stdout": b"", "stderr": b""}
        stream = jobs.Follow(sandbox, job)
        try:
            for count, (name, data) in enumerate(stream):
                got[name] += event_bytes(data)
                if count == 300:
                    instance.api.kill9()
        except requests.RequestException:
            pass
        instance.start()
        wait_until(instance.connected, 30, "atolld to find atoll-host")
        assert checked(client.get(jobs.path(sandbox, job)))["data"]["pid"] == job["pid"]
        with jobs.Follow(sandbox, job, last=stream.last_id) as again:
            for name, data in again:
                if name == "exit":
                    assert data["exit_code"] == 0
                    break
                got[name] += event_bytes(data)
        assert (got["stdout"], got["stderr"]) == expected()
        whole = jobs.output(jobs.follow(sandbox, job))
        assert hashlib.sha256(whole).digest() == hashlib.sha256(expected()[0]).digest()


def test_sigterm_of_the_daemon_ends_streams_with_a_typed_exit(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    with instance.client().create() as sandbox:
        job = jobs.start(sandbox, "echo on; cat; echo end", open_stdin=True)
        with jobs.Follow(sandbox, job) as stream:
            stream.next("stdout")
            instance.api.stop()
            rest = list(stream)
        assert [name for name, _ in rest] == ["exit"]
        assert (rest[0][1]["exit_code"], rest[0][1]["error"]["code"]) == (-2, "SHUTTING_DOWN")
        assert rest[0][1]["error"]["retryable"] is True
        instance.start()
        wait_until(instance.connected, 30, "atolld to find atoll-host")
        with jobs.Follow(sandbox, job, last=stream.last_id) as again:
            assert sandbox.client.post(f"{jobs.path(sandbox, job)}/stdin", {"eof": True}).ok
            assert again.next("stdout")["line"] == "end"
            assert again.next("exit")["exit_code"] == 0
