"""A small client of the HTTP API, for tests: nothing is retried, nothing is hidden."""

import base64
import json

import requests


class ApiError(AssertionError):
    def __init__(self, reply):
        self.reply = reply
        self.status = reply.status_code
        try:
            self.code = reply.json()["error"]["code"]
        except (ValueError, KeyError, TypeError):
            self.code = None
        super().__init__(f"{reply.request.method} {reply.url}: {self.status} {reply.text[:500]}")


class Client:
    # What create() and run() ask for besides what the test says: the engine that it runs on. Set by a fixture.
    defaults = {}

    def __init__(self, url, key):
        self.url = url
        self.key = key
        self.session = requests.Session()
        self.session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=64, max_retries=0)
        self.session.mount("http://", adapter)
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def request(self, method, path, **options):
        """The reply, whatever its status. path is below /api/v1 unless it begins with the full prefix."""
        options.setdefault("timeout", 120)
        prefix = "" if path.startswith(("/api/", "/health", "/metrics")) else "/api/v1"
        return self.session.request(method, self.url + prefix + path, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        if body is not None:
            options["json"] = body
        return self.request("POST", path, **options)

    def patch(self, path, body=None, **options):
        if body is not None:
            options["json"] = body
        return self.request("PATCH", path, **options)

    def head(self, path, **options):
        return self.request("HEAD", path, **options)

    def put(self, path, **options):
        return self.request("PUT", path, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def ok(self, reply):
        """The reply's JSON (None without a body); ApiError unless the status is 2xx."""
        if not reply.ok:
            raise ApiError(reply)
        return reply.json() if reply.content else None

    def create(self, **fields):
        """Makes a sandbox and returns it ready to use."""
        return Sandbox(self, self.ok(self.post("/sandboxes", {**self.defaults, **fields})))

    def list(self, **filters):
        return self.ok(self.get("/sandboxes", params=filters))["data"]

    def run(self, command, **fields):
        return self.ok(self.post("/sandboxes/run", {**self.defaults, "command": command, **fields}))


class Sandbox:
    """One sandbox. object is its JSON as last seen. Usable with "with", which destroys it."""

    def __init__(self, client, answer):
        self.client = client
        self.object = answer.get("data", answer)
        self.id = self.object["id"]
        self.path = f"/sandboxes/{self.id}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy(missing_ok=True)

    def refresh(self):
        answer = self.client.ok(self.client.get(self.path))
        self.object = answer.get("data", answer)
        return self.object

    @property
    def state(self):
        return self.refresh()["state"]

    def action(self, name, body=None):
        return self.client.ok(self.client.post(f"{self.path}/{name}", body or {}))

    def pause(self):
        return self.action("pause")

    def resume(self):
        return self.action("resume")

    def stop(self):
        return self.action("stop")

    def destroy(self, missing_ok=False):
        reply = self.client.delete(self.path)
        if missing_ok and reply.status_code == 404:
            return None
        return self.client.ok(reply)

    def exec(self, command, **fields):
        """Runs a shell command, or an argument vector; returns the result: stdout, stderr, exit_code, …"""
        body = _command(command, fields)
        return self.client.ok(self.client.post(f"{self.path}/exec", body))["data"]

    def output(self, command, **fields):
        """stdout of a command that must succeed."""
        result = self.exec(command, **fields)
        assert result["exit_code"] == 0, f"{command!r}: {result}"
        return result["stdout"]

    def stream(self, command, **fields):
        """Events of exec/stream as (name, data) pairs, as they come; usable with "with"."""
        headers = {"Accept": "text/event-stream"}
        body = _command(command, fields)
        reply = self.client.post(f"{self.path}/exec/stream", body, headers=headers, stream=True)
        if not reply.ok:
            raise ApiError(reply)
        return Stream(reply)

    def write(self, path, content, **fields):
        content = content.encode() if isinstance(content, str) else content
        body = {"path": path, "content": base64.b64encode(content).decode(), **fields}
        return self.client.ok(self.client.post(f"{self.path}/files", body))["data"]

    def upload(self, path, data, mode=None):
        """Raw upload of bytes, a file or an iterator of bytes."""
        query = {"path": path, **({"mode": mode} if mode else {})}
        headers = {"Content-Type": "application/octet-stream"}
        url = f"{self.path}/files/raw"
        return self.client.ok(self.client.put(url, params=query, data=data, headers=headers))["data"]

    def read(self, path):
        reply = self.client.get(f"{self.path}/fs/download", params={"path": path})
        if not reply.ok:
            raise ApiError(reply)
        return reply.content


class Stream:
    """The events of one running command. Leaving it early closes the connection."""

    def __init__(self, reply):
        self.reply = reply
        self.events = events(_lines(reply))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        return self.events

    def next(self, wanted):
        """The data of the next event of that name."""
        for name, data in self.events:
            if name == wanted:
                return data
        raise AssertionError(f"the stream ended without an event '{wanted}'")

    def close(self):
        self.reply.close()


def event_bytes(data):
    """The exact bytes of a stdout or stderr event."""
    if data.get("encoding") == "base64":
        return base64.b64decode(data["data"])
    return data["data"].encode()


def _command(command, fields):
    return {("argv" if isinstance(command, list) else "command"): command, **fields}


def _lines(reply):
    """Whole lines as soon as they are there (requests' own iter_lines waits, or reads byte by byte)."""
    pending = b""
    for chunk in reply.iter_content(chunk_size=None):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole


def events(lines):
    """Parses server-sent events into (name, data) pairs, data being JSON where it can be."""
    name, data = "message", []
    for line in lines:
        text = line.decode()
        if text.startswith("event:"):
            name = text[6:].strip()
        elif text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))
        elif not text and data:
            yield name, _json("\n".join(data))
            name, data = "message", []


def _json(text):
    try:
        return json.loads(text)
    except ValueError:
        return text
