"""Terminals: a shell on a pseudo-terminal, over a WebSocket."""

import threading

import pytest

from harness.expect import checked, expect_error
from harness.terminal import Terminal, attach, open_terminal, terminal
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")

PROMPT = "export PS1='ready> '; unset PROMPT_COMMAND; clear\r"


@pytest.fixture
def shell(shared_sandbox):
    """A terminal with a shell that waits at its prompt."""
    with terminal(shared_sandbox) as made:
        prepare(made)
        yield made
        made.web.send_close(1000)


def prepare(viewer):
    viewer.send(PROMPT)
    viewer.until(lambda text: text.lstrip().startswith("ready>"))


def sessions(sandbox):
    return checked(sandbox.client.get(f"{sandbox.path}/terminals"))["data"]


# --- opening ---


def test_the_reply_is_bare_and_says_how_to_connect(shared_sandbox):
    reply = open_terminal(shared_sandbox, cols=120, rows=32)
    assert reply["session_id"].startswith("trm_")
    assert reply["sandbox_id"] == shared_sandbox.id
    assert (reply["cols"], reply["rows"]) == (120, 32)
    host = shared_sandbox.client.url.removeprefix("http://")
    assert reply["ws_url"].startswith(f"ws://{host}/api/v1/sandboxes/{shared_sandbox.id}/terminal/stream?")
    assert reply["session_id"] in reply["ws_url"]
    assert reply["stream_auth"].count(".") == 2
    assert reply["stream_auth_expires_at"].endswith("Z")
    assert isinstance(reply["expires_at"], int)
    shared_sandbox.client.delete(f"{shared_sandbox.path}/terminal/{reply['session_id']}")


def test_the_url_is_on_the_host_that_the_client_named(shared_sandbox):
    headers = {"Host": "sandboxes.example:8443", "X-Forwarded-Proto": "https"}
    reply = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/terminal", {}, headers=headers), 201)
    assert reply["ws_url"].startswith("wss://sandboxes.example:8443/api/v1/")
    headers = {"Host": 'evil"\\<x>'}
    reply = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/terminal", {}, headers=headers), 201)
    assert "evil" not in reply["ws_url"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cols": 0}, "cols"),
        ({"rows": 1001}, "rows"),
        ({"cols": "80"}, "cols"),
        ({"shell": ""}, "shell"),
        ({"shell": 3}, "shell"),
        ({"shell": "sh", "command": "ls"}, "shell"),
        ({"env": {"A": 1}}, "env"),
        ({"cwd": "relative"}, "cwd"),
        ({"columns": 80}, "columns"),
    ],
)
def test_a_bad_field_is_named(shared_sandbox, fields, field):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/terminal", fields)
    expect_error(reply, 422, "VALIDATION_ERROR", field)


def test_args_need_a_command(shared_sandbox):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/terminal", {"args": ["x"]})
    expect_error(reply, 400, "MISSING_PARAM", "command")


def test_a_shell_that_is_not_there(shared_sandbox):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/terminal", {"shell": "/bin/none"})
    expect_error(reply, 422, "COMMAND_NOT_FOUND")


def test_a_paused_sandbox_has_no_terminals(sandbox):
    sandbox.pause()
    expect_error(sandbox.client.post(f"{sandbox.path}/terminal", {}), 409, "SANDBOX_NOT_RUNNING")


# --- what a person sees ---


def test_what_is_typed_is_run(shell):
    shell.send("echo $((6*7))-done\r")
    shell.until("42-done")


def test_it_is_a_login_shell_on_a_real_terminal(shell):
    shell.send("shopt -q login_shell && echo login-$((1+1)); tty; echo $TERM $COLORTERM $LANG; pwd\r")
    shown = shell.until("/workspace")
    assert "login-2" in shown
    assert "/dev/pts/" in shown
    assert "xterm-256color truecolor C.UTF-8" in shown


def test_variables_directory_user_and_shell_are_taken(shared_sandbox):
    fields = {"shell": "sh", "cwd": "/tmp", "user": "nobody", "env": {"COLOUR": "teal", "TERM": "vt100"}}
    with terminal(shared_sandbox, **fields) as viewer:
        viewer.send("echo $COLOUR $TERM; pwd; id -un; echo end-$((1+1))\r")
        shown = viewer.until("end-2")
        assert "teal vt100" in shown
        assert "/tmp" in shown
        assert "nobody" in shown
        viewer.web.send_close(1000)


def test_a_command_ends_with_its_exit_code(shared_sandbox):
    with terminal(shared_sandbox, command="printf hello; exit 7") as viewer:
        assert viewer.end() == (7, 1000)
        assert viewer.raw == b"hello"


def test_arguments_are_passed_as_they_are(shared_sandbox):
    with terminal(shared_sandbox, command="printf", args=["%s|", "a b", "$HOME"]) as viewer:
        assert viewer.end() == (0, 1000)
        assert viewer.raw == b"a b|$HOME|"


def test_a_signal_is_told_as_the_shell_tells_it(shared_sandbox):
    with terminal(shared_sandbox, command="kill -TERM $$") as viewer:
        assert viewer.end() == (143, 1000)


def test_control_c_interrupts(shell):
    shell.send("sh -c 'echo on-$((1+1)); exec sleep 1000'\r")
    shell.until("on-2")
    shell.send(b"\x03")
    shell.until("^C")
    shell.send("echo code-$?\r")
    shell.until("code-130")


def test_bytes_are_not_changed(shared_sandbox):
    data = bytes(range(256)) * 40
    shared_sandbox.write("/tmp/data", data)
    with terminal(shared_sandbox, command="stty raw; cat /tmp/data") as viewer:
        assert viewer.end() == (0, 1000)
        assert viewer.raw == data


def test_the_size_is_set_and_changed(shared_sandbox):
    with terminal(shared_sandbox, rows=31, cols=101) as viewer:
        prepare(viewer)
        viewer.send("stty size\r")
        viewer.until("31 101")
        viewer.resize(40, 132)
        viewer.send("stty size\r")
        viewer.until("40 132")
        for frame in ('{"type":"resize","rows":0,"cols":5}', "not json", '{"type":"other"}', "[]", ""):
            viewer.web.send(frame)
        viewer.send("stty size; echo still-$((1+1))\r")
        assert viewer.until("still-2").count("40 132") == 2
        viewer.web.send_close(1000)


def test_a_resize_reaches_the_program_as_a_signal(shell):
    shell.send("trap 'stty size' WINCH; echo set-$((1+1))\r")
    shell.until("set-2")
    shell.resize(33, 99)
    shell.send("\r")
    shell.until("33 99")


def test_an_editor_works(shared_sandbox):
    """vim draws its screen, takes keys, writes the file; less and python's curses work alike."""
    editor = shared_sandbox.exec("command -v vim || command -v vi")["stdout"].strip()
    if not editor:
        pytest.skip("the template image has no vim")
    with terminal(shared_sandbox, rows=30, cols=90, command=editor, args=["-u", "NONE", "/tmp/note.txt"]) as viewer:
        viewer.until("note.txt")
        viewer.send("ihello from vim\x1b")
        viewer.until("hello from vim")
        assert viewer.text().startswith("hello from vim\n~\n")
        viewer.send(":wq\r")
        assert viewer.end() == (0, 1000)
    assert shared_sandbox.read("/tmp/note.txt") == b"hello from vim\n"


CURSES = """
import curses
def main(window):
    rows, cols = window.getmaxyx()
    window.border()
    window.addstr(2, 4, f"{rows}x{cols}", curses.A_REVERSE)
    while True:
        window.refresh()
        key = window.getch()
        if key == curses.KEY_RESIZE:
            window.clear(); window.border()
            window.addstr(2, 4, "%dx%d" % window.getmaxyx())
        elif key == curses.KEY_UP:
            window.addstr(3, 4, "up!")
        elif key == ord("q"):
            raise SystemExit(3)
curses.wrapper(main)
"""


def test_a_full_screen_program_works(shared_sandbox):
    shared_sandbox.write("/tmp/screen.py", CURSES)
    with terminal(shared_sandbox, rows=20, cols=70, command=["python3", "/tmp/screen.py"]) as viewer:
        viewer.until("20x70")
        assert viewer.screen.display[2][4:9] == "20x70"
        assert viewer.screen.buffer[2][4].reverse
        viewer.send(b"\x1bOA")
        viewer.until("up!")
        viewer.resize(25, 100)
        viewer.until("25x100")
        viewer.send("q")
        assert viewer.end() == (3, 1000)


# --- several viewers, and none ---


def test_two_viewers_see_and_type_the_same(shared_sandbox):
    access = open_terminal(shared_sandbox)
    with attach(shared_sandbox, access) as first, attach(shared_sandbox, access) as second:
        prepare(first)
        second.until(lambda text: text.lstrip().startswith("ready>"))
        assert [one["viewers"] for one in sessions(shared_sandbox) if one["session_id"] == access["session_id"]] == [2]
        second.send("echo from-$((1+1))\r")
        first.until("from-2")
        second.until("from-2")
        first.send("exit 5\r")
        assert first.end() == (5, 1000)
        assert second.end() == (5, 1000)


def test_a_lost_connection_leaves_the_terminal_and_its_scrollback(shared_sandbox):
    access = open_terminal(shared_sandbox)
    with attach(shared_sandbox, access) as viewer:
        prepare(viewer)
        viewer.send("kept=here; echo before-$((1+1))\r")
        viewer.until("before-2")
        viewer.drop()
    with attach(shared_sandbox, access) as again:
        again.until("before-2")
        again.send("echo $kept-$((1+1))\r")
        again.until("here-2")
        assert again.close(1001).code == 1001
    with Terminal(access["ws_url"], key=shared_sandbox.client.key) as third:
        third.until("here-2")
        third.close(1000)


def test_closing_with_1000_ends_the_terminal_and_its_processes(shared_sandbox):
    access = open_terminal(shared_sandbox)
    with attach(shared_sandbox, access) as viewer:
        prepare(viewer)
        viewer.send("(trap '' HUP TERM; exec -a stays sleep 4321) & echo started-$((1+1))\r")
        viewer.until("started-2")
        assert viewer.close(1000).code == 1000
    wait_until(lambda: not any(one["session_id"] == access["session_id"] for one in sessions(shared_sandbox)))
    assert shared_sandbox.exec("pgrep -f 'sleep 432[1]' || ps ax | grep 'sleep 432[1]'")["exit_code"] != 0
    with attach(shared_sandbox, access) as viewer:
        assert viewer.closed().code == 4004


def test_nobody_looking_ends_it_after_the_set_time(fresh_instance):
    client = fresh_instance(terminal_detach_sec=1).client()
    with client.create() as sandbox:
        open_terminal(sandbox)
        access = open_terminal(sandbox)
        with attach(sandbox, access) as viewer:
            prepare(viewer)
            wait_until(lambda: [one["session_id"] for one in sessions(sandbox)] == [access["session_id"]])
        wait_until(lambda: sessions(sandbox) == [])


def test_delete_ends_it_for_everybody_and_can_be_repeated(shared_sandbox):
    access = open_terminal(shared_sandbox)
    where = f"{shared_sandbox.path}/terminal/{access['session_id']}"
    with attach(shared_sandbox, access) as viewer:
        prepare(viewer)
        for _ in range(2):
            reply = checked(shared_sandbox.client.delete(where))
            assert reply == {"session_id": access["session_id"], "state": "ended"}
        code, close_code = viewer.end()
        assert close_code == 1000
        assert code is None or code >= 128
    expect_error(shared_sandbox.client.delete(f"{shared_sandbox.path}/terminal/nonsense"), 404, "TERMINAL_NOT_FOUND")


def test_a_job_cannot_be_reached_as_a_terminal(shared_sandbox):
    job = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/processes", {"command": "sleep 100"}), 201)["data"]
    expect_error(shared_sandbox.client.delete(f"{shared_sandbox.path}/terminal/{job['id']}"), 404, "TERMINAL_NOT_FOUND")
    shared_sandbox.client.delete(f"{shared_sandbox.path}/processes/{job['id']}")


def test_the_list_shows_what_runs(sandbox):
    first = open_terminal(sandbox)
    second = open_terminal(sandbox, command="sleep 1000")
    shown = sessions(sandbox)
    assert [one["session_id"] for one in shown] == [first["session_id"], second["session_id"]]
    assert [one["command"] for one in shown] == ["bash -l", "sleep 1000"]
    assert all(one["state"] == "running" and one["pid"] > 1 and one["viewers"] == 0 for one in shown)


def test_there_are_only_so_many(fresh_instance):
    client = fresh_instance(max_terminals=2).client()
    with client.create() as sandbox:
        open_terminal(sandbox)
        access = open_terminal(sandbox)
        refused = client.post(f"{sandbox.path}/terminal", {})
        error = expect_error(refused, 409, "TERMINAL_LIMIT_EXCEEDED")
        assert error["message"].startswith("2 terminals") and "max_terminals" in error["details"]["hint"]
        checked(client.delete(f"{sandbox.path}/terminal/{access['session_id']}"))
        open_terminal(sandbox)


# --- ends ---


def test_destroying_the_sandbox_is_told(make_sandbox):
    sandbox = make_sandbox()
    with terminal(sandbox) as viewer:
        prepare(viewer)
        sandbox.destroy()
        assert viewer.closed().code == 4004


def test_pausing_the_sandbox_is_told_and_the_terminal_survives(sandbox):
    access = open_terminal(sandbox)
    with attach(sandbox, access) as viewer:
        prepare(viewer)
        viewer.send("kept=here\r")
        viewer.until("kept=here")
        sandbox.pause()
        assert viewer.closed().code == 4009
    with attach(sandbox, access) as refused:
        assert refused.closed().code == 4009
    sandbox.resume()
    with attach(sandbox, access) as viewer:
        viewer.send("echo $kept-$((1+1))\r")
        viewer.until("here-2")


def test_a_restart_of_the_service_is_told_and_the_terminal_survives(fresh_instance):
    instance = fresh_instance()
    with instance.client().create() as sandbox:
        access = open_terminal(sandbox)
        with attach(sandbox, access) as viewer:
            prepare(viewer)
            viewer.send("kept=here\r")
            viewer.until("kept=here")
            instance.api.stop()
            assert viewer.closed().code == 1012
        instance.start()
        with attach(sandbox, access) as viewer:
            viewer.send("echo $kept-$((1+1))\r")
            viewer.until("here-2")


def test_kill_9_of_the_service_leaves_the_terminal(fresh_instance):
    instance = fresh_instance()
    with instance.client().create() as sandbox:
        access = open_terminal(sandbox)
        with attach(sandbox, access) as viewer:
            prepare(viewer)
            viewer.send("kept=here\r")
            viewer.until("kept=here")
            instance.api.kill9()
            assert viewer.closed().code is None
        instance.start()
        with attach(sandbox, access) as viewer:
            viewer.send("echo $kept-$((1+1))\r")
            viewer.until("here-2")


def test_typing_keeps_the_sandbox_awake_and_looking_does_not(client):
    with client.create(idle_timeout_sec=2) as sandbox:
        with terminal(sandbox) as viewer:
            prepare(viewer)
            # No request but this stream: what is typed once a moment is all the activity there is.
            done = threading.Event()
            for _ in range(12):
                viewer.send("\r")
                done.wait(0.25)
            assert sandbox.state == "running"
            viewer.send("echo awake-$((1+1))\r")
            viewer.until("awake-2")
            assert viewer.closed().code == 4009


# --- who may ---


def refusal(url, **options):
    """The close code: the handshake is accepted, since a browser would not show HTTP's status."""
    with Terminal(url, **options) as viewer:
        end = viewer.closed()
        assert end.reason
        return end.code


def test_without_a_credential_or_with_a_wrong_one(shared_sandbox, other_client):
    access = open_terminal(shared_sandbox)
    url = access["ws_url"]
    assert refusal(url) == 4001
    assert refusal(url, key="msk_live_wrong") == 4001
    assert refusal(f"{url}&token=") == 4001
    assert refusal(f"{url}&token=nonsense") == 4001
    head, body, signature = access["stream_auth"].split(".")
    assert refusal(f"{url}&token={head}.{body}.{'A' * len(signature)}") == 4001
    # "alg": "none"
    assert refusal(f"{url}&token=eyJhbGciOiJub25lIn0.{body}.") == 4001
    assert refusal(f"{url}&token={shared_sandbox.client.key}") == 4001
    with Terminal(url, key=other_client.key) as foreign:
        assert foreign.closed().code == 4004
    with Terminal(url, key=access["stream_auth"]) as viewer:
        viewer.close(1000)


def test_a_token_opens_its_own_terminal_only(shared_sandbox, make_sandbox):
    access = open_terminal(shared_sandbox)
    other = open_terminal(shared_sandbox)
    elsewhere = open_terminal(make_sandbox())
    assert refusal(f"{other['ws_url']}&token={access['stream_auth']}") == 4003
    assert refusal(f"{elsewhere['ws_url']}&token={access['stream_auth']}") == 4003
    moved = access["ws_url"].replace(shared_sandbox.id, elsewhere["sandbox_id"])
    assert refusal(f"{moved}&token={access['stream_auth']}") == 4003
    bearer = {"Authorization": f"Bearer {access['stream_auth']}"}
    for method, path in (("GET", shared_sandbox.path), ("POST", f"{shared_sandbox.path}/exec")):
        reply = shared_sandbox.client.request(method, path, headers=bearer, json={"command": "id"})
        assert reply.status_code == 401


def test_a_fresh_token_for_a_terminal_that_is_there(shared_sandbox):
    access = open_terminal(shared_sandbox)
    where = f"{shared_sandbox.path}/terminal/{access['session_id']}/token"
    fresh = checked(shared_sandbox.client.post(where), 201)
    assert fresh["session_id"] == access["session_id"]
    with attach(shared_sandbox, fresh) as viewer:
        viewer.close(1000)
    gone = f"{shared_sandbox.path}/terminal/trm_00000000000000000000000000/token"
    expect_error(shared_sandbox.client.post(gone), 404, "TERMINAL_NOT_FOUND")


def test_a_key_without_the_scope(shared_sandbox, client):
    reader = checked(client.post("/api-keys", {"name": "reader", "scopes": ["sandboxes:read"]}), 201)["data"]["key"]
    access = open_terminal(shared_sandbox)
    assert refusal(access["ws_url"], key=reader) == 4003
    headers = {"Authorization": f"Bearer {reader}"}
    expect_error(client.post(f"{shared_sandbox.path}/terminal", {}, headers=headers), 403, "insufficient_scope")


def test_a_plain_request_is_told_to_upgrade(shared_sandbox):
    path = f"{shared_sandbox.path}/terminal/stream"
    reply = shared_sandbox.client.get(path, params={"session_id": "trm_00000000000000000000000000"})
    expect_error(reply, 426, "UPGRADE_REQUIRED")
    assert reply.headers["Upgrade"] == "websocket"
    assert reply.headers["Sec-WebSocket-Version"] == "13"


def test_a_terminal_that_never_was(shared_sandbox):
    url = shared_sandbox.client.url.replace("http://", "ws://") + f"/api/v1{shared_sandbox.path}/terminal/stream"
    for query in ("", "?session_id=", "?session_id=nonsense", "?session_id=trm_00000000000000000000000000"):
        with Terminal(url + query, key=shared_sandbox.client.key) as viewer:
            assert viewer.closed().code == 4004


def test_tokens_are_not_logged(instance, shared_sandbox):
    access = open_terminal(shared_sandbox)
    with attach(shared_sandbox, access) as viewer:
        prepare(viewer)
        viewer.close(1000)
    assert access["stream_auth"] not in (instance.state / "log" / "atolld.log").read_text()


# --- many ---


def test_two_hundred_at_once(client, sandbox):
    """Each answers what it is told, and requests on the side go on as if nothing were."""
    failures = []
    stop = threading.Event()

    def knock():
        with client.create() as other:
            while not stop.is_set():
                if other.exec("echo side")["stdout"] != "side\n" or not client.get("/sandboxes").ok:
                    failures.append("a request on the side failed")

    aside = threading.Thread(target=knock, daemon=True)
    aside.start()
    viewers = []
    try:
        for _ in range(200):
            viewers.append(terminal(sandbox, command="exec sh"))
        for number, viewer in enumerate(viewers):
            viewer.send(f"echo i-am-$(({number}+1000))\r")
        for number, viewer in enumerate(viewers):
            viewer.until(f"i-am-{number + 1000}", seconds=60)
            viewer.send("exit 3\r")
        assert {viewer.end() for viewer in viewers} == {(3, 1000)}
    finally:
        stop.set()
        aside.join(60)
        for viewer in viewers:
            viewer.drop()
    assert not failures
