"""…/logs and …/logs/stream: what happened to a sandbox in sentences, and what its programs wrote."""

import pytest

from harness.expect import checked, expect_error
from harness.sse import EventStream
from harness.wait import wait_until


def logs(client, sandbox, **query):
    return checked(client.get(f"{sandbox.path}/logs", params=query))


def lines(reply):
    return [entry["line"] for entry in reply["logs"]]


def service(client, sandbox, name, command):
    return checked(client.post(f"{sandbox.path}/services", {"name": name, "command": command}), 201)["data"]


def test_a_life_in_sentences(client):
    sandbox = client.create(persistent=True)
    sandbox.pause()
    sandbox.destroy()
    reply = logs(client, sandbox)
    assert [line.replace(" (api)", "") for line in lines(reply)] == [
        "The sandbox is being created.",
        "The sandbox is running.",
        "The sandbox is being paused.",
        "The sandbox is paused.",
        "The sandbox is being destroyed.",
        "The sandbox is destroyed.",
    ]
    assert reply["count"] == 6
    assert reply["data"]["lines"] == lines(reply)
    assert {(entry["stream"], entry["source"]) for entry in reply["logs"]} == {("system", "sandbox")}
    assert [entry["t"] for entry in reply["logs"]] == sorted(entry["t"] for entry in reply["logs"])


def test_the_newest_lines_are_chosen(client, shared_sandbox):
    assert lines(logs(client, shared_sandbox, lines=1)) == ["The sandbox is running."]


@pytest.mark.parametrize("value", ["0", "5001", "x"])
def test_the_number_of_lines_is_checked(client, shared_sandbox, value):
    reply = client.get(f"{shared_sandbox.path}/logs", params={"lines": value})
    assert expect_error(reply, 422, "VALIDATION_ERROR")["details"]["field"] == "lines"


def test_services_have_their_lines_in_it(client, sandbox):
    service(client, sandbox, "web", "echo out; echo err >&2; exec sleep 1000")
    wait_until(lambda: {"out", "err"} <= set(lines(logs(client, sandbox))), 20, "the service's lines")
    entries = {entry["line"]: entry for entry in logs(client, sandbox)["logs"]}
    assert (entries["out"]["source"], entries["out"]["stream"]) == ("web", "stdout")
    assert entries["err"]["stream"] == "stderr"
    assert lines(logs(client, sandbox))[0] == "The sandbox is being created."


def test_asking_does_not_wake_a_paused_one(client, sandbox):
    sandbox.pause()
    assert "is paused" in lines(logs(client, sandbox))[-1]
    assert sandbox.state == "paused"


def test_a_stream_has_what_happens_and_what_is_written(client, sandbox):
    with EventStream(client, f"{sandbox.path}/logs/stream").await_greeting() as stream:
        sandbox.exec("printf 'one\\ntwo\\n'")
        assert [stream.next("log")["line"] for _ in range(2)] == ["one", "two"]
        sandbox.pause()
        assert "being paused" in stream.next("log")["line"]
        assert "is paused" in stream.next("log")["line"]
        sandbox.resume()
        sandbox.destroy()
        rest = list(stream)
        assert rest[-1][0] == "end"
        assert "is destroyed" in rest[-2][1]["line"]


def test_a_stream_follows_services(client, sandbox):
    service(client, sandbox, "ticker", "while read line; do echo got $line; done < <(seq 3); exec sleep 1000")
    with EventStream(client, f"{sandbox.path}/logs/stream", replay="true") as stream:
        told = []
        while "got 3" not in told:
            told.append(stream.next("log")["line"])
        assert [line for line in told if line.startswith("got")] == ["got 1", "got 2", "got 3"]


def test_a_stream_resumes(client):
    sandbox = client.create(persistent=True)
    with EventStream(client, f"{sandbox.path}/logs/stream").await_greeting() as stream:
        sandbox.pause()
        stream.next("log")
    sandbox.destroy()
    with EventStream(client, f"{sandbox.path}/logs/stream", last_id=stream.last_id) as again:
        told = [data["line"] for name, data in again if name == "log"]
    assert ["is paused" in told[0], len(told)] == [True, 3]


def test_of_another_tenants_sandbox_nothing_is_told(other_client, shared_sandbox):
    for route in ("logs", "logs/stream"):
        expect_error(other_client.get(f"{shared_sandbox.path}/{route}"), 404, "NOT_FOUND")
