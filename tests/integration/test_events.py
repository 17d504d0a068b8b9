"""GET …/events and /events/stream: what happens to sandboxes, told once each, resumable by Last-Event-ID."""

import pytest

from harness.client import ApiError
from harness.expect import expect_error
from harness.sse import EventStream

LIFE = [
    ("provisioning", ["state_changed", "sandbox.created"]),
    ("running", ["state_changed", "sandbox.running", "sandbox.ready"]),
    ("pausing", ["state_changed", "sandbox.pausing"]),
    ("paused", ["state_changed", "sandbox.paused"]),
    ("resuming", ["state_changed", "sandbox.resuming"]),
    ("running", ["state_changed", "sandbox.running", "sandbox.resumed"]),
    ("destroying", ["state_changed", "sandbox.destroying"]),
    ("destroyed", ["state_changed", "sandbox.destroyed"]),
]


def live(client):
    sandbox = client.create(persistent=True)
    sandbox.pause()
    sandbox.resume()
    sandbox.destroy()
    return sandbox


def test_a_whole_life_is_told_in_order_and_the_stream_ends(client):
    sandbox = live(client)
    with EventStream(client, f"{sandbox.path}/events") as stream:
        events = list(stream)
    assert [name for name, _ in events] == [name for _, names in LIFE for name in names] + ["end"]
    assert events[-1][1]["reason"] == "destroyed"
    states = [(data["previous_state"], data["state"]) for name, data in events if name == "state_changed"]
    assert states == list(zip([None] + [state for state, _ in LIFE], [state for state, _ in LIFE]))
    for name, data in events[:-1]:
        assert data["type"] == name
        assert data["sandbox_id"] == sandbox.id
        assert data["timestamp"].endswith("Z")


def test_events_come_as_they_happen(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
        sandbox.pause()
        assert stream.names_until("sandbox.paused") == [
            "state_changed", "sandbox.pausing", "state_changed", "sandbox.paused",
        ]  # fmt: skip
        sandbox.resume()
        assert stream.next("sandbox.resumed")["state"] == "running"
        sandbox.destroy()
        assert stream.names_until("end")[-2] == "sandbox.destroyed"
        assert list(stream) == []


def test_every_cursor_resumes_behind_its_event(client):
    sandbox = live(client)
    path = f"{sandbox.path}/events"
    with EventStream(client, path, replay="true") as stream:
        told = [(name, stream.last_id) for name, _ in stream]
    ids = list(dict.fromkeys(id for name, id in told if name != "end"))[1:]
    assert len(ids) == len(LIFE)
    for i, cursor in enumerate(ids[:-1]):
        with EventStream(client, path, last_id=cursor) as stream:
            names = [name for name, _ in stream if name not in ("lost", "end")]
        assert names == [name for _, names in LIFE[i + 1 :] for name in names], cursor
    with EventStream(client, path, last_event_id=ids[1]) as stream:
        assert stream.next("state_changed")["state"] == "pausing"


def test_a_client_that_has_seen_the_end_is_told_to_stay_away(client):
    sandbox = live(client)
    with EventStream(client, f"{sandbox.path}/events") as stream:
        list(stream)
    reply = client.get(f"{sandbox.path}/events", headers={"Last-Event-ID": stream.last_id})
    assert (reply.status_code, reply.content) == (204, b"")


def test_only_the_last_name_of_a_change_moves_the_cursor(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
        before = stream.last_id
        sandbox.pause()
        stream.next("state_changed")
        assert stream.last_id == before
        stream.next("sandbox.pausing")
        assert stream.last_id != before


def test_types_choose(client):
    sandbox = live(client)
    with EventStream(client, f"{sandbox.path}/events", types="sandbox.pa*,sandbox.resumed") as stream:
        assert [name for name, _ in stream] == ["sandbox.pausing", "sandbox.paused", "sandbox.resumed", "end"]


def test_a_stream_that_asks_for_other_types_ends_with_the_sandbox(client):
    with client.create() as sandbox:
        with EventStream(client, f"{sandbox.path}/events", types="sandbox.exec.*").await_greeting() as stream:
            sandbox.destroy()
            assert [name for name, _ in stream] == ["end"]


def test_replay_begins_at_the_oldest(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events", replay="true") as stream:
        assert stream.names_until("sandbox.ready")[:2] == ["state_changed", "sandbox.created"]


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1", "1-2-3", "01h8zz", "9999999999999999999-1", "1-2 "])
def test_what_is_no_cursor_is_refused(client, shared_sandbox, cursor):
    error = expect_error(
        client.get(f"{shared_sandbox.path}/events", params={"last_event_id": cursor}), 422, "VALIDATION_ERROR"
    )
    assert error["details"]["field"] == "Last-Event-ID"


def test_a_cursor_of_the_future_is_told_as_a_loss(client, shared_sandbox):
    with EventStream(client, f"{shared_sandbox.path}/events", last_id="99999999999-1") as stream:
        assert stream.next("lost")["kind"] == "stored"


def test_types_are_checked(client, shared_sandbox):
    expect_error(client.get(f"{shared_sandbox.path}/events", params={"types": "a b"}), 422, "VALIDATION_ERROR")
    expect_error(client.get(f"{shared_sandbox.path}/events", params={"replay": "maybe"}), 422, "VALIDATION_ERROR")


def test_a_tenant_hears_of_all_its_sandboxes_and_no_others(tenant):
    one, two = tenant("events-one"), tenant("events-two")
    with EventStream(one, "/events/stream", types="sandbox.ready").await_greeting() as stream:
        with two.create(), one.create() as a, one.create() as b:
            assert [stream.next("sandbox.ready")["sandbox_id"] for _ in range(2)] == [a.id, b.id]


def test_another_tenants_sandbox_is_not_there(other_client, shared_sandbox):
    with pytest.raises(ApiError) as caught:
        EventStream(other_client, f"{shared_sandbox.path}/events")
    assert caught.value.status == 404


def test_the_log_is_read_in_pages(tenant):
    client = tenant("events-pages")
    sandboxes = [live(client) for _ in range(2)]
    rows, cursor = [], 0
    while cursor is not None:
        page = client.ok(client.get("/platform-events", params={"after_seq": cursor, "limit": 3}))
        assert len(page["data"]) <= 3
        rows += page["data"]
        cursor = page["next_cursor"]
    assert [row["data"]["state"] for row in rows] == [state for state, _ in LIFE] * 2
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
    assert {row["subject_id"] for row in rows} == {sandbox.id for sandbox in sandboxes}

    query = {"type": "sandbox.paused", "subject_type": "sandbox", "subject_id": sandboxes[1].id}
    chosen = client.ok(client.get("/platform-events", params=query))
    assert [(row["type"], row["subject_id"]) for row in chosen["data"]] == [("sandbox.paused", sandboxes[1].id)]
    assert chosen["next_cursor"] is None


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"after_seq": "x"}, {"project_id": "p"}])
def test_bad_queries_of_the_log_name_their_field(client, query):
    error = expect_error(client.get("/platform-events", params=query), 422, "VALIDATION_ERROR")
    assert error["details"]["field"] == next(iter(query))


def test_commands_are_told_while_somebody_listens(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
        sandbox.exec("echo out; echo err >&2; exit 3")
        assert stream.next("sandbox.exec.started")["command"] == "echo out; echo err >&2; exit 3"
        rest = {}
        for name, data in stream:
            rest[name, data.get("stream")] = data
            if name == "sandbox.exec.completed":
                break
        assert rest["exec_output", "stdout"]["data"] == "out\n"
        assert rest["exec_output", "stderr"]["data"] == "err\n"
        assert rest["sandbox.exec.stdout", "stdout"]["line"] == "out"
        assert rest["sandbox.exec.completed", None]["exit_code"] == 3
        assert len({data["exec_id"] for data in rest.values()}) == 1


def test_a_streamed_command_has_one_id_everywhere(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
        with sandbox.stream("echo hello") as command:
            exec_id = command.next("started")["exec_id"]
            list(command)
        assert stream.next("sandbox.exec.completed")["exec_id"] == exec_id


def test_output_is_text_whatever_a_command_writes(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
        sandbox.exec(r"printf 'a\303'; sleep 0.2; printf '\244b\377c\0d'")
        told = ""
        while "d" not in told:
            told += stream.next("exec_output")["data"]
        assert told == "a\u00e4b\ufffdc\0d"


def test_much_output_arrives_whole_at_a_reader_that_keeps_up(client):
    with client.create() as sandbox, EventStream(client, f"{sandbox.path}/events", types="exec_output,sandbox.exec.completed").await_greeting() as stream:  # fmt: skip
        sandbox.exec("seq 1 300000")
        told = ""
        for name, data in stream:
            if name == "sandbox.exec.completed":
                break
            assert name == "exec_output", data
            told += data["data"]
        assert told == "".join(f"{i}\n" for i in range(1, 300001))


def test_live_events_are_kept_for_one_who_comes_back(client):
    with client.create() as sandbox:
        with EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
            sandbox.exec("echo one")
            stream.next("sandbox.exec.completed")
        sandbox.exec("echo two")
        with EventStream(client, f"{sandbox.path}/events", last_id=stream.last_id) as again:
            assert again.next()["command"] == "echo two"
            assert again.next("exec_output")["data"] == "two\n"
