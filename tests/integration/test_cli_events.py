"""atoll events: follows a sandbox's life to its end."""

import json
import subprocess

from harness.paths import built


def command(instance, *arguments):
    return {
        "args": [str(built("atoll")), *arguments],
        "env": {"ATOLL_URL": instance.url, "ATOLL_API_KEY": instance.client().key, "PATH": "/usr/bin:/bin", "HOME": "/"},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def test_a_life_is_printed(instance, client):
    sandbox = client.create(persistent=True)
    sandbox.pause()
    sandbox.destroy()
    done = subprocess.run(**command(instance, "events", sandbox.id), timeout=60)
    assert done.returncode == 0, done.stderr
    names = [line.split("  ")[2] for line in done.stdout.splitlines()[:-1]]
    assert names[0] == "sandbox.created"
    assert names[-1] == "sandbox.destroyed"
    assert "state_changed" not in names
    assert done.stdout.splitlines()[-1].split("  ")[1] == "end"


def test_types_and_json(instance, client):
    sandbox = client.create()
    process = subprocess.Popen(**command(instance, "events", "--since-start", "--json", "-t", "sandbox.re*,sandbox.exec.completed", sandbox.id))  # fmt: skip
    try:
        assert json.loads(process.stdout.readline())["type"] == "sandbox.ready"
        sandbox.exec("exit 3")
        assert json.loads(process.stdout.readline())["exit_code"] == 3
        sandbox.destroy()
        assert json.loads(process.stdout.readline())["type"] == "end"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_an_unknown_sandbox(instance):
    done = subprocess.run(**command(instance, "events", "sbx_00000000000000000000000000"), timeout=60)
    assert done.returncode == 3
