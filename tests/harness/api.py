"""What a client of atoll's HTTP API does, in a few words: requests, sandboxes, error checks."""

import base64
import json
import time

import requests

BASE = "/api/v1"


class Api:
    """One API key's view of one instance."""

    def __init__(self, url, key=None):
        self.url = url.rstrip("/")
        self.key = key
        self.session = requests.Session()
        self.session.trust_env = False

    def headers(self):
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def request(self, method, path, timeout=60, headers=None, **arguments):
        """path is below /api/v1, or outside of it when it begins with //."""
        url = self.url + (path[1:] if path.startswith("//") else BASE + path)
        return self.session.request(
            method, url, timeout=timeout, headers={**self.headers(), **(headers or {})}, **arguments
        )

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def head(self, path, **arguments):
        return self.request("HEAD", path, **arguments)

    def post(self, path, json=None, **arguments):
        return self.request("POST", path, json=json, **arguments)

    def put(self, path, **arguments):
        return self.request("PUT", path, **arguments)

    def patch(self, path, json=None, **arguments):
        return self.request("PATCH", path, json=json, **arguments)

    def delete(self, path, **arguments):
        return self.request("DELETE", path, **arguments)

    def create(self, **fields):
        return Sandbox(self, checked(self.post("/sandboxes", json=fields), 201))

    def sandbox(self, sandbox_id):
        return Sandbox(self, checked(self.get(f"/sandboxes/{sandbox_id}")))


class Sandbox:
    """A sandbox and what one does with it. Every call checks that it succeeded."""

    def __init__(self, api, fields):
        self.api = api
        self.fields = fields
        self.id = fields["id"]
        self.path = f"/sandboxes/{self.id}"

    def __repr__(self):
        return f"<sandbox {self.id} {self.fields.get('state')}>"

    def refresh(self):
        self.fields = checked(self.api.get(self.path))
        return self.fields

    def state(self):
        return self.refresh()["state"]

    def exec(self, command, status=200, http_timeout=180, **fields):
        body = {"argv": command} if isinstance(command, list) else {"command": command}
        reply = self.api.post(f"{self.path}/exec", json={**body, **fields}, timeout=http_timeout)
        return checked(reply, status)["data"]

    def output(self, command, **fields):
        """Standard output of a command that must succeed."""
        result = self.exec(command, **fields)
        assert result["exit_code"] == 0, result
        return result["stdout"]

    def stream(self, command, **fields):
        body = {"argv": command} if isinstance(command, list) else {"command": command}
        return Stream(self.api, f"{self.path}/exec/stream", {**body, **fields})

    def write(self, path, content, mode=None, status=200):
        """Raw upload; content: bytes, text or an iterator of bytes."""
        data = content.encode() if isinstance(content, str) else content
        query = {"path": path, **({"mode": mode} if mode else {})}
        reply = self.api.put(
            f"{self.path}/files/raw",
            params=query,
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )
        return checked(reply, status)["data"]

    def read(self, path):
        reply = self.api.get(f"{self.path}/fs/download", params={"path": path})
        assert reply.status_code == 200, describe(reply)
        return reply.content

    def pause(self):
        return checked(self.api.post(f"{self.path}/pause"))

    def resume(self):
        return checked(self.api.post(f"{self.path}/resume"))

    def stop(self):
        return checked(self.api.post(f"{self.path}/stop"))

    def destroy(self):
        return checked(self.api.delete(self.path))


class Stream:
    """A server-sent event stream of a command: iterate over (event name, data)."""

    def __init__(self, api, path, body):
        # A connection of its own: a stream that is dropped must not linger in the session's pool.
        self.reply = requests.post(
            api.url + BASE + path,
            json=body,
            headers={**api.headers(), "Accept": "text/event-stream"},
            stream=True,
            timeout=120,
        )
        assert self.reply.status_code == 200, describe(self.reply)
        assert self.reply.headers["Content-Type"].startswith("text/event-stream")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reply.close()

    def __iter__(self):
        name = None
        for line in self.reply.iter_lines(chunk_size=1, delimiter=b"\n"):
            if line.startswith(b"event: "):
                name = line[7:].decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line[6:])

    def next(self, wanted):
        """The data of the next event of that name."""
        for name, data in self:
            if name == wanted:
                return data
        raise AssertionError(f"the stream ended without an event '{wanted}'")


def event_bytes(data):
    """The exact bytes of a stdout or stderr event."""
    if data.get("encoding") == "base64":
        return base64.b64decode(data["data"])
    return data["data"].encode()


def b64(content):
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def describe(reply):
    return f"{reply.request.method} {reply.url}: {reply.status_code} {reply.text[:600]}"


def checked(reply, status=200):
    """The JSON of a reply that must have that status."""
    assert reply.status_code == status, describe(reply)
    return reply.json()


def expect_error(reply, status, code, field=None):
    """Checks the one error shape and returns the error."""
    assert reply.status_code == status, describe(reply)
    error = reply.json()["error"]
    assert error["code"] == code, describe(reply)
    assert error["message"], describe(reply)
    assert error["request_id"] == reply.headers["x-request-id"]
    assert isinstance(error["retryable"], bool)
    assert error["details"]["hint"]
    if field is not None:
        assert error["details"].get("field") == field, describe(reply)
    return error


def wait_until(probe, timeout, what):
    """Polls until probe() is true; returns its value. The deadline is generous: it only tells a hang."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {timeout} s still not: {what}"
        time.sleep(0.02)
