"""HOST_OP_SOCKETS: atoll-host hands out sockets that live in a sandbox's network, on its loopback too."""

import array
import os
import socket
import struct

import pytest

from harness.wait import wait_until

OPERATION, ERROR_CODE, ID, FAMILY, COUNT, ADDRESS = 1, 2, 6, 35, 36, 37
SOCKETS = 9

SERVER = """
import socket, threading
def serve(family, address):
    with socket.socket(family) as listener:
        listener.bind((address, 7777))
        listener.listen()
        open(f"/tmp/ready{family}", "w").close()
        while True:
            peer, _ = listener.accept()
            peer.sendall(b"inside\\n")
            peer.close()
threading.Thread(target=serve, args=(socket.AF_INET6, "::1")).start()
serve(socket.AF_INET, "127.0.0.1")
"""


def field(tag, value):
    data = struct.pack("<q", value) if isinstance(value, int) else value.encode()
    return struct.pack("<HI", tag, len(data)) + data


def fields(packet):
    found = {}
    while packet:
        tag, length = struct.unpack_from("<HI", packet)
        found[tag] = packet[6 : 6 + length]
        packet = packet[6 + length :]
    return found


def ask(instance, sandbox_id, family=4, count=1):
    """The reply's fields and the sockets that came with it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as host:
        host.connect(str(instance.state / "run" / "host.sock"))
        host.send(field(OPERATION, SOCKETS) + field(ID, sandbox_id) + field(FAMILY, family) + field(COUNT, count))
        packet, ancillary, _, _ = host.recvmsg(65536, socket.CMSG_SPACE(256 * 4), socket.MSG_CMSG_CLOEXEC)
    numbers = array.array("i")
    for level, kind, data in ancillary:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        numbers.frombytes(data)
    return fields(packet), [socket.socket(fileno=number) for number in numbers]


def greeting(instance, sandbox, family=4):
    reply, (made,) = ask(instance, sandbox.id, family)
    with made:
        assert not os.get_blocking(made.fileno())
        made.settimeout(20)
        made.connect((reply[ADDRESS].decode(), 7777))
        return made.makefile().read()


def serve(sandbox):
    sandbox.write("/tmp/server.py", SERVER)
    sandbox.output("nohup python3 /tmp/server.py >/tmp/log 2>&1 &")
    ready = "test -e /tmp/ready2 && test -e /tmp/ready10"
    wait_until(lambda: sandbox.exec(ready)["exit_code"] == 0, 20, "the server listens")
    return sandbox


@pytest.mark.parametrize("network", ["egress", "none"])
def test_servers_on_loopback_are_reached(instance, make_sandbox, network):
    sandbox = serve(make_sandbox(network=network))
    assert greeting(instance, sandbox, 4) == "inside\n"
    assert greeting(instance, sandbox, 6) == "inside\n"


def test_as_many_as_asked_for_come(instance, sandbox):
    for count in (1, 64):
        reply, made = ask(instance, sandbox.id, count=count)
        assert int.from_bytes(reply[ERROR_CODE], "little") == 0
        assert len(made) == count
        for one in made:
            one.close()


def test_atoll_host_stays_in_its_own_network(instance, sandbox):
    before = os.readlink(f"/proc/{instance.host.process.pid}/ns/net")
    _, made = ask(instance, sandbox.id)
    made[0].close()
    assert os.readlink(f"/proc/{instance.host.process.pid}/ns/net") == before == os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("family, count", [(5, 1), (4, 0), (4, 65), (4, -1)])
def test_odd_requests_are_refused(instance, sandbox, family, count):
    reply, made = ask(instance, sandbox.id, family, count)
    assert int.from_bytes(reply[ERROR_CODE], "little") != 0
    assert made == []


def test_a_sandbox_that_does_not_run_has_no_network(instance, sandbox):
    sandbox.stop()
    for sandbox_id in (sandbox.id, "sbx_" + "0" * 26):
        reply, made = ask(instance, sandbox_id)
        assert int.from_bytes(reply[ERROR_CODE], "little") != 0
        assert made == []


def test_paused_and_adopted_ones_have_theirs(fresh_instance):
    instance = fresh_instance()
    with instance.client().create() as sandbox:
        serve(sandbox)
        sandbox.pause()
        reply, (early,) = ask(instance, sandbox.id)
        sandbox.resume()
        with early:
            early.settimeout(20)
            early.connect((reply[ADDRESS].decode(), 7777))
            assert early.makefile().read() == "inside\n"
        instance.restart()
        wait_until(instance.connected, 20, "atolld has found atoll-host")
        assert greeting(instance, sandbox) == "inside\n"
