"""Logs name requests and sandboxes; they hold no key, no variable's value, no content, no output."""

import uuid

from harness.expect import b64, checked


def secret():
    return f"secret{uuid.uuid4().hex}"


def test_no_secret_reaches_the_logs(fresh_instance):
    instance = fresh_instance(log="debug:json")
    client = instance.client()
    marks = {
        name: secret()
        for name in (
            "env",
            "request env",
            "content",
            "stdin",
            "output",
            "query",
            "metadata",
            "command",
            "wrong key",
        )
    }
    with client.create(env={"TOKEN": marks["env"]}, metadata={"note": marks["metadata"]}) as box:
        box.output(
            f"echo {marks['command']} >/dev/null; cat",
            stdin=marks["stdin"],
            env={"TOKEN": marks["request env"]},
        )
        box.write("/workspace/f", marks["content"])
        box.upload("/workspace/out", marks["output"].encode())
        box.output("cat /workspace/out")
        client.get("/sandboxes", params={"search": marks["query"], "key": client.key})
        client.get("/sandboxes", headers={"Authorization": f"Bearer msk_live_{marks['wrong key']}"})
        client.post(f"{box.path}/exec", {"command": 1, "env": {"TOKEN": marks["env"]}})
        client.post(f"{box.path}/files", {"path": "/x", "content": b64(marks["content"]) + "!"})
        made = checked(client.post("/api-keys", {"name": "another"}), 201)["data"]["key"]
        assert box.id in instance.api.log.read_text(), "the log was looked at"
    instance.api.stop()
    instance.host.stop()
    written = b"".join(file.read_bytes() for file in (instance.state / "log").iterdir() if file.is_file())
    for name, mark in {**marks, "key": client.key, "made key": made}.items():
        assert mark.encode() not in written, name
        assert b64(mark).encode() not in written, name


def test_the_key_is_not_in_any_command_line(instance, client):
    for daemon in (instance.host, instance.api):
        with open(f"/proc/{daemon.pid}/cmdline", "rb") as file:
            assert client.key.encode() not in file.read()
