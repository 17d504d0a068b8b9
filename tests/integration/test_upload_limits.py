"""100 MB uploads: they stream, the limit is told before the body is read, the daemon stays small."""

import base64
import re
import socket

import pytest

from harness.expect import checked, expect_error
from harness.raw import RawConnection

MIB = 1 << 20
SIZE = 100 * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB
# What one upload may cost the daemon: its buffers, not the file.
GROWTH_MAX_KIB = 24 * 1024


def memory_kib(instance, name="VmHWM"):
    status = open(f"/proc/{instance.api.pid}/status").read()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1])


def reset_peak(instance):
    with open(f"/proc/{instance.api.pid}/clear_refs", "w") as file:
        file.write("5")


def json_body(path_first):
    member = b'"path":"/workspace/big"'
    encoded = base64.b64encode(BLOCK * 3)
    yield b"{" + (member + b"," if path_first else b"") + b'"content":"'
    for _ in range(33):
        yield encoded
    yield base64.b64encode(BLOCK) + b'"'
    yield b"}" if path_first else b"," + member + b"}"


def multipart_body(path_first):
    path = b'--frontier\r\nContent-Disposition: form-data; name="path"\r\n\r\n/workspace/big\r\n'
    yield path if path_first else b""
    yield b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\n'
    for _ in range(100):
        yield BLOCK
    yield b"\r\n" + (b"" if path_first else path) + b"--frontier--\r\n"


def raw_body(_):
    for _ in range(100):
        yield BLOCK


BODIES = {
    "json": (json_body, "files", "application/json"),
    "multipart": (multipart_body, "files", "multipart/form-data; boundary=frontier"),
    "raw": (raw_body, "files/raw?path=/workspace/big", "application/octet-stream"),
}


@pytest.fixture(scope="module")
def box(client):
    with client.create(disk_mb=1024) as made:
        yield made


@pytest.mark.parametrize(
    "kind,path_first",
    [("json", True), ("json", False), ("multipart", True), ("multipart", False), ("raw", True)],
)
def test_a_100_mb_upload_does_not_grow_the_daemon(instance, box, kind, path_first):
    body, route, content_type = BODIES[kind]
    reset_peak(instance)
    before = memory_kib(instance, "VmRSS")
    reply = box.client.post(
        f"{box.path}/{route}", data=filter(None, body(path_first)), headers={"Content-Type": content_type}
    )
    assert checked(reply)["data"]["size"] == SIZE
    assert memory_kib(instance) - before < GROWTH_MAX_KIB
    told = box.output(
        "stat -c %s /workspace/big; head -c 1048576 /workspace/big | sha256sum; "
        "tail -c 1048576 /workspace/big | sha256sum"
    )
    size, first, last = told.splitlines()
    assert (int(size), first) == (SIZE, last)


def test_a_100_mb_download_does_not_grow_the_daemon(instance, box):
    box.output("head -c 104857600 /dev/zero > /workspace/down")
    reset_peak(instance)
    before = memory_kib(instance, "VmRSS")
    reply = box.client.get(f"{box.path}/fs/download", params={"path": "/workspace/down"}, stream=True)
    assert sum(map(len, reply.iter_content(MIB))) == SIZE
    assert memory_kib(instance) - before < GROWTH_MAX_KIB


def refused_early(instance, client, target, length, content_type):
    """Sends a head alone and returns the reply: nothing of the body was asked for."""
    head = (
        f"POST /api/v1{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    with RawConnection(instance.port, timeout=20) as connection:
        connection.send(head)
        return connection.reply()


@pytest.mark.parametrize("kind,length", [("json", 140 * MIB), ("multipart", 102 * MIB), ("raw", SIZE + 1)])
def test_over_the_limit_is_413_before_the_body_is_read(instance, box, kind, length):
    _, route, content_type = BODIES[kind]
    reply = refused_early(instance, box.client, f"{box.path}/{route}", length, content_type)
    assert reply.status == 413
    assert b"TOO_LARGE" in reply.body


def test_expect_100_continue_is_answered_with_413(instance, box):
    head = (
        f"PUT /api/v1{box.path}/files/raw?path=/workspace/x HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {box.client.key}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {SIZE * 3}\r\n\r\n"
    )
    with RawConnection(instance.port, timeout=20) as connection:
        connection.send(head)
        assert connection.reply().status == 413


@pytest.mark.parametrize("kind", ["json", "multipart", "raw"])
def test_a_chunked_body_over_the_limit_is_cut_and_leaves_nothing(box, kind):
    _, route, content_type = BODIES[kind]
    box.write("/workspace/big", "old")

    def endless():
        if kind == "json":
            yield b'{"path":"/workspace/big","content":"'
        elif kind == "multipart":
            yield (
                b'--frontier\r\nContent-Disposition: form-data; name="path"\r\n\r\n/workspace/big\r\n'
                b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\n'
            )
        block = b"A" * (4 * MIB)
        for _ in range(40):
            yield block

    try:
        reply = box.client.post(f"{box.path}/{route}", data=endless(), headers={"Content-Type": content_type})
        expect_error(reply, 413, "TOO_LARGE")
    except (OSError, socket.error):
        pass  # cut while it was still sending
    assert box.read("/workspace/big") == b"old"
    assert box.output("ls -A /workspace | grep -c '^.atoll-' || true") == "0\n"


def test_exactly_the_limit_is_accepted(box):
    assert box.upload("/workspace/exact", raw_body(None))["size"] == SIZE


def test_a_full_disk_is_told_and_leaves_the_old_file(client):
    with client.create(disk_mb=256) as box:
        box.write("/workspace/small", "old")
        statuses = []
        for number in range(3):
            reply = box.client.put(
                f"{box.path}/files/raw", params={"path": f"/workspace/{number}"}, data=raw_body(None)
            )
            statuses.append(reply.status_code)
        assert statuses[-1] == 507
        expect_error(reply, 507, "DISK_FULL")
        assert box.read("/workspace/small") == b"old"
        assert box.output("ls -A /workspace | grep -c '^.atoll-' || true") == "0\n"
