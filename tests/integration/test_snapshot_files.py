"""Looking into a snapshot without restoring it: its directories, files and folders."""

import concurrent.futures
import hashlib
import io
import tarfile

import pytest

from harness import host
from harness.expect import checked
from harness.snapshots import event_types, look, restore, take
from harness.wait import wait_until

PREPARE = (
    "mkdir -p /workspace/app/deep && cd /workspace/app && echo hello > file && printf 'a\\tb' > 'odd \" name'"
    " && head -c 3000000 /dev/urandom > big && ln -s file link && chmod 640 file && chown 1000:1001 deep"
    " && echo x > deep/äöü && mkfifo pipe && mkdir empty && name=$(printf 'n%.0s' $(seq 90))"
    " && mkdir -p deep/$name/$name && echo far > deep/$name/$name/$name && ln -s /proc /workspace/proc && sync"
)


def tree(client, snapshot, path):
    return checked(look(client, snapshot, "tree", path))["data"]


def hosted(instance):
    return {entry["id"] for entry in host.all_of(instance, "LIST", "SANDBOX")}


@pytest.fixture(scope="module")
def filled(client):
    """A sandbox's snapshot; the sandbox has changed its files since."""
    with client.create() as sandbox:
        sandbox.output(PREPARE)
        digests = sandbox.output("cd /workspace/app && sha256sum big file deep/äöü")
        taken = take(sandbox)
        sandbox.output("rm -rf /workspace/app")
        yield {"id": taken["id"], "sandbox": sandbox, "digests": digests}
    client.delete(f"/snapshots/{taken['id']}")


def test_directories(client, filled):
    listed = tree(client, filled["id"], "/workspace/app")
    assert (listed["path"], listed["truncated"]) == ("/workspace/app", False)
    names = {entry["name"]: entry for entry in listed["entries"]}
    assert [entry["name"] for entry in listed["entries"]] == sorted(names)
    assert set(names) == {"file", 'odd " name', "big", "link", "deep", "pipe", "empty"}
    assert names["file"] == {"name": "file", "path": "/workspace/app/file", "type": "file", "size": 6, "mode": "0640"}
    assert names["deep"]["type"] == "directory" and names["pipe"]["type"] == "other"
    assert names["link"]["type"] == "symlink" and names["link"]["symlink_target"] == "file"
    assert tree(client, filled["id"], "app") == listed, "relative to the working directory"
    assert "workspace" in [entry["name"] for entry in tree(client, filled["id"], "")["entries"]]


def test_files(client, filled):
    reply = look(client, filled["id"], "files", "/workspace/app/file")
    assert reply.status_code == 200 and reply.content == b"hello\n"
    assert reply.headers["Content-Disposition"] == "attachment; filename*=UTF-8''file"
    assert look(client, filled["id"], "files", "/workspace/app/link").content == b"hello\n"
    assert len(look(client, filled["id"], "files", "/workspace/app/big").content) == 3000000
    assert look(client, filled["id"], "files", '/workspace/app/odd " name').content == b"a\tb"


def test_a_folder_is_an_archive(client, filled, tmp_path):
    reply = look(client, filled["id"], "files", "/workspace/app")
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "application/x-tar"
    assert int(reply.headers["Content-Length"]) == len(reply.content) and len(reply.content) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(reply.content)) as archive:
        members = {member.name: member for member in archive}
        far = next(name for name in members if members[name].isfile() and len(name) > 200)
        assert archive.extractfile(far).read() == b"far\n"
        archive.extractall(tmp_path)
    assert set(members) >= {"app", "app/file", "app/big", "app/link", "app/deep", "app/empty", "app/deep/äöü"}
    assert "app/pipe" not in members
    assert (members["app/file"].mode, members["app/deep"].uid, members["app/deep"].gid) == (0o640, 1000, 1001)
    assert members["app/link"].linkname == "file" and members["app/empty"].isdir()
    for line in filled["digests"].splitlines():
        digest, name = line.split(maxsplit=1)
        assert hashlib.sha256((tmp_path / "app" / name).read_bytes()).hexdigest() == digest


def test_the_sandbox_is_not_touched(client, filled):
    sandbox = filled["sandbox"]
    before = event_types(sandbox)
    tree(client, filled["id"], "/")
    assert sandbox.output("ls /workspace") == "proc\n"
    assert event_types(sandbox) == before


@pytest.mark.parametrize("path", ["/proc", "/sys", "/dev", "/run"])
def test_what_every_run_gets_anew_is_not_shown(client, filled, path):
    assert tree(client, filled["id"], path)["entries"] == []
    assert look(client, filled["id"], "files", f"{path}/x").status_code == 404
    reply = look(client, filled["id"], "files", path)
    with tarfile.open(fileobj=io.BytesIO(reply.content)) as archive:
        assert [member.name for member in archive] == [path[1:]]


@pytest.mark.parametrize(
    "path,status,code",
    [
        ("/none", 404, "FILE_NOT_FOUND"),
        ("/workspace/../etc", 422, "VALIDATION_ERROR"),
        ("/workspace/app/pipe", 422, "VALIDATION_ERROR"),
    ],
)
def test_bad_paths(client, filled, path, status, code):
    reply = look(client, filled["id"], "files", path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.json()["error"]["details"].get("field", "path") == "path"


def test_a_file_is_no_directory(client, filled):
    reply = look(client, filled["id"], "tree", "/workspace/app/file")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "NOT_DIRECTORY")


def test_too_much_is_refused(client, make_sandbox):
    sandbox = make_sandbox(disk_mb=4096)
    sandbox.output(
        "cd /workspace && mkdir many sizes && (cd many && seq 5001 | xargs mkdir) && truncate -s 700M sizes/a"
        " && cp --sparse=always sizes/a sizes/b && truncate -s 2200M huge"
    )
    taken = take(sandbox)
    for path in ("many", "sizes", "huge"):
        reply = look(client, taken["id"], "files", path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "TOO_LARGE"), path
    assert int(look(client, taken["id"], "files", "sizes/a").headers["Content-Length"]) == 700 << 20


def test_it_is_hidden_and_gone_with_its_snapshot(fresh_instance):
    atoll = fresh_instance(max_sandboxes=1)
    client = atoll.client()
    with client.create() as sandbox:
        taken = take(sandbox)
        tree(client, taken["id"], "/")
        assert [entry["id"] for entry in client.list()] == [sandbox.id]
        hidden = hosted(atoll) - {sandbox.id}
        assert len(hidden) == 1
        assert client.get(f"/sandboxes/{min(hidden)}").status_code == 404
        tree(client, taken["id"], "/")
        assert hosted(atoll) - {sandbox.id} == hidden, "the same one is used again"
        checked(client.delete(f"/snapshots/{taken['id']}"))
        assert look(client, taken["id"], "tree", "/").status_code == 404
        assert hosted(atoll) == {sandbox.id}


def test_it_ends_after_a_while(fresh_instance):
    atoll = fresh_instance(snapshot_view_sec=1)
    client = atoll.client()
    with client.create() as sandbox:
        taken = take(sandbox)
        tree(client, taken["id"], "/")
        wait_until(lambda: hosted(atoll) == {sandbox.id}, 20, "the hidden sandbox to end")
        tree(client, taken["id"], "/")


def test_crashes_leave_nothing(fresh_instance):
    atoll = fresh_instance()
    client = atoll.client()
    with client.create() as sandbox:
        taken = take(sandbox)
        tree(client, taken["id"], "/")
        atoll.api.kill9()
        atoll.revive()
        wait_until(lambda: hosted(atoll) == {sandbox.id}, 20, "the hidden sandbox to end")
        tree(client, taken["id"], "/")
        atoll.host.kill9()
        atoll.revive()
        wait_until(atoll.connected, 20, "atoll-host to be found")
        tree(client, taken["id"], "/")
        assert len(hosted(atoll)) == 2


def test_a_damaged_one_is_refused(instance, client, make_sandbox):
    sandbox = make_sandbox()
    taken = take(sandbox)
    disk = instance.state / "snapshots" / taken["id"] / "disk.img"
    with disk.open("r+b") as file:
        file.truncate(disk.stat().st_size // 2)
    reply = look(client, taken["id"], "tree", "/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "SANDBOX_NOT_RESTORABLE")
    restored = take(sandbox)
    restore(sandbox, restored)


def test_other_tenants_see_nothing(other_client, filled):
    for kind in ("tree", "files"):
        reply = other_client.get(f"/snapshots/{filled['id']}/{kind}", params={"path": "/"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_only_so_many_are_shown_at_once(fresh_instance):
    atoll = fresh_instance()
    client = atoll.client()
    with client.create() as sandbox:
        sandbox.write("/workspace/n", "")
        taken = []
        for number in range(6):
            sandbox.write("/workspace/n", str(number))
            taken.append(take(sandbox)["id"])
        for number, snapshot in enumerate(taken):
            assert look(client, snapshot, "files", "n").content == str(number).encode()
        assert len(hosted(atoll) - {sandbox.id}) == 4, "those looked at last"
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            replies = list(pool.map(lambda snapshot: look(client, snapshot, "files", "n"), taken * 2))
        for number, reply in enumerate(replies):
            if reply.status_code == 200:
                assert reply.content == str(number % 6).encode()
            else:
                error = reply.json()["error"]
                assert (reply.status_code, error["code"], error["retryable"]) == (503, "CAPACITY_EXHAUSTED", True)
        assert [reply.status_code for reply in replies].count(200) >= 4
        assert len(hosted(atoll) - {sandbox.id}) <= 4
        assert len(client.list()) == 1
