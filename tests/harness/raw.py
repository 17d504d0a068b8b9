"""HTTP by hand, for requests that no library would send."""

import socket
from dataclasses import dataclass, field


@dataclass
class RawReply:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""


class RawConnection:
    """One TCP connection to an instance. Reading stops at the peer's end, or at the time limit."""

    def __init__(self, port, timeout=10, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def _more(self):
        """False when the peer ended the connection, in whatever way."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.pending += data
        return bool(data)

    def _until(self, separator):
        while separator not in self.pending:
            if not self._more():
                return None
        line, self.pending = self.pending.split(separator, 1)
        return line

    def _exactly(self, count):
        while len(self.pending) < count:
            if not self._more():
                break
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def reply(self):
        """The next reply, or None when the peer closed instead."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        reply = RawReply(int(first.split()[1]))
        for line in lines:
            name, _, value = line.partition(":")
            reply.headers[name.strip().lower()] = value.strip()
        if "chunked" in reply.headers.get("transfer-encoding", ""):
            reply.body = self._chunks()
        else:
            reply.body = self._exactly(int(reply.headers.get("content-length", 0)))
        return reply

    def _chunks(self):
        body = b""
        while True:
            line = self._until(b"\r\n")
            size = int(line.split(b";")[0], 16) if line else 0
            if size == 0:
                self._until(b"\r\n")
                return body
            body += self._exactly(size)
            self._until(b"\r\n")

    def closed(self):
        """Waits for the peer to close; False when it stays open until the time limit."""
        try:
            while self._more():
                pass
        except TimeoutError:
            return False
        return True


def raw_request(port, data, **options):
    """Sends bytes on a new connection; returns the first reply, or None when the peer just closed."""
    with RawConnection(port, **options) as connection:
        try:
            connection.send(data)
        except ConnectionError:
            pass
        return connection.reply()


def drip(connection, data, stop):
    """One byte at a time, until the peer has had enough or the event is set."""
    try:
        for byte in data:
            if stop.wait(0.2):
                return
            connection.send(bytes([byte]))
    except OSError:
        return
