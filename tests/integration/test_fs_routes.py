"""The /fs routes, as the newest clients use them."""

import pytest

from harness.expect import checked, expect_error

pytestmark = pytest.mark.engines("container", "vm")


@pytest.fixture(scope="module")
def fs(shared_sandbox):
    def call(method, route="", **arguments):
        return shared_sandbox.client.request(method, f"{shared_sandbox.path}/fs{route}", **arguments)

    return call


def test_write_and_read_plain_text(fs, shared_sandbox):
    text = 'line one\n"quoted" \\ back / slash\tünï\u2028\U0001f600\n'
    reply = checked(fs("POST", "/write", json={"path": "/workspace/p.txt", "content": text}), 201)
    assert reply["success"] is True
    assert shared_sandbox.read("/workspace/p.txt").decode() == text
    assert checked(fs("GET", "/read", params={"path": "/workspace/p.txt"})) == {
        "path": "/workspace/p.txt",
        "content": text,
    }


def test_list(fs, shared_sandbox):
    shared_sandbox.output("mkdir -p /workspace/l/d; echo abc > /workspace/l/f")
    reply = checked(fs("GET", params={"path": "/workspace/l"}))
    assert reply["path"] == "/workspace/l"
    files = {entry["name"]: entry for entry in reply["files"]}
    assert (files["f"]["type"], files["f"]["size_bytes"]) == ("file", 4)
    assert files["d"]["type"] == "directory"
    assert files["f"]["modified_at"]


def test_download(fs, shared_sandbox):
    shared_sandbox.output(r"printf '\x00\xff' > /workspace/bin")
    reply = fs("GET", "/download", params={"path": "/workspace/bin"})
    assert reply.content == b"\x00\xff"


def test_mkdir(fs, shared_sandbox):
    reply = fs("POST", "/mkdir", json={"path": "/workspace/x/y", "recursive": True, "mode": "0750"})
    assert reply.status_code == 201
    assert shared_sandbox.output("stat -c %a /workspace/x/y") == "750\n"


def test_stat(fs, shared_sandbox):
    shared_sandbox.write("/workspace/s", "12345")
    reply = checked(fs("POST", "/stat", json={"path": "/workspace/s"}))
    data = reply.get("data", reply)
    assert (data["name"], data["path"], data["size"], data["is_dir"]) == ("s", "/workspace/s", 5, False)
    assert data["mode"] and data["modified_at"]
    expect_error(fs("POST", "/stat", json={"path": "/none"}), 404, "FILE_NOT_FOUND")


def test_rename(fs, shared_sandbox):
    shared_sandbox.write("/workspace/from", "x")
    assert fs("POST", "/rename", json={"from": "/workspace/from", "to": "/workspace/to"}).ok
    assert shared_sandbox.read("/workspace/to") == b"x"


def test_chmod(fs, shared_sandbox):
    shared_sandbox.write("/workspace/c", "x")
    assert fs("POST", "/chmod", json={"path": "/workspace/c", "mode": "755"}).ok
    assert shared_sandbox.output("stat -c %a /workspace/c") == "755\n"


@pytest.mark.parametrize("form", ["query", "body"])
def test_delete(fs, shared_sandbox, form):
    shared_sandbox.output("mkdir -p /workspace/del/deep; echo x > /workspace/del/deep/f")
    if form == "query":
        reply = fs("DELETE", params={"path": "/workspace/del"})
    else:
        reply = fs("DELETE", json={"path": "/workspace/del", "recursive": True})
    assert checked(reply) == {"success": True, "path": "/workspace/del"}
    assert shared_sandbox.exec("test -e /workspace/del")["exit_code"] == 1


@pytest.mark.parametrize(
    "method,route,arguments",
    [
        ("POST", "/write", {"json": {"content": "x"}}),
        ("POST", "/mkdir", {"json": {}}),
        ("POST", "/stat", {"json": {}}),
        ("GET", "/read", {}),
        ("GET", "/download", {}),
        ("DELETE", "", {}),
    ],
)
def test_a_missing_path_is_told(fs, method, route, arguments):
    reply = fs(method, route, **arguments)
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["details"]["field"] == "path"


def test_content_must_be_text(fs):
    reply = fs("POST", "/write", json={"path": "/workspace/n", "content": 5})
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["details"]["field"] == "content"
