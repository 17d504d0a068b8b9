"""Event streams as a browser's EventSource reads them: names, data and the last id."""

import json
import time

from harness.client import ApiError
from harness.wait import Timeout


class EventStream:
    """GET of path as a stream. Iterates over (name, data); last_id follows what the server sent. A read that finds
    nothing for as long as timeout fails the test."""

    def __init__(self, client, path, last_id=None, timeout=30, headers=None, **query):
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {}), **(headers or {})}
        self.reply = client.get(path, params=query, headers=headers, stream=True, timeout=timeout)
        if self.reply.status_code != 200:
            raise ApiError(self.reply)
        assert self.reply.headers["Content-Type"] == "text/event-stream"
        self.last_id = last_id
        self.timeout = timeout
        self.events = self._events()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        return self.events

    def close(self):
        self.reply.close()

    def await_greeting(self):
        """Returns when the server has said where the stream begins: nothing that happens from now on is missed."""
        while self.last_id is None:
            self._take_block()
        return self

    def next(self, wanted=None):
        """The data of the next event (of that name)."""
        for name, data in self.events:
            if wanted in (None, name):
                return data
        raise AssertionError(f"the stream ended without an event '{wanted}'")

    def names_until(self, wanted):
        names = []
        for name, _ in self.events:
            names.append(name)
            if name == wanted:
                return names
        raise AssertionError(f"the stream ended without an event '{wanted}': {names}")

    # --- reading ---

    def _events(self):
        deadline = time.monotonic() + self.timeout
        while True:
            block = self._take_block()
            if block is None:
                return
            if block:
                yield block
                deadline = time.monotonic() + self.timeout
            elif time.monotonic() > deadline:
                raise Timeout("the stream had keep-alives only")

    def _take_block(self):
        """(name, data), or () for a block that is no event, or None at the end."""
        name, data = "message", []
        for line in self._lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("id:"):
                self.last_id = line[3:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line:
                return (name, json.loads("\n".join(data))) if data else ()
        return None

    def _lines(self):
        if not hasattr(self, "_chunks"):
            self._chunks = self.reply.iter_content(chunk_size=None)
            self._pending = b""
        while True:
            while b"\n" in self._pending:
                line, self._pending = self._pending.split(b"\n", 1)
                yield line.decode()
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._pending += chunk
