"""GET …/files/watch: changes of files as they happen, each told once, until the sandbox or the path ends."""

from urllib.parse import urlencode

import pytest

from harness.expect import expect_error
from harness.sse import EventStream
from harness.wait import wait_until

EVENTS = {"create": "created", "modify": "modified", "delete": "deleted", "rename": "renamed"}


def watch(sandbox, path="/workspace", **query):
    stream = EventStream(sandbox.client, f"{sandbox.path}/files/watch?{urlencode({'path': path, **query})}")
    ready = stream.next("ready")
    assert ready["path"] == path.rstrip("/") or path == "/"
    return stream


def tell(stream, until):
    """Changes up to the one of that path, as (type, path) or (type, old path, path)."""
    told = []
    for name, data in stream:
        assert name == data["type"]
        assert data["event"] == EVENTS[name]
        assert data["timestamp"].endswith("Z")
        told.append((name, *([data["old_path"]] if data["old_path"] else []), data["path"]))
        if data["path"] == until:
            return told
    raise AssertionError(f"the stream ended: {told}")


def test_what_a_command_does_is_told_in_order(sandbox):
    with watch(sandbox) as stream:
        sandbox.output("echo 12 > a && chmod 600 a && mv a b && mkdir d && rm b && rmdir d && mkdir end")
        assert tell(stream, "/workspace/end") == [
            ("create", "/workspace/a"),
            ("modify", "/workspace/a"),
            ("modify", "/workspace/a"),
            ("rename", "/workspace/a", "/workspace/b"),
            ("create", "/workspace/d"),
            ("delete", "/workspace/b"),
            ("delete", "/workspace/d"),
            ("create", "/workspace/end"),
        ]


def test_sizes_and_directories_are_told(sandbox):
    with watch(sandbox) as stream:
        sandbox.output("echo 12 > a; mkdir d")
        stream.next("create")
        changed = stream.next("modify")
        assert (changed["size_bytes"], changed["is_dir"]) == (3, False)
        assert stream.next("create")["is_dir"] is True


def test_files_written_through_the_api_are_one_change(sandbox):
    with watch(sandbox) as stream:
        sandbox.write("/workspace/x.txt", "one")
        sandbox.write("/workspace/x.txt", "two")
        sandbox.write("/workspace/end", "")
        assert tell(stream, "/workspace/end") == [
            ("create", "/workspace/x.txt"),
            ("modify", "/workspace/x.txt"),
            ("create", "/workspace/end"),
        ]


def test_a_tree_that_is_made_at_once_is_told_whole_and_once(sandbox):
    script = "for i in $(seq 40); do mkdir -p t/d$i/e && : > t/d$i/e/f; done; : > t/end"
    with watch(sandbox) as stream:
        sandbox.output(script)
        created = [paths[-1] for name, *paths in tell(stream, "/workspace/t/end") if name == "create"]
    wanted = {"/workspace/t", "/workspace/t/end"}
    for i in range(1, 41):
        wanted |= {f"/workspace/t/d{i}", f"/workspace/t/d{i}/e", f"/workspace/t/d{i}/e/f"}
    assert sorted(created) == sorted(wanted)


def test_moves_across_the_border_are_creations_and_deletions(sandbox):
    sandbox.output("mkdir -p /tmp/out/in && : > /tmp/out/in/f")
    with watch(sandbox) as stream:
        sandbox.output("mv /tmp/out/in .")
        assert tell(stream, "/workspace/in/f") == [("create", "/workspace/in"), ("create", "/workspace/in/f")]
        sandbox.output("mv in moved")
        assert tell(stream, "/workspace/moved") == [("rename", "/workspace/in", "/workspace/moved")]
        sandbox.output("mv moved /tmp/out/gone && : > /tmp/out/gone/unseen")
        assert tell(stream, "/workspace/moved") == [("delete", "/workspace/moved")]
        sandbox.output(": > end")
        assert tell(stream, "/workspace/end") == [("create", "/workspace/end")]


def test_without_recursion_only_the_directory_itself_is_watched(sandbox):
    with watch(sandbox, recursive="false") as stream:
        sandbox.output("mkdir d && echo > d/unseen && mkdir end")
        assert tell(stream, "/workspace/end") == [("create", "/workspace/d"), ("create", "/workspace/end")]


def test_names_that_are_no_text_do_not_break_the_stream(sandbox):
    with watch(sandbox) as stream:
        sandbox.output(r"mkdir \"$(printf 'a\377b')\" 2>/dev/null; mkdir $(printf 'a\377b'); mkdir end")
        assert ("create", "/workspace/a\ufffdb") in tell(stream, "/workspace/end")


FLOOD = "for i in range(200000):\n open('ab'[i & 1], 'w').close()"


def test_what_was_lost_is_said(sandbox):
    """Nobody reads while more happens than can wait to be read."""
    with watch(sandbox) as stream:
        sandbox.exec(["python3", "-c", FLOOD], cwd="/workspace", timeout=60)
        assert stream.next("overflow")["path"] == "/workspace"
        sandbox.output("mkdir afterwards")
        assert any(data.get("path") == "/workspace/afterwards" for _, data in stream)


@pytest.mark.parametrize("end, reason", [("destroy", "destroyed"), ("pause", "paused"), ("stop", "paused")])
def test_the_stream_ends_with_the_sandbox(client, end, reason):
    with client.create(persistent=True) as sandbox, watch(sandbox) as stream:
        getattr(sandbox, end)()
        events = list(stream)
    assert [name for name, _ in events] == ["end"]
    assert events[0][1]["reason"] == reason


def test_the_stream_ends_with_the_path(sandbox):
    sandbox.output("mkdir /tmp/here")
    with watch(sandbox, "/tmp/here") as stream:
        sandbox.output("rm -r /tmp/here")
        assert stream.next("end")["reason"] == "gone"


def test_the_stream_ends_when_the_service_stops(fresh_instance):
    instance = fresh_instance()
    with instance.client().create() as sandbox, watch(sandbox) as stream:
        instance.api.stop()
        assert stream.next("end")["reason"] == "shutting_down"
        instance.start()


@pytest.mark.engines("container", "vm")
def test_watching_is_no_activity(make_sandbox):
    sandbox = make_sandbox(persistent=True, idle_timeout_sec=1, auto_resume=True)
    with watch(sandbox) as stream:
        assert stream.next("end")["reason"] == "paused"
    reply = sandbox.client.get(f"{sandbox.path}/files/watch")
    expect_error(reply, 409, "SANDBOX_NOT_RUNNING")
    wait_until(lambda: sandbox.state == "paused", 10, "the sandbox is paused")


def test_bad_requests_are_refused(shared_sandbox, other_client):
    client, path = shared_sandbox.client, f"{shared_sandbox.path}/files/watch"
    expect_error(client.get(path, params={"path": "/none"}), 404, "FILE_NOT_FOUND")
    expect_error(client.get(path, params={"path": "../x"}), 422, "VALIDATION_ERROR", "path")
    expect_error(client.get(path, params={"recursive": "deep"}), 422, "VALIDATION_ERROR", "recursive")
    expect_error(other_client.get(path), 404, "NOT_FOUND")


def test_no_more_than_64_watches_of_a_sandbox(sandbox):
    streams = [watch(sandbox, "/tmp") for _ in range(64)]
    refused = sandbox.client.get(f"{sandbox.path}/files/watch", params={"path": "/tmp"})
    expect_error(refused, 409, "WATCH_LIMIT_EXCEEDED")
    assert sandbox.output("echo works") == "works\n"
    for stream in streams:
        stream.close()
