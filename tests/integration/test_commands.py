"""POST /sandboxes/{id}/commands: the newest clients' form of exec."""

import pytest

from harness.expect import checked, expect_error


def run(sandbox, status=200, **body):
    return checked(sandbox.client.post(f"{sandbox.path}/commands", body), status)["data"]


def test_output_and_exit_code(shared_sandbox):
    result = run(shared_sandbox, command="cat; echo err >&2; exit 5", stdin="fed")
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("fed", "err\n", 5)
    assert result["timed_out"] is False
    assert result["duration_ms"] >= 0


def test_a_relative_directory_starts_in_the_workspace(shared_sandbox):
    shared_sandbox.output("mkdir -p /workspace/sub")
    assert run(shared_sandbox, command="pwd", cwd="sub")["stdout"] == "/workspace/sub\n"
    assert run(shared_sandbox, command="pwd", cwd="/usr")["stdout"] == "/usr\n"
    assert run(shared_sandbox, command="pwd")["stdout"] == "/workspace\n"


def test_timeout(shared_sandbox):
    result = run(shared_sandbox, command="sleep 60", timeout_seconds=1)
    assert (result["exit_code"], result["timed_out"]) == (-1, True)


def test_a_timeout_that_is_too_long_is_refused_not_clamped(shared_sandbox):
    reply = shared_sandbox.client.post(
        f"{shared_sandbox.path}/commands", {"command": "true", "timeout_seconds": 601}
    )
    expect_error(reply, 422, "TIMEOUT_TOO_LONG")


@pytest.mark.parametrize(
    "body,field",
    [
        ({"command": "x" * 65537}, "command"),
        ({"command": "true", "stdin": "x" * 32769}, "stdin"),
        ({"command": "true", "timeout_seconds": 0}, "timeout_seconds"),
        ({"command": "true", "tty": True}, "tty"),
    ],
)
def test_a_bad_field_is_refused_by_name(shared_sandbox, body, field):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/commands", body)
    expect_error(reply, 422, "VALIDATION_ERROR", field=field)


def test_a_command_is_needed(shared_sandbox):
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/commands", {})
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["details"]["field"] == "command"
