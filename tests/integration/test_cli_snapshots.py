"""The atoll program: snapshots and forks."""

import json

import pytest

EXIT_API_ERROR, EXIT_USAGE, EXIT_NOT_FOUND = 1, 2, 3


def succeed(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(text):
    return [line.split("\t") for line in text.splitlines()]


def test_create_list_restore_remove(atoll, make_sandbox):
    sandbox = make_sandbox(name="cli-snapshots")
    sandbox.write("/workspace/a", "then")
    taken = succeed(atoll("snapshot", "create", "cli-snapshots", "--comment", "before")).strip()
    sandbox.write("/workspace/a", "now")
    [row] = rows(succeed(atoll("snapshot", "ls", "cli-snapshots")))
    assert row[:3] == [taken, sandbox.id, "ready"] and row[-1] == "before"
    assert taken in [row[0] for row in rows(succeed(atoll("snapshot", "ls")))]
    assert succeed(atoll("snapshot", "restore", "cli-snapshots", taken)) == "running\n"
    assert sandbox.read("/workspace/a") == b"then"
    kept = json.loads(succeed(atoll("snapshot", "create", "cli-snapshots", "--ttl", "1h", "--json")))
    assert kept["expires_at"]
    assert succeed(atoll("snapshot", "rm", taken, kept["id"])) == f"{taken}\n{kept['id']}\n"
    assert atoll("snapshot", "rm", taken).returncode == EXIT_NOT_FOUND


def test_fork_and_create_from_a_snapshot(atoll, client, make_sandbox):
    sandbox = make_sandbox(name="cli-source")
    sandbox.write("/workspace/a", "then")
    taken = succeed(atoll("snapshot", "create", "cli-source")).strip()
    sandbox.write("/workspace/a", "now")
    made = [
        succeed(atoll("fork", "cli-source", "--name", "cli-branch", "--timeout", "5m")).strip(),
        succeed(atoll("fork", "cli-source", "--snapshot", taken)).strip(),
        succeed(atoll("create", "--snapshot", taken)).strip(),
    ]
    try:
        contents = [succeed(atoll("exec", "-n", each, "--", "cat", "/workspace/a")) for each in made]
        assert contents == ["now", "then", "then"]
        branch = client.ok(client.get(f"/sandboxes/{made[0]}"))
        assert (branch["name"], branch["timeout_sec"]) == ("cli-branch", 300)
    finally:
        succeed(atoll("rm", *made))


@pytest.mark.parametrize("words", [["snapshot"], ["snapshot", "create"], ["snapshot", "restore", "x"], ["snapshot", "eat", "x"], ["fork"]])
def test_wrong_usage(atoll, words):
    assert atoll(*words).returncode == EXIT_USAGE
