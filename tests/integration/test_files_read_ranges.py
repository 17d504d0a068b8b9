"""Downloads: whole files, ranges, HEAD, and what is refused."""

import hashlib
import os

import pytest

from harness.expect import b64, checked, expect_error

pytestmark = pytest.mark.engines("container", "vm")

CONTENT = bytes(n % 251 for n in range(100_000))


@pytest.fixture(scope="module")
def box(shared_sandbox):
    shared_sandbox.upload("/workspace/data.bin", CONTENT)
    return shared_sandbox


def get(box, path="/workspace/data.bin", method="GET", **headers):
    return box.client.request(
        method,
        f"{box.path}/fs/download",
        params={"path": path},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.mark.parametrize("encoded", ["workspace/data.bin", "workspace%2Fdata.bin", "%2Fworkspace%2Fdata.bin"])
def test_a_file_by_its_path_in_the_url(box, encoded):
    reply = box.client.get(f"{box.path}/files/{encoded}")
    assert reply.status_code == 200
    assert reply.content == CONTENT
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Length"] == str(len(CONTENT))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["ETag"]
    assert reply.headers["Last-Modified"].endswith("GMT")
    assert "sandbox" not in reply.headers.get("Content-Disposition", "")


def test_read_and_download_give_the_same(box):
    assert get(box).content == CONTENT
    reply = box.client.get(f"{box.path}/files/read", params={"path": "/workspace/data.bin"})
    assert reply.content == CONTENT


@pytest.mark.parametrize(
    "value,first,last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=50000-", 50000, 99999),
        ("bytes=-1", 99999, 99999),
        ("bytes=-500", 99500, 99999),
        ("bytes=99999-200000", 99999, 99999),
        ("bytes=-200000", 0, 99999),
    ],
)
def test_a_range(box, value, first, last):
    reply = get(box, Range=value)
    assert reply.status_code == 206
    assert reply.content == CONTENT[first : last + 1]
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert reply.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("value", ["bytes=100000-", "bytes=100000-100001", "bytes=-0"])
def test_a_range_behind_the_end(box, value):
    reply = get(box, Range=value)
    expect_error(reply, 416, "RANGE_NOT_SATISFIABLE")
    assert reply.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "value", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes", "bytes=1-2,5-6", "bytes=99999999999999999999-"]
)
def test_a_range_that_makes_no_sense_is_ignored_or_refused(box, value):
    reply = get(box, Range=value)
    assert reply.status_code in (200, 400, 416), reply.status_code
    if reply.status_code == 200:
        assert reply.content == CONTENT


def test_head_tells_size_without_a_body(box):
    for path in (f"{box.path}/files/workspace/data.bin",):
        reply = box.client.head(path)
        assert reply.status_code == 200
        assert reply.headers["Content-Length"] == str(len(CONTENT))
        assert reply.content == b""


def test_the_etag_changes_with_the_file(box):
    box.upload("/workspace/tagged", b"one")
    before = get(box, "/workspace/tagged").headers["ETag"]
    box.upload("/workspace/tagged", b"other")
    assert get(box, "/workspace/tagged").headers["ETag"] != before


def test_an_empty_file(box):
    box.upload("/workspace/empty", b"")
    reply = get(box, "/workspace/empty")
    assert (reply.status_code, reply.content, reply.headers["Content-Length"]) == (200, b"", "0")
    assert get(box, "/workspace/empty", Range="bytes=0-").status_code in (200, 416)


def test_a_large_file_comes_whole(box):
    box.output("head -c 60000000 /dev/urandom > /tmp/large")
    told = box.output("sha256sum /tmp/large").split()[0]
    assert hashlib.sha256(box.read("/tmp/large")).hexdigest() == told


def test_a_sparse_file_comes_with_its_holes(box):
    box.output("truncate -s 5000000 /tmp/sparse; echo end >> /tmp/sparse")
    assert box.read("/tmp/sparse") == b"\0" * 5_000_000 + b"end\n"


def test_special_files_do_not_hang(box):
    box.output("mkfifo /tmp/pipe 2>/dev/null; true")
    for path in ("/tmp/pipe", "/dev/zero", "/dev/null", "/dev/tty"):
        reply = get(box, path)
        assert reply.status_code in (400, 403, 422), (path, reply.status_code)


def test_files_of_proc_are_readable(box):
    assert get(box, "/proc/version").status_code in (200, 400)


def test_a_missing_file(box):
    for reply in (
        get(box, "/workspace/none"),
        box.client.get(f"{box.path}/files/workspace/none"),
        box.client.get(f"{box.path}/files/read", params={"path": "/workspace/none"}),
        box.client.get(f"{box.path}/fs/read", params={"path": "/workspace/none"}),
    ):
        expect_error(reply, 404, "FILE_NOT_FOUND")


def test_a_directory_is_not_a_file(box):
    expect_error(get(box, "/workspace"), 400, "IS_DIRECTORY")


def test_a_link_is_followed_and_a_loop_is_told(box):
    box.output("cd /workspace; ln -sf data.bin link; ln -sf loop loop")
    assert get(box, "/workspace/link").content == CONTENT
    assert get(box, "/workspace/loop").status_code in (400, 422)


def test_a_missing_path_is_told(box):
    reply = box.client.get(f"{box.path}/fs/download")
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["details"]["field"] == "path"


def test_a_file_that_shrinks_meanwhile_cuts_the_connection_not_the_daemon(box):
    box.output("head -c 30000000 /dev/zero > /tmp/shrinking")
    reply = box.client.get(f"{box.path}/fs/download", params={"path": "/tmp/shrinking"}, stream=True)
    next(reply.iter_content(1024))
    box.output("truncate -s 0 /tmp/shrinking")
    try:
        rest = sum(len(piece) for piece in reply.iter_content(65536))
        assert rest <= 30_000_000
    except OSError:
        pass
    reply.close()
    assert box.output("echo fine") == "fine\n"


def test_text_as_json(box):
    box.write("/workspace/t.txt", "grüße\n")
    reply = checked(box.client.get(f"{box.path}/fs/read", params={"path": "/workspace/t.txt"}))
    assert reply == {"path": "/workspace/t.txt", "content": "grüße\n"}


def test_bytes_as_json_are_refused_with_the_way_out(box):
    box.write("/workspace/b.bin", b"\xff\xfe")
    reply = box.client.get(f"{box.path}/fs/read", params={"path": "/workspace/b.bin"})
    assert 400 <= reply.status_code < 500
    assert "download" in reply.text


def test_random_bytes_make_the_round_trip(box):
    data = os.urandom(1_000_003)
    box.client.ok(box.client.post(f"{box.path}/files", {"path": "/tmp/random", "content": b64(data)}))
    assert box.read("/tmp/random") == data
