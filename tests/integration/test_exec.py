"""POST /sandboxes/{id}/exec: commands, their input, output and end."""

import base64
import hashlib
import threading

import pytest

from harness.expect import b64, checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")


def exec_reply(sandbox, **body):
    return sandbox.client.post(f"{sandbox.path}/exec", body)


def test_output_and_exit_code_come_back(shared_sandbox):
    result = shared_sandbox.exec("echo out; echo err >&2; exit 3")
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("out\n", "err\n", 3)
    assert result["sandbox_id"] == shared_sandbox.id
    assert result["timed_out"] is False
    assert result["duration_ms"] >= 0


def test_a_program_of_the_template_runs(shared_sandbox):
    assert shared_sandbox.output('python3 -c "print(1+1)"') == "2\n"
    assert shared_sandbox.output("node -e 'console.log(6*7)'") == "42\n"


@pytest.mark.parametrize(
    "body",
    [
        {"argv": ["printf", "%s|", "a b", "$HOME", ""]},
        {"command": ["printf", "%s|", "a b", "$HOME", ""]},
        {"cmd": "printf", "args": ["%s|", "a b", "$HOME", ""]},
    ],
)
def test_an_argument_vector_meets_no_shell(shared_sandbox, body):
    assert checked(exec_reply(shared_sandbox, **body))["data"]["stdout"] == "a b|$HOME||"


def test_a_command_string_meets_bash(shared_sandbox):
    assert shared_sandbox.output("a=(1 2 3); echo ${#a[@]} ${BASH_VERSION:+bash}") == "3 bash\n"


def test_the_default_directory_is_the_workspace(shared_sandbox):
    assert shared_sandbox.output("pwd") == "/workspace\n"


@pytest.mark.parametrize("name", ["cwd", "working_dir"])
def test_a_directory_can_be_chosen(shared_sandbox, name):
    assert shared_sandbox.output("pwd", **{name: "/usr/share"}) == "/usr/share\n"


def test_the_environment_is_clean_and_complete(shared_sandbox):
    lines = shared_sandbox.output("env").splitlines()
    names = {line.split("=")[0] for line in lines}
    assert {"PATH", "HOME", "USER", "LANG"} <= names
    assert not [name for name in names if name.startswith("ATOLL")]
    path = next(line for line in lines if line.startswith("PATH="))
    assert path.startswith("PATH=/opt/venv/bin:")
    assert "/usr/bin" in path


def test_variables_of_the_request_win(make_sandbox):
    sandbox = make_sandbox(env={"A": "sandbox", "B": "sandbox"})
    assert sandbox.output("echo $A $B $C", env={"B": "request", "C": "new"}) == "sandbox request new\n"
    assert sandbox.output("echo $A $B $C") == "sandbox sandbox\n"


def test_a_user_can_be_chosen(shared_sandbox):
    told = "id -un; id -u; echo $HOME; echo $USER"
    assert shared_sandbox.output(told) == "root\n0\n/root\nroot\n"
    assert shared_sandbox.output(told, user="sandbox") == "sandbox\n1000\n/home/sandbox\nsandbox\n"
    assert shared_sandbox.output("id -u", user="1000") == "1000\n"
    assert shared_sandbox.exec("touch /etc/x", user="sandbox")["exit_code"] == 1


def test_users_made_inside_are_known(make_sandbox):
    sandbox = make_sandbox()
    sandbox.output("useradd -m maria")
    assert sandbox.output("id -un", user="maria") == "maria\n"


@pytest.mark.parametrize("text", ["", "one line\n", "ünïcode", "x" * 300_000])
def test_text_on_standard_input(shared_sandbox, text):
    assert shared_sandbox.output("cat", stdin=text) == text


def test_bytes_on_standard_input(shared_sandbox):
    data = bytes(range(256)) * 100
    told = shared_sandbox.output("sha256sum | cut -c1-64", stdin_base64=b64(data))
    assert told.strip() == hashlib.sha256(data).hexdigest()


def test_standard_input_is_empty_by_default(shared_sandbox):
    assert shared_sandbox.output("cat; echo end") == "end\n"


def test_input_that_nobody_reads_is_no_problem(shared_sandbox):
    assert shared_sandbox.exec("exec true", stdin="x" * 500_000)["exit_code"] == 0


def test_output_that_is_not_text(shared_sandbox):
    result = shared_sandbox.exec(r"printf 'a\xff\xfeb'")
    assert result["stdout"] == "a\ufffd\ufffdb"
    assert base64.b64decode(result["stdout_base64"]) == b"a\xff\xfeb"


def test_nul_bytes_in_output(shared_sandbox):
    result = shared_sandbox.exec(r"printf 'a\0b'")
    assert result["stdout"] == "a\0b"


def test_the_two_streams_stay_apart(shared_sandbox):
    result = shared_sandbox.exec("for i in $(seq 500); do echo o$i; echo e$i >&2; done")
    assert result["stdout"].splitlines() == [f"o{i}" for i in range(1, 501)]
    assert result["stderr"].splitlines() == [f"e{i}" for i in range(1, 501)]


def test_capture_stops_at_ten_megabytes_and_the_command_goes_on(shared_sandbox):
    result = shared_sandbox.exec("head -c 15000000 /dev/zero | tr '\\0' x; echo done > /tmp/finished")
    assert len(result["stdout"]) == 10 * 1024 * 1024
    assert result["stdout_truncated"] is True
    assert not result.get("stderr_truncated")
    assert result["exit_code"] == 0
    assert shared_sandbox.read("/tmp/finished") == b"done\n"


def test_a_signal_ends_a_command(shared_sandbox):
    result = shared_sandbox.exec("kill -TERM $$")
    assert result["exit_code"] == 143
    assert result["signal"] in ("SIGTERM", 15)


def test_timeout_kills_the_whole_tree(shared_sandbox):
    # A child that left the session and the parent, and holds the pipes.
    result = shared_sandbox.exec(
        "(setsid sh -c 'sleep 987 & sleep 987' &) ; echo begun; sleep 987", timeout=1
    )
    assert result["timed_out"] is True
    assert result["exit_code"] == -1
    assert result["stdout"] == "begun\n"
    gone = "pgrep -f '[s]leep 987' >/dev/null || echo gone"
    wait_until(lambda: shared_sandbox.output(gone) == "gone\n", 20, "the whole tree is dead")


@pytest.mark.parametrize("name,value", [("timeout_ms", 500), ("timeoutMs", 500), ("timeout_seconds", 1)])
def test_other_names_of_the_timeout(shared_sandbox, name, value):
    assert shared_sandbox.exec("sleep 60", **{name: value})["timed_out"] is True


def test_a_background_child_does_not_hold_the_answer(shared_sandbox):
    result = shared_sandbox.exec("sleep 543 & echo $!", timeout=60)
    assert result["timed_out"] is False
    pid = result["stdout"].strip()
    assert shared_sandbox.output(f"cat /proc/{pid}/comm") == "sleep\n"
    shared_sandbox.output(f"kill {pid}")


def test_the_command_dies_when_the_client_leaves(shared_sandbox):
    stream = shared_sandbox.stream("echo here; exec sleep 654")
    stream.next("stdout")
    stream.close()
    gone = "pgrep -f '[s]leep 654' >/dev/null || echo gone"
    wait_until(lambda: shared_sandbox.output(gone) == "gone\n", 20, "the abandoned command is dead")


def test_orphans_are_reaped(shared_sandbox):
    shared_sandbox.output("for i in $(seq 50); do (setsid sh -c 'true &' &); done")
    zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"
    wait_until(lambda: shared_sandbox.output(zombies) == "0\n", 20, "no zombie is left")


def test_commands_run_side_by_side(shared_sandbox):
    shared_sandbox.output("rm -f /tmp/fifo; mkfifo /tmp/fifo")
    results = {}

    def reader():
        results["read"] = shared_sandbox.exec("cat /tmp/fifo", timeout=60)

    thread = threading.Thread(target=reader)
    thread.start()
    shared_sandbox.output("echo through > /tmp/fifo", timeout=60)
    thread.join(60)
    assert results["read"]["stdout"] == "through\n"


def test_many_commands_at_once(shared_sandbox):
    outputs = [None] * 40

    def run(number):
        outputs[number] = shared_sandbox.output(f"echo {number}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [f"{number}\n" for number in range(40)]


def test_an_unknown_program_is_told(shared_sandbox):
    reply = exec_reply(shared_sandbox, argv=["no-such-program"])
    expect_error(reply, 422, "COMMAND_NOT_FOUND")
    assert shared_sandbox.exec("no-such-program")["exit_code"] == 127


def test_what_keeps_a_command_from_starting_is_told(shared_sandbox):
    for body, word in (
        ({"command": "true", "cwd": "/no/such/place"}, "cwd"),
        ({"command": "true", "user": "nobody-here"}, "user"),
        ({"argv": ["/etc/passwd"]}, "command"),
    ):
        error = expect_error(exec_reply(shared_sandbox, **body), 422, "COMMAND_NOT_STARTED")
        assert word in (error["message"] + str(error["details"])), error


@pytest.mark.parametrize(
    "body,field",
    [
        ({}, "command"),
        ({"command": ""}, "command"),
        ({"command": 7}, "command"),
        ({"argv": []}, "argv"),
        ({"argv": ["a", 1]}, "argv"),
        ({"command": "true", "timeout": 0}, "timeout"),
        ({"command": "true", "timeout": 86401}, "timeout"),
        ({"command": "true", "timeout": "1"}, "timeout"),
        ({"command": "true", "cwd": "relative"}, "cwd"),
        ({"command": "true", "cwd": "/x" * 3000}, "cwd"),
        ({"command": "true", "env": {"A": 1}}, "env"),
        ({"command": "true", "env": {"A=": "x"}}, "env"),
        ({"command": "true", "user": ""}, "user"),
        ({"command": "true", "stdin": 1}, "stdin"),
        ({"command": "true", "stdin_base64": "*"}, "stdin_base64"),
        ({"command": "true", "detached": "yes"}, "detached"),
    ],
)
def test_a_bad_field_is_refused_by_name(shared_sandbox, body, field):
    reply = exec_reply(shared_sandbox, **body)
    assert reply.status_code in (400, 422), reply.text
    error = reply.json()["error"]
    assert error["code"] in ("VALIDATION_ERROR", "MISSING_PARAM", "TIMEOUT_TOO_LONG")
    assert error["details"]["field"].split(".")[0].split("[")[0] == field


def test_nul_in_a_command_is_refused(shared_sandbox):
    reply = exec_reply(shared_sandbox, command="echo a\0b")
    assert reply.status_code in (400, 422)


def test_wait_true_is_accepted(shared_sandbox):
    assert shared_sandbox.output("echo ok", wait=True, wait_timeout_ms=30000) == "ok\n"


def test_exec_in_an_unknown_sandbox(client):
    reply = client.post("/sandboxes/sbx_00000000000000000000000000/exec", {"command": "true"})
    expect_error(reply, 404, "NOT_FOUND")


def test_run_makes_a_sandbox_and_runs_in_one_request(client):
    answer = checked(
        client.post("/sandboxes/run", {"command": "echo $A; pwd", "env": {"A": "b"}, "cwd": "/tmp"}), 201
    )
    try:
        assert answer["exec"]["stdout"] == "b\n/tmp\n"
        assert answer["exec"]["exit_code"] == 0
        assert answer["data"]["state"] == "running"
        assert answer["timings"]["server_wait_and_exec_ms"] >= 0
    finally:
        client.delete(f"/sandboxes/{answer['data']['id']}")


def test_run_without_a_command_makes_nothing(tenant):
    client = tenant("run-nothing")
    reply = client.post("/sandboxes/run", {})
    assert reply.status_code in (400, 422)
    assert client.list() == []
