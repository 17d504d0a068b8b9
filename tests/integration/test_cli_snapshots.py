"""The atoll program: snapshots and forks."""

import json
import tarfile

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


def test_looking_into_a_snapshot(atoll, make_sandbox, tmp_path):
    sandbox = make_sandbox(name="cli-look")
    sandbox.output("mkdir /workspace/app && echo -n then > /workspace/app/a && chmod 600 /workspace/app/a")
    taken = succeed(atoll("snapshot", "create", "cli-look")).strip()
    sandbox.output("rm -r /workspace/app")
    assert rows(succeed(atoll("snapshot", "tree", taken, "/workspace/app"))) == [["0600", "file", "4", "/workspace/app/a"]]
    listed = json.loads(succeed(atoll("snapshot", "tree", taken, "--json")))
    assert listed["path"] == "/" and {"name", "type"} <= set(listed["entries"][0])
    assert succeed(atoll("snapshot", "get", taken, "/workspace/app/a")) == "then"
    archive = tmp_path / "app.tar"
    assert succeed(atoll("snapshot", "get", taken, "app", str(archive))) == ""
    with tarfile.open(archive) as read:
        assert read.getnames() == ["app", "app/a"]
    assert atoll("snapshot", "get", taken, "app", str(archive)).returncode == EXIT_API_ERROR, "it is there already"
    missing = tmp_path / "missing"
    assert atoll("snapshot", "get", taken, "/none", str(missing)).returncode == EXIT_NOT_FOUND
    assert not missing.exists()


def test_naming(atoll, client, make_sandbox):
    sandbox = make_sandbox(name="cli-name")
    sandbox.write("/workspace/a", "then")
    taken = succeed(atoll("snapshot", "create", "cli-name")).strip()
    assert succeed(atoll("snapshot", "name", "cli-base", taken)).strip() == taken
    own = succeed(atoll("snapshot", "name", "cli-own", "cli-name")).strip()
    named = {row[0]: row[1:3] for row in rows(succeed(atoll("snapshot", "names")))}
    assert named["cli-base"] == [taken, sandbox.id] and named["cli-own"] == [own, sandbox.id]
    assert json.loads(succeed(atoll("snapshot", "names", "--json")))["allowance"]["used"] >= 2
    made = succeed(atoll("create", "--snapshot", "cli-base")).strip()
    assert succeed(atoll("exec", made, "cat", "/workspace/a")) == "then"
    client.delete(f"/sandboxes/{made}")
    assert atoll("snapshot", "rm", taken).returncode == EXIT_API_ERROR
    assert succeed(atoll("snapshot", "unname", "cli-base", "CLI-OWN")) == "released\ndeleted\n"
    assert atoll("snapshot", "unname", "cli-base").returncode == EXIT_NOT_FOUND
    succeed(atoll("snapshot", "rm", taken))
