"""A server for inside a sandbox that does what its path says, byte by byte. usage: upstream.py ADDRESS PORT"""

import base64
import hashlib
import json
import socket
import struct
import sys
import threading
import time
import urllib.parse

COUNTS = {"connections": 0, "requests": 0, "open": 0}


class Gone(Exception):
    pass


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def more(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise Gone
        self.pending += data

    def until(self, separator):
        while separator not in self.pending:
            self.more()
        text, self.pending = self.pending.split(separator, 1)
        return text

    def exactly(self, count):
        while len(self.pending) < count:
            self.more()
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def request(self):
        raw = self.until(b"\r\n\r\n").decode("latin-1")
        first, *lines = raw.split("\r\n")
        fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
        headers = {name.lower(): value for name, value in fields}
        method, target, version = first.split(" ")
        return {"method": method, "target": target, "version": version, "fields": fields, "headers": headers}

    def body(self, headers):
        """(length, sha256)"""
        digest, length = hashlib.sha256(), 0

        def take(count):
            nonlocal length
            while count > 0:
                if not self.pending:
                    self.more()
                piece = self.pending[:count]
                self.pending = self.pending[count:]
                digest.update(piece)
                length += len(piece)
                count -= len(piece)

        if headers.get("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n"), 16):
                take(size)
                self.until(b"\r\n")
            self.until(b"\r\n")
        else:
            take(int(headers.get("content-length", 0)))
        return length, digest.hexdigest()

    def answer(self, body, status="200 OK", *headers):
        body = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        self.send(body)


def echo(connection, request, _):
    length, digest = connection.body(request["headers"])
    text = json.dumps({**request, "length": length, "sha256": digest, "counts": COUNTS})
    head = [("X-Twice", "a"), ("X-Twice", "b"), ("Connection", "X-Private"), ("X-Private", "secret")]
    connection.answer("" if request["method"] == "HEAD" else text, "200 OK", "Content-Type: application/json",
                      *(f"{name}: {value}" for name, value in head))


def chunked(connection, request, query):
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
    for number in range(int(query.get("count", 3))):
        piece = f"piece {number}\n" * int(query.get("repeat", 1))
        connection.send(f"{len(piece):X};name=value\r\n{piece}\r\n")
    connection.send("0\r\nX-End: yes\r\n\r\n")


def data(connection, request, query):
    """Bytes that can be checked: the same as `random.Random(1)` would give, in blocks."""
    size = int(query["size"])
    block = hashlib.sha256(b"block").digest() * 2048
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
    while size > 0:
        connection.send(block[:size])
        size -= len(block)


def events(connection, request, query):
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(int(query.get("count", 1000000))):
        event = f"data: {number}\n\n"
        connection.send(f"{len(event):x}\r\n{event}\r\n")
        if is_over(connection):
            raise Gone
        time.sleep(float(query.get("pause", 0.05)))
    raise Gone


def is_over(connection):
    try:
        return connection.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def until_close(connection, request, query):
    connection.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + "until the end\n" * 1000)
    raise Gone


def cut(connection, request, query):
    heads = {
        "length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        "chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
        "head": "HTTP/1.1 200 OK\r\nContent-Le",
        "nothing": "",
        "folded": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "bare": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "both": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "noise": "nonsense\r\n\r\n",
        "switch": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        "huge": "HTTP/1.1 200 OK\r\n" + "X: " + "y" * 100000 + "\r\n\r\n",
        "more": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    }
    connection.send(heads[query["what"]])
    if query.get("stay"):
        time.sleep(float(query["stay"]))
    raise Gone


def early(connection, request, query):
    """Answers without reading the body, and closes or stays."""
    connection.answer("too much", "413 Content Too Large", *([] if query.get("stay") else ["Connection: close"]))
    if not query.get("stay"):
        raise Gone
    connection.body(request["headers"])


def interim(connection, request, query):
    connection.send("HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n")
    connection.answer("done")


def status(connection, request, query):
    code = int(query["code"])
    extra = "Content-Length: 10\r\n" if code == 304 else ""
    connection.send(f"HTTP/1.1 {code} Whatever\r\n{extra}\r\n")


def upgrade(connection, request, query):
    """Raw bytes back, until the other side ends; then a goodbye."""
    connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    try:
        while True:
            if not connection.pending:
                connection.more()
            piece, connection.pending = connection.pending, b""
            connection.send(piece)
    except Gone:
        connection.send("goodbye")
        raise


def websocket(connection, request, query):
    key = request["headers"]["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    f"Sec-WebSocket-Accept: {accept}\r\n\r\n")
    while True:
        first, second = connection.exactly(2)
        length = second & 127
        if length == 126:
            (length,) = struct.unpack(">H", connection.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", connection.exactly(8))
        mask = connection.exactly(4)
        piece = bytes(byte ^ mask[i % 4] for i, byte in enumerate(connection.exactly(length)))
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length)
        connection.send(bytes([first]) + size + piece)
        if first & 15 == 8:
            raise Gone


def slow(connection, request, query):
    time.sleep(float(query["seconds"]))
    connection.answer("at last")


def close_after(connection, request, query):
    """Says keep-alive, and closes nevertheless."""
    connection.answer("closing")
    raise Gone


def hang(connection, request, query):
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.send("x")
        time.sleep(0.05)


def swallow(connection, request, query):
    """Takes no body, for ever."""
    time.sleep(3600)


def cookies(connection, request, query):
    connection.answer("ok", "200 OK", "Set-Cookie: atoll_preview=planted; Path=/", "Set-Cookie: mine=1")


PATHS = {
    "/echo": echo, "/chunked": chunked, "/data": data, "/events": events, "/until-close": until_close,
    "/cut": cut, "/early": early, "/interim": interim, "/status": status, "/upgrade": upgrade,
    "/websocket": websocket, "/slow": slow, "/close": close_after, "/hang": hang, "/swallow": swallow,
    "/cookies": cookies,
}


def serve(sock):
    connection = Connection(sock)
    COUNTS["connections"] += 1
    COUNTS["open"] += 1
    try:
        while True:
            request = connection.request()
            COUNTS["requests"] += 1
            path, _, query = request["target"].partition("?")
            PATHS.get(path, echo)(connection, request, dict(urllib.parse.parse_qsl(query)))
    except (Gone, OSError):
        pass
    finally:
        COUNTS["open"] -= 1
        sock.close()


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(1024)
        print("ready", flush=True)
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
