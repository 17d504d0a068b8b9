"""Listeners and network namespaces for tests of what a sandbox can reach."""

import contextlib
import itertools
import os
import socket
import subprocess
import threading

from harness.wait import wait_until

# Shell command inside a sandbox: looks up the host of its own first package source.
RESOLVE = "getent ahostsv4 $(apt-get update --print-uris | head -1 | cut -d / -f 3) | grep ."

_numbers = itertools.count()
_CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
# All at once, so that many silent addresses cost one time limit.
_CONNECT_ALL = """
import sys, threading, socket
def connect(address, port):
    try:
        socket.create_connection((address, int(port)), 3)
        print(address, port)
    except OSError:
        pass
threads = [threading.Thread(target=connect, args=pair.split()) for pair in sys.argv[1:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
_SERVE = (
    "import socket,sys; s=socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True)\n"
    "while True: s.accept()[0].close()"
)


def reach(sandbox, address, port):
    """Can the sandbox open a TCP connection? Bounded: silence counts as no."""
    return sandbox.exec(["python3", "-c", _CONNECT, address, str(port)], timeout=30)["exit_code"] == 0


def reached(sandbox, pairs):
    """Those (address, port) to which the sandbox can open a TCP connection."""
    words = [f"{address} {port}" for address, port in pairs]
    told = sandbox.output(["python3", "-c", _CONNECT_ALL, *words], timeout=60)
    return [tuple(line.split()) for line in told.splitlines()]


@contextlib.contextmanager
def listener(address):
    """A TCP listener on this machine that accepts; gives its port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        server.settimeout(60)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Segment:
    """A network namespace that owns an address, is routed from this machine and listens on a TCP port."""

    def __init__(self, address):
        self.address = address
        self.number = next(_numbers)
        self.name = f"attest-{os.getpid()}-{self.number}"
        self.link = f"atx{os.getpid() % 100000}{chr(97 + self.number % 26)}"
        self.server = None
        self.port = None

    def __enter__(self):
        peer = f"{self.link}p"
        # The two ends' own addresses are from a documentation range; the tested one is an extra on top.
        here, there = f"203.0.113.{2 * self.number + 100}", f"203.0.113.{2 * self.number + 101}"
        try:
            _ip("netns", "add", self.name)
            _ip("link", "add", self.link, "type", "veth", "peer", "name", peer, "netns", self.name)
            _ip("addr", "add", f"{here}/31", "dev", self.link)
            _ip("link", "set", self.link, "up")
            for command in (
                ("addr", "add", f"{there}/31", "dev", peer),
                ("addr", "add", f"{self.address}/32", "dev", "lo"),
                ("link", "set", "lo", "up"),
                ("link", "set", peer, "up"),
                ("route", "add", "default", "via", here),
            ):
                _ip("-n", self.name, *command)
            _ip("route", "add", f"{self.address}/32", "via", there)
            self._serve()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _serve(self):
        command = ["ip", "netns", "exec", self.name, "/usr/bin/python3", "-c", _SERVE, self.address]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())

    def __exit__(self, *_):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        for command in (["link", "del", self.link], ["netns", "del", self.name]):
            subprocess.run(["ip", *command], check=False, capture_output=True)

    def reachable_from_host(self):
        def connects():
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 2):
                return True

        return wait_until(connects, 10, f"{self.address} is reachable from the host")

    def connects_to(self, address, port):
        """Can something in this namespace open a connection?"""
        command = ["ip", "netns", "exec", self.name, "/usr/bin/python3", "-c", _CONNECT, address, str(port)]
        return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
