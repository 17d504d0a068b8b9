"""Directories: list with depth, tree, stat, exists, mkdir, rename, chmod, delete under /files."""

import re

import pytest

from harness.expect import checked, expect_error


@pytest.fixture(scope="module")
def box(shared_sandbox):
    shared_sandbox.output(
        "mkdir -p /workspace/t/sub/deeper && cd /workspace/t && echo hello > a.txt && "
        "echo x > sub/b && echo y > sub/deeper/c && ln -s a.txt link && chmod 600 a.txt && "
        "chown sandbox: sub/b && mkfifo pipe"
    )
    return shared_sandbox


def listing(box, **query):
    return checked(box.client.get(f"{box.path}/files", params=query))["data"]


def call(box, route, method="POST", **body):
    return box.client.request(method, f"{box.path}/files/{route}", json=body)


def test_entries_of_a_directory(box):
    data = listing(box, path="/workspace/t")
    assert data["path"] == "/workspace/t"
    by_name = {entry["name"]: entry for entry in data["entries"]}
    assert set(by_name) == {"a.txt", "sub", "link", "pipe"}
    file = by_name["a.txt"]
    assert file["path"] == "/workspace/t/a.txt"
    assert (file["is_dir"], file["size"], file["type"], file["mode"]) == (False, 6, "file", "0600")
    assert re.match(r"\d{4}-\d\d-\d\dT", file["modified_at"])
    assert by_name["sub"]["is_dir"] is True
    assert by_name["link"]["type"] == "symlink"
    assert by_name["link"]["is_dir"] is False


@pytest.mark.parametrize(
    "depth,expected",
    [
        (1, {"a.txt", "sub", "link", "pipe"}),
        (2, {"a.txt", "sub", "link", "pipe", "sub/b", "sub/deeper"}),
        (3, {"a.txt", "sub", "link", "pipe", "sub/b", "sub/deeper", "sub/deeper/c"}),
    ],
)
def test_depth(box, depth, expected):
    entries = listing(box, path="/workspace/t", depth=depth)["entries"]
    assert {entry["path"].removeprefix("/workspace/t/") for entry in entries} == expected


def test_list_is_an_alias(box):
    reply = checked(box.client.get(f"{box.path}/files/list", params={"path": "/workspace/t"}))
    entries = reply["data"]["entries"]
    assert {entry["name"] for entry in entries} == {"a.txt", "sub", "link", "pipe"}
    assert {"type", "path", "size"} <= set(entries[0])


def test_tree(box):
    reply = checked(box.client.get(f"{box.path}/files/tree", params={"path": "/workspace/t", "depth": 3}))
    root = reply.get("data", reply)
    assert (root["path"], root["type"]) == ("/workspace/t", "dir")
    children = {child["name"]: child for child in root["children"]}
    assert children["a.txt"]["type"] == "file"
    deeper = {child["name"]: child for child in children["sub"]["children"]}["deeper"]
    assert [child["name"] for child in deeper["children"]] == ["c"]


def test_a_large_directory_is_cut_and_says_so(box):
    box.output("mkdir -p /tmp/many && cd /tmp/many && seq 12000 | xargs touch")
    data = listing(box, path="/tmp/many")
    assert data["truncated"] is True
    assert 0 < len(data["entries"]) <= 10000


def test_listing_what_is_no_directory(box):
    expect_error(
        box.client.get(f"{box.path}/files", params={"path": "/workspace/t/a.txt"}), 400, "NOT_DIRECTORY"
    )
    expect_error(
        box.client.get(f"{box.path}/files", params={"path": "/workspace/none"}), 404, "FILE_NOT_FOUND"
    )


@pytest.mark.parametrize("depth", [0, -1, "all", 1000])
def test_a_bad_depth_is_refused(box, depth):
    reply = box.client.get(f"{box.path}/files", params={"path": "/", "depth": depth})
    expect_error(reply, 422, "VALIDATION_ERROR", field="depth")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_stat(box, method):
    where = f"{box.path}/files/stat"
    if method == "POST":
        reply = box.client.post(where, {"path": "/workspace/t/sub/b"})
    else:
        reply = box.client.get(where, params={"path": "/workspace/t/sub/b"})
    data = checked(reply)["data"]
    assert (data["path"], data["name"], data["size"], data["is_dir"]) == ("/workspace/t/sub/b", "b", 2, False)
    assert data["mode"] == "0644"
    assert (data["owner"], data["group"]) == ("sandbox", "sandbox")


def test_exists(box):
    for path, expected in (("/workspace/t/a.txt", True), ("/workspace/t", True), ("/nowhere", False)):
        reply = checked(box.client.get(f"{box.path}/files/exists", params={"path": path}))
        assert reply.get("data", reply)["exists"] is expected


def test_mkdir(box):
    assert call(box, "mkdir", path="/workspace/new/a/b", recursive=True).status_code in (200, 201)
    assert box.output("stat -c %F /workspace/new/a/b") == "directory\n"
    assert call(box, "mkdir", path="/workspace/new/a/b", recursive=True).status_code in (200, 201)
    assert call(box, "mkdir", path="/workspace/moded", mode="0700").status_code in (200, 201)
    assert box.output("stat -c %a /workspace/moded") == "700\n"
    expect_error(call(box, "mkdir", path="/workspace/t/a.txt"), 409, "FILE_EXISTS")


def test_rename_and_move(box):
    box.write("/workspace/old", "content")
    assert call(box, "rename", **{"from": "/workspace/old", "to": "/workspace/made/up/new"}).ok
    assert box.read("/workspace/made/up/new") == b"content"
    assert call(box, "move", **{"from": "/workspace/made/up/new", "to": "/workspace/back"}).ok
    assert box.read("/workspace/back") == b"content"
    reply = call(box, "rename", **{"from": "/workspace/none", "to": "/workspace/x"})
    expect_error(reply, 404, "FILE_NOT_FOUND")


def test_chmod(box):
    box.write("/workspace/script", "#!/bin/sh\necho ran")
    assert call(box, "chmod", path="/workspace/script", mode="755").ok
    assert box.exec(["/workspace/script"])["stdout"] == "ran\n"
    assert call(box, "chmod", path="/workspace/script", mode="8").status_code == 422
    expect_error(call(box, "chmod", path="/none", mode="755"), 404, "FILE_NOT_FOUND")


def test_delete(box):
    box.output("mkdir -p /workspace/gone/deep; echo x > /workspace/gone/deep/f; echo y > /workspace/one")
    assert box.client.delete(f"{box.path}/files/workspace/one").ok
    expect_error(box.client.delete(f"{box.path}/files/workspace/one"), 404, "FILE_NOT_FOUND")
    expect_error(box.client.delete(f"{box.path}/files/workspace/gone"), 409, "DIRECTORY_NOT_EMPTY")
    assert box.client.delete(f"{box.path}/files/workspace/gone", params={"recursive": "true"}).ok
    assert box.output("ls /workspace/gone 2>&1 | grep -c 'No such'") == "1\n"


def test_delete_by_body(box):
    box.write("/workspace/body", "x")
    assert call(box, "delete", path="/workspace/body").ok
    assert box.exec("test -e /workspace/body")["exit_code"] == 1


def test_deleting_a_link_spares_its_target(box):
    box.output("mkdir -p /workspace/real; echo x > /workspace/real/f; ln -sfn /workspace/real /workspace/ln")
    assert box.client.delete(f"{box.path}/files/workspace/ln", params={"recursive": "true"}).ok
    assert box.read("/workspace/real/f") == b"x\n"


@pytest.mark.parametrize("path", ["/", "/proc", "/dev", "/sys"])
def test_the_root_and_mount_points_cannot_be_deleted(box, path):
    reply = box.client.delete(f"{box.path}/fs", params={"path": path})
    assert 400 <= reply.status_code < 500, reply.text
    assert box.output("ls /proc/self/stat /dev/null /etc/passwd | wc -l") == "3\n"
