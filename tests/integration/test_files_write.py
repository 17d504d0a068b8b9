"""Every way to write a file: JSON, multipart, raw, plain text, many at once."""

import io
import threading

import pytest

from harness.expect import b64, checked, expect_error

pytestmark = pytest.mark.engines("container", "vm")

BINARY = bytes(range(256)) * 50


def send_json(sandbox, **body):
    return sandbox.client.post(f"{sandbox.path}/files", body)


def test_json_base64(shared_sandbox):
    data = checked(send_json(shared_sandbox, path="/workspace/a.bin", content=b64(BINARY)))["data"]
    assert data["sandbox_id"] == shared_sandbox.id
    assert data["path"] == "/workspace/a.bin"
    assert data["size"] == len(BINARY)
    assert data["mode"] == "0644"
    assert shared_sandbox.read("/workspace/a.bin") == BINARY


@pytest.mark.parametrize("order", ["path first", "content first"])
def test_json_members_in_either_order_with_odd_spelling(shared_sandbox, order):
    path = rb'"path" : "\/workspace\/odd\u0020name"'
    content = rb' "content":"aGVs\u0062G8=" '
    extra = rb'"note":{"a":[1,{"b":"}"}],"c":null}'
    members = [path, extra, content] if order == "path first" else [content, extra, path]
    reply = shared_sandbox.client.post(
        f"{shared_sandbox.path}/files",
        data=b"\n{ " + b" ,\t".join(members) + b"}\r\n",
        headers={"Content-Type": "application/json"},
    )
    assert checked(reply)["data"]["size"] == 5
    assert shared_sandbox.read("/workspace/odd name") == b"hello"


@pytest.mark.parametrize("order", ["path first", "file first"])
def test_multipart_in_either_order(shared_sandbox, order):
    parts = [("path", (None, "/workspace/m.bin")), ("file", ("x.bin", io.BytesIO(BINARY)))]
    if order == "file first":
        parts.reverse()
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/files", files=parts)
    assert checked(reply)["data"]["size"] == len(BINARY)
    assert shared_sandbox.read("/workspace/m.bin") == BINARY


def test_multipart_content_that_looks_like_a_boundary(shared_sandbox):
    content = b"\r\n--\r\n--boundary\r\n\r\n------\r\n" * 500
    parts = {"path": (None, "/workspace/b.bin"), "file": ("x", content)}
    checked(shared_sandbox.client.post(f"{shared_sandbox.path}/files", files=parts))
    assert shared_sandbox.read("/workspace/b.bin") == content


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_raw_with_the_path_as_a_query(shared_sandbox, method):
    reply = shared_sandbox.client.request(
        method,
        f"{shared_sandbox.path}/files/raw",
        params={"path": "/workspace/r.bin", "mode": "0755"},
        data=BINARY,
        headers={"Content-Type": "application/octet-stream"},
    )
    data = checked(reply)["data"]
    assert (data["size"], data["mode"]) == (len(BINARY), "0755")
    assert shared_sandbox.read("/workspace/r.bin") == BINARY


@pytest.mark.parametrize("encoded", ["workspace/p/q.bin", "workspace%2Fp%2Fq.bin"])
def test_raw_with_the_path_in_the_url(shared_sandbox, encoded):
    reply = shared_sandbox.client.put(f"{shared_sandbox.path}/files/{encoded}", data=BINARY)
    assert checked(reply)["data"]["path"] == "/workspace/p/q.bin"
    assert shared_sandbox.read("/workspace/p/q.bin") == BINARY


def test_a_chunked_body_of_unknown_length(shared_sandbox):
    pieces = (b"x" * 1000 for _ in range(3000))
    assert shared_sandbox.upload("/workspace/chunked", pieces)["size"] == 3_000_000


def test_an_empty_file(shared_sandbox):
    assert shared_sandbox.upload("/workspace/empty", b"")["size"] == 0
    assert shared_sandbox.write("/workspace/empty2", b"")["size"] == 0
    assert shared_sandbox.read("/workspace/empty") == shared_sandbox.read("/workspace/empty2") == b""


def test_files_write_takes_content_base64(shared_sandbox):
    body = {"path": "/workspace/w", "content_base64": b64("text")}
    assert shared_sandbox.client.post(f"{shared_sandbox.path}/files/write", body).ok
    assert shared_sandbox.read("/workspace/w") == b"text"


@pytest.mark.parametrize("route,member", [("write-many", "content_base64"), ("batch", "content")])
def test_many_files_at_once(shared_sandbox, route, member):
    files = [{"path": f"/workspace/{route}/{n}", member: b64(f"file {n}")} for n in range(50)]
    files.append({"path": "/proc/version/impossible", member: b64("x")})
    reply = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/files/{route}", {"files": files}))
    written = {entry["path"]: entry["size_bytes"] for entry in reply["written"]}
    assert written == {f"/workspace/{route}/{n}": len(f"file {n}") for n in range(50)}
    assert [entry["path"] for entry in reply["failed"]] == ["/proc/version/impossible"]
    assert reply["failed"][0]["error"]
    assert shared_sandbox.output(f"cat /workspace/{route}/49") == "file 49"


def test_parents_are_created(shared_sandbox):
    shared_sandbox.write("/workspace/new/deep/er/file", "x")
    assert shared_sandbox.output("stat -c %a /workspace/new/deep/er") == "755\n"


def test_a_mode_is_kept_when_none_is_given(shared_sandbox):
    shared_sandbox.output("install -m 0750 -o sandbox /dev/null /workspace/keep")
    assert shared_sandbox.write("/workspace/keep", "new")["mode"] == "0750"
    assert shared_sandbox.output("stat -c '%a %U' /workspace/keep") == "750 sandbox\n"


@pytest.mark.parametrize("mode", ["0600", "755", "0777"])
def test_a_mode_can_be_given(shared_sandbox, mode):
    shared_sandbox.write("/workspace/moded", "x", mode=mode)
    assert shared_sandbox.output("stat -c %a /workspace/moded").strip() == mode.lstrip("0")


@pytest.mark.parametrize("mode", ["9", "rwx", "-1", "99999", ""])
def test_a_bad_mode_is_refused(shared_sandbox, mode):
    reply = send_json(shared_sandbox, path="/workspace/x", content="", mode=mode)
    expect_error(reply, 422, "VALIDATION_ERROR", field="mode")


def test_a_write_through_a_symbolic_link_reaches_its_target(shared_sandbox):
    shared_sandbox.output("cd /workspace; rm -f link target; echo old > target; ln -s target link")
    shared_sandbox.write("/workspace/link", "new")
    assert shared_sandbox.output("readlink /workspace/link; cat /workspace/target") == "target\nnew"


def test_readers_never_see_half_a_file(shared_sandbox):
    first, second = b"a" * 2_000_000, b"b" * 2_000_000
    shared_sandbox.upload("/workspace/whole", first)
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(shared_sandbox.output("sort -u /workspace/whole | cut -c1; wc -c </workspace/whole"))

    thread = threading.Thread(target=read)
    thread.start()
    for turn in range(20):
        shared_sandbox.upload("/workspace/whole", second if turn % 2 == 0 else first)
    stop.set()
    thread.join()
    assert {line.split()[-1] for line in seen} == {"2000000"}


def test_no_temporary_file_is_left(shared_sandbox):
    shared_sandbox.output("mkdir -p /workspace/clean")
    for number in range(5):
        shared_sandbox.write(f"/workspace/clean/{number}", "x")
    assert shared_sandbox.output("ls -A /workspace/clean") == "0\n1\n2\n3\n4\n"


@pytest.mark.parametrize(
    "name", ["ünï côde", "tab\there", "new\nline", 'quo"te', "%41", "a+b&c=d", "…", "-rf"]
)
def test_odd_names(shared_sandbox, name):
    path = f"/workspace/odd/{name}"
    shared_sandbox.upload(path, b"raw")
    assert shared_sandbox.read(path) == b"raw"
    shared_sandbox.write(path, "json")
    assert shared_sandbox.read(path) == b"json"
    entries = checked(
        shared_sandbox.client.get(f"{shared_sandbox.path}/files", params={"path": "/workspace/odd"})
    )["data"]["entries"]
    assert name in [entry["name"] for entry in entries]


@pytest.mark.parametrize(
    "body,field",
    [
        ({}, "path"),
        ({"path": "/workspace/x"}, "content"),
        ({"content": ""}, "path"),
        ({"path": "", "content": ""}, "path"),
        ({"path": "/a\0b", "content": ""}, "path"),
        ({"path": "/x" * 2100, "content": ""}, "path"),
        ({"path": 1, "content": ""}, "path"),
        ({"path": "/workspace/x", "content": 1}, "content"),
        ({"path": "/workspace/x", "content": "not base64!"}, "content"),
        ({"path": "/workspace/x", "content": "YQ="}, "content"),
        ({"path": "/workspace/x", "content": "YR=="}, "content"),
    ],
)
def test_a_bad_field_is_refused_by_name(shared_sandbox, body, field):
    reply = send_json(shared_sandbox, **body)
    assert reply.status_code in (400, 422), reply.text
    assert reply.json()["error"]["details"]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"path":"/workspace/t","content":"YQ=="',
        b'{"path":"/a","path":"/b","content":""}',
        b'{"path":"/workspace/t","content":"YQ=="}x',
        b'{"path":"/\xff","content":""}',
    ],
)
def test_bad_json_leaves_nothing(shared_sandbox, body):
    reply = shared_sandbox.client.post(
        f"{shared_sandbox.path}/files", data=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code in (400, 422), reply.text
    assert shared_sandbox.output("ls /workspace/t 2>/dev/null | wc -l") == "0\n"


def test_a_directory_is_not_overwritten(shared_sandbox):
    shared_sandbox.output("mkdir -p /workspace/dir")
    expect_error(send_json(shared_sandbox, path="/workspace/dir", content=""), 400, "IS_DIRECTORY")


def test_a_file_in_the_way_of_a_parent_is_told(shared_sandbox):
    shared_sandbox.write("/workspace/file", "x")
    reply = send_json(shared_sandbox, path="/workspace/file/below", content="")
    expect_error(reply, 400, "NOT_DIRECTORY")


def test_a_read_only_place_is_told(shared_sandbox):
    reply = send_json(shared_sandbox, path="/sys/kernel/new", content="")
    expect_error(reply, 403, "FORBIDDEN_PATH")


def test_another_media_type_is_refused(shared_sandbox):
    reply = shared_sandbox.client.post(
        f"{shared_sandbox.path}/files", data=b"x", headers={"Content-Type": "text/html"}
    )
    expect_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_upload_that_breaks_off_leaves_the_old_file(shared_sandbox):
    shared_sandbox.write("/workspace/steady", "old")

    def half():
        yield b"new" * 100_000
        raise ConnectionAbortedError("the client goes away")

    with pytest.raises(Exception):
        shared_sandbox.upload("/workspace/steady", half())
    assert shared_sandbox.read("/workspace/steady") == b"old"
    assert shared_sandbox.output("ls -A /workspace | grep -c '^.atoll-' || true") == "0\n"


def test_writing_into_an_unknown_sandbox(client):
    path = "/sandboxes/sbx_00000000000000000000000000/files"
    expect_error(client.post(path, {"path": "/x", "content": ""}), 404, "NOT_FOUND")
