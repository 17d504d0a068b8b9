"""atoll shell and atoll tunnel, as a person at a terminal uses them."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from harness.terminal import Screen, open_terminal
from harness.wait import wait_until

import pyte


class Person:
    """Somebody at a terminal of their own, in which the program runs."""

    def __init__(self, command, environment, rows=24, cols=80):
        self.screen = Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        self.slave = slave
        self.set_size(rows, cols)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            command, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def set_size(self, rows, cols):
        self.screen.resize(rows, cols)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def resize(self, rows, cols):
        self.set_size(rows, cols)
        self.process.send_signal(signal.SIGWINCH)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def step(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.stream.feed(os.read(self.master, 65536))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, wanted, seconds=20):
        deadline = time.monotonic() + seconds
        while wanted not in self.text():
            assert time.monotonic() < deadline, f"{wanted!r} is not on the screen:\n{self.text()}"
            self.step(1)

    def ended(self, seconds=20):
        """The exit code; the terminal must be as it was."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on:\n{self.text()}"
            self.step(0.05)
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode


def environment_of(client):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
    return plain | {"ATOLL_URL": client.url, "ATOLL_API_KEY": client.key, "TERM": "xterm-256color"}


@pytest.fixture
def sit(instance, client):
    """sit("shell", …): a person in front of it."""
    people = []

    def begin(*words, **options):
        command = [str(instance.programs / "atoll"), *words]
        people.append(Person(command, environment_of(client), **options))
        return people[-1]

    yield begin
    for person in people:
        person.__exit__()


@pytest.fixture
def atoll(instance, client):
    def run(*words, data=b""):
        command = [str(instance.programs / "atoll"), *words]
        return subprocess.run(
            command, input=data, capture_output=True, timeout=60, env=environment_of(client), check=False
        )

    return run


def terminals(sandbox):
    return sandbox.client.ok(sandbox.client.get(f"{sandbox.path}/terminals"))["data"]


def test_a_shell_to_its_exit_code(sit, shared_sandbox):
    person = sit("shell", shared_sandbox.id)
    person.type("echo $((6*7))-done; stty size\r")
    person.until("42-done")
    person.until("24 80")
    person.type("exit 9\r")
    assert person.ended() == 9


def test_keys_are_not_signals_here(sit, shared_sandbox):
    person = sit("shell", shared_sandbox.id, "bash", "--norc")
    person.type("sh -c 'echo on-$((1+1)); exec sleep 1000'\r")
    person.until("on-2")
    person.type("\x03")
    person.until("^C")
    person.type("echo code-$?\r")
    person.until("code-130")
    person.type("\x04")
    assert person.ended() == 130 or person.process.returncode == 0


def test_the_window_size_follows(sit, shared_sandbox):
    person = sit("shell", shared_sandbox.id, rows=30, cols=100)
    person.type("stty size\r")
    person.until("30 100")
    person.resize(41, 121)
    person.type("stty size\r")
    person.until("41 121")
    person.type("exit\r")
    assert person.ended() == 0


def test_the_escape_ends_it_and_two_tildes_are_one(sit, sandbox):
    person = sit("shell", sandbox.id, "echo on-$((1+1)); cat")
    person.until("on-2")
    person.type("~~tilde ~. inside\r")
    person.until("\n~tilde ~. inside")
    person.type("~.")
    assert person.ended() == 0
    wait_until(lambda: not terminals(sandbox))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(sit, sandbox, number):
    person = sit("shell", sandbox.id, "echo on-$((1+1)); cat")
    person.until("on-2")
    person.process.send_signal(number)
    assert person.ended() == 128 + number
    wait_until(lambda: not terminals(sandbox))


def test_options_and_a_session_that_is_there(sit, shared_sandbox):
    person = sit("shell", "-w", "/tmp", "-e", "COLOUR=teal", "-u", "nobody", shared_sandbox.id, "sh")
    person.type("pwd; id -un; echo $COLOUR-$((1+1))\r")
    person.until("teal-2")
    assert "/tmp" in person.text()
    assert "nobody" in person.text()
    person.type("exit\r")
    assert person.ended() == 0
    access = open_terminal(shared_sandbox, command="echo found; exec cat")
    person = sit("shell", "--session", access["session_id"], shared_sandbox.id)
    person.until("found")
    person.type("~.")
    assert person.ended() == 0


def test_in_a_pipe(atoll, shared_sandbox):
    done = atoll("shell", shared_sandbox.id, "sh", data=b"echo $((6*7))-piped\nexit 4\n")
    assert b"42-piped" in done.stdout
    assert done.returncode == 4
    done = atoll("shell", shared_sandbox.id, "cat", data=b"without a newline")
    assert b"without a newline" in done.stdout
    assert done.returncode == 0


def test_failures_are_told(atoll, shared_sandbox, sandbox):
    assert atoll("shell", "none-of-these").returncode == 3
    done = atoll("shell", "--session", "trm_00000000000000000000000000", shared_sandbox.id)
    assert done.returncode == 3
    assert b"no such terminal" in done.stderr
    sandbox.pause()
    done = atoll("shell", sandbox.id)
    assert done.returncode == 1
    assert b"resume" in done.stderr
    done = atoll("shell", shared_sandbox.id, "/no/such/program", "x")
    assert done.returncode == 1
    assert b"not found" in done.stderr


def test_a_lost_connection_is_made_again(fresh_instance):
    instance = fresh_instance()
    client = instance.client()
    with client.create() as sandbox:
        command = [str(instance.programs / "atoll"), "shell", sandbox.id]
        with Person(command, environment_of(client)) as person:
            person.type("kept=here; echo set-$((1+1))\r")
            person.until("set-2")
            for end in (instance.api.kill9, instance.api.stop):
                end()
                person.until("connecting again")
                instance.start()
                person.type("clear; echo $kept-again\r")
                person.until("here-again")
            person.type("exit 6\r")
            assert person.ended() == 6


def test_a_tunnel(instance, client, shared_sandbox):
    shared_sandbox.write("/tmp/www/index.html", "from inside")
    serve = "cd /tmp/www && setsid python3 -m http.server 7100 --bind 127.0.0.1 </dev/null >/dev/null 2>&1 &"
    shared_sandbox.exec(serve)
    wait_until(lambda: ":1BBC " in shared_sandbox.output("cat /proc/net/tcp"))
    command = [str(instance.programs / "atoll"), "tunnel", shared_sandbox.id, "0:7100"]
    process = subprocess.Popen(command, env=environment_of(client), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        port = int(process.stdout.readline().split()[0].split(b":")[1])
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                reply = b""
                while data := connection.recv(65536):
                    reply += data
                assert reply.endswith(b"from inside")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_tunnel_usage(atoll, shared_sandbox):
    for ports in ("", "x", "1:2:3", "80:0", "80:65536", ":80", "-1"):
        assert atoll("tunnel", shared_sandbox.id, ports).returncode == 2, ports
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = atoll("tunnel", shared_sandbox.id, f"{taken.getsockname()[1]}:80")
        assert done.returncode == 1
        assert b"in use" in done.stderr
