"""GET …/ports: what listens in the sandbox, and whose it is."""

import pytest

from harness.expect import checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")

SERVER = """
import socket, sys, time
sockets = []
for family, address, port in ((2, "127.0.0.1", 3000), (2, "0.0.0.0", 8000), (10, "::1", 3000)):
    if family == 10 and not socket.has_dualstack_ipv6():
        continue
    made = socket.socket(family)
    made.bind((address, port))
    made.listen()
    sockets.append(made)
idle = socket.socket()
idle.bind(("127.0.0.1", 4000))
open("/tmp/ready", "w").close()
time.sleep(600)
"""


def ports(sandbox):
    reply = checked(sandbox.client.get(f"{sandbox.path}/ports"))
    assert reply["count"] == len(reply["data"])
    return reply["data"]


def test_nothing_listens_at_first_not_even_the_agent(sandbox):
    assert ports(sandbox) == []


def test_servers_are_listed_with_address_and_process(sandbox, engine):
    sandbox.write("/tmp/server.py", SERVER)
    sandbox.output("nohup python3 /tmp/server.py >/tmp/log 2>&1 & echo $! > /tmp/pid")
    wait_until(lambda: sandbox.exec("test -e /tmp/ready")["exit_code"] == 0, 20, "the server listens")
    pid = int(sandbox.output("cat /tmp/pid"))
    found = ports(sandbox)
    expected = [(3000, "127.0.0.1"), (3000, "::1"), (8000, "0.0.0.0")]
    if engine == "vm":  # which has no IPv6
        expected.remove((3000, "::1"))
    assert [(one["port"], one["address"]) for one in found] == expected
    for one in found:
        assert one["protocol"] == "tcp"
        assert one["process"]["name"].startswith("python3")
        assert one["process"]["pid"] == pid


def test_a_sandbox_that_does_not_run_has_none(sandbox, other_client):
    expect_error(other_client.get(f"{sandbox.path}/ports"), 404, "NOT_FOUND")
    sandbox.pause()
    expect_error(sandbox.client.get(f"{sandbox.path}/ports"), 409, "SANDBOX_NOT_RUNNING")
