"""A DNS server with records of the test's own, on loopback."""

import socket
import struct
import threading

TYPES = {1: "A", 16: "TXT"}


class NameServer:
    """records: {(name, "TXT" | "A"): [text, …]}; may be changed while it runs. asked: the questions, in order."""

    def __init__(self):
        self.records = {}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(1024)
                self.socket.sendto(self._answer(question), peer)
            except OSError:
                return

    def _answer(self, question):
        name, end = _name(question, 12)
        (kind,) = struct.unpack_from("!H", question, end)
        key = (name, TYPES.get(kind, "?"))
        self.asked.append(key)
        found = self.records.get(key, [])
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | (0 if found else 3), 1, len(found), 0, 0)
        body = question[12 : end + 4]
        for text in found:
            data = _data(key[1], text)
            body += struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
        return head + body


def _name(packet, position):
    labels = []
    while packet[position]:
        length = packet[position]
        labels.append(packet[position + 1 : position + 1 + length].decode())
        position += 1 + length
    return ".".join(labels).lower(), position + 1


def _data(kind, text):
    if kind == "A":
        return socket.inet_aton(text)
    parts = text if isinstance(text, list) else [text]
    return b"".join(bytes([len(part)]) + part.encode() for part in parts)
