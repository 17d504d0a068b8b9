"""A real browser: headless Chromium, driven by chromedriver.

It runs in a network namespace of its own, which has nothing but loopback: a browser drops its connections when the
network interfaces around it change, and each sandbox that is made adds one. What it reaches is one port of this
machine's loopback, the gateway's.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import threading

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
    "--window-size=800,600",
)
# Listens inside and hands the listening sockets out.
_LISTEN = (
    "import socket, sys; there = socket.socket(fileno=int(sys.argv[1]));"
    "made = [socket.create_server((a, int(sys.argv[2])), family=f)"
    " for a, f in (('127.0.0.1', socket.AF_INET), ('::1', socket.AF_INET6))];"
    "socket.send_fds(there, [b'x'], [each.fileno() for each in made])"
)


@contextlib.contextmanager
def _namespace():
    name = f"attest-browser-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def _listeners(namespace, port):
    here, there = socket.socketpair()
    with here, there:
        command = ["ip", "netns", "exec", namespace, "/usr/bin/python3", "-c", _LISTEN, str(there.fileno()), str(port)]
        subprocess.run(command, pass_fds=[there.fileno()], check=True, timeout=30)
        _, descriptors, _, _ = socket.recv_fds(here, 1, 2)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(how)


def _relay(client, port):
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _accept(listener, port):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_relay, args=(client, port), daemon=True).start()


@contextlib.contextmanager
def browser(port):
    """A WebDriver with an empty profile that reaches this port of loopback; the browser is gone afterwards."""
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(_namespace())
        for listener in _listeners(namespace, port):
            stack.callback(listener.close)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atoll-browser-")))
        start = directory / "chromium"
        start.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} /usr/bin/chromium "$@"\n')
        start.chmod(0o755)
        driver = _driver(str(start), f"--user-data-dir={directory}/profile")
        stack.callback(driver.quit)
        yield driver


def _driver(program, *more):
    options = Options()
    options.binary_location = program
    for argument in (*ARGUMENTS, *more):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_page_load_timeout(60)
    return driver
