"""Terminals and tunnels over WebSockets, with the screen that a person would see."""

import json
import struct
import time

import pyte
import websocket
from websocket import _abnf

# Debian 12's library refuses the newer codes of the IANA's registry: 1012, 1013 and 1014.
_abnf.VALID_CLOSE_STATUS += (1012, 1013, 1014)

TERMINAL = "miosa-terminal-v1"
TUNNEL = "miosa-tunnel-v1"


class Closed(ConnectionError):
    """The peer ended the connection; code is None when it did so without a close frame."""

    def __init__(self, code, reason=""):
        self.code = code
        self.reason = reason
        super().__init__(f"closed with {code}: {reason}")


class Socket:
    """A WebSocket whose messages are (opcode, bytes)."""

    def __init__(self, url, subprotocol=None, key=None, timeout=20, **options):
        self.web = websocket.create_connection(
            url,
            timeout=timeout,
            header=[f"Authorization: Bearer {key}"] if key else [],
            subprotocols=[subprotocol] if subprotocol else None,
            http_no_proxy=["*"],
            **options,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def message(self):
        try:
            opcode, data = self.web.recv_data(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            raise Closed(None) from None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            raise Closed(code, data[2:].decode())
        if opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
            return self.message()
        return opcode, data

    def send(self, data):
        self.web.send_binary(data if isinstance(data, bytes) else data.encode())

    def send_json(self, **members):
        self.web.send(json.dumps(members))

    def closed(self):
        """Reads on until the peer closes; returns the Closed."""
        while True:
            try:
                self.message()
            except Closed as end:
                return end

    def close(self, code=1000):
        """Closes in order and waits for the answer."""
        self.web.send_close(code)
        return self.closed()

    def drop(self):
        """Ends the connection without a word."""
        self.web.shutdown()


class Screen(pyte.Screen):
    """pyte's, which does not know that xterm's settings (CSI > … m) are no colours."""

    def select_graphic_rendition(self, *attributes, private=False):
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal(Socket):
    """A viewer of a terminal."""

    def __init__(self, url, rows=24, cols=80, **options):
        self.screen = Screen(cols, rows)
        self.screen.write_process_input = self.answer
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.exit_code = None
        options.setdefault("subprotocol", TERMINAL)
        super().__init__(url, **options)

    def answer(self, text):
        """What a terminal says by itself when a program asks it."""
        self.send(text)

    def step(self):
        opcode, data = self.message()
        if opcode == websocket.ABNF.OPCODE_BINARY:
            self.raw += data
            self.stream.feed(data)
        else:
            frame = json.loads(data)
            assert frame["type"] == "exit", frame
            self.exit_code = frame["exit_code"]

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, wanted, seconds=20):
        """Reads until the text, or what the function says of the screen, is there."""
        found = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + seconds
        while not found(self.text()):
            assert time.monotonic() < deadline, f"{wanted!r} is not on the screen:\n{self.text()}"
            self.step()
        return self.text()

    def until_raw(self, wanted, seconds=20):
        deadline = time.monotonic() + seconds
        while wanted not in self.raw:
            assert time.monotonic() < deadline, f"{wanted!r} was not printed: {self.raw[-500:]!r}"
            self.step()

    def resize(self, rows, cols):
        self.screen.resize(rows, cols)
        self.send_json(type="resize", rows=rows, cols=cols)

    def end(self):
        """Reads to the end; returns exit code and close code."""
        while True:
            try:
                self.step()
            except Closed as closed:
                return self.exit_code, closed.code


def open_terminal(sandbox, **fields):
    """Makes a terminal; returns the reply."""
    return sandbox.client.ok(sandbox.client.post(f"{sandbox.path}/terminal", fields))


def attach(sandbox, access, **options):
    """A viewer, by stream token."""
    return Terminal(f"{access['ws_url']}&token={access['stream_auth']}", **options)


def terminal(sandbox, rows=24, cols=80, **fields):
    """Makes a terminal and looks at it."""
    return attach(sandbox, open_terminal(sandbox, rows=rows, cols=cols, **fields), rows=rows, cols=cols)


def tunnel(sandbox, port, **options):
    url = sandbox.client.url.replace("http://", "ws://")
    return Socket(f"{url}/api/v1{sandbox.path}/tunnel/{port}", TUNNEL, key=sandbox.client.key, **options)
