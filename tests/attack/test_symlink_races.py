"""CVE-2018-15664: while a loop swaps a directory for a link, file routes touch nothing of the host."""

import secrets

import pytest

from harness.client import Sandbox
from harness.sse import EventStream

pytestmark = pytest.mark.engines("container", "vm")

ROUNDS = 60


@pytest.fixture
def canary(tmp_path):
    """A directory of the host with a secret; the test fails when the secret moved or changed."""
    tmp_path.chmod(0o777)
    secret = secrets.token_hex(16)
    (tmp_path / "file").write_text(secret)
    (tmp_path / "file").chmod(0o666)
    yield tmp_path, secret
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    assert (tmp_path / "file").read_text() == secret
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666


def routes(sandbox, turn):
    """Every file route, all going through /workspace/swap."""
    client, path, swap = sandbox.client, sandbox.path, "/workspace/swap"
    yield lambda: client.put(f"{path}/files/raw", params={"path": f"{swap}/file"}, data=b"from outside")
    yield lambda: client.post(f"{path}/files", {"path": f"{swap}/new{turn}", "content": "eA=="})
    yield lambda: client.post(f"{path}/fs/write", {"path": f"{swap}/file", "content": "plain"})
    yield lambda: client.post(
        f"{path}/files/write-many", {"files": [{"path": f"{swap}/many", "content_base64": "eA=="}]}
    )
    yield lambda: client.get(f"{path}/fs/download", params={"path": f"{swap}/file"})
    yield lambda: client.get(f"{path}/fs/read", params={"path": f"{swap}/file"})
    yield lambda: client.get(f"{path}/files{swap}/file")
    yield lambda: client.get(f"{path}/files", params={"path": swap, "depth": 3})
    yield lambda: client.get(f"{path}/files/tree", params={"path": "/workspace", "depth": 4})
    yield lambda: client.post(f"{path}/files/stat", {"path": f"{swap}/file"})
    yield lambda: client.post(f"{path}/fs/chmod", {"path": f"{swap}/file", "mode": "000"})
    yield lambda: client.post(f"{path}/fs/mkdir", {"path": f"{swap}/dir{turn}", "recursive": True})
    yield lambda: client.post(f"{path}/fs/rename", {"from": f"{swap}/file", "to": f"{swap}/moved"})
    yield lambda: client.post(f"{path}/fs/rename", {"from": f"{swap}/moved", "to": f"{swap}/file"})
    yield lambda: client.delete(f"{path}/fs", params={"path": f"{swap}/new{turn}"})
    yield lambda: client.delete(f"{path}/fs", params={"path": swap, "recursive": "true"})


@pytest.mark.parametrize(
    "target",
    ["{}", "../../../../../../..{}", "/proc/1/root{}", "/proc/self/root{}", "/proc/self/cwd/../..{}"],
)
def test_nothing_of_the_host_is_read_or_written(sandbox: Sandbox, compiled, canary, neighbour, target):
    directory, secret = canary
    program = compiled(sandbox, "exchange")
    prepare = (
        "cd /workspace; rm -rf swap link; mkdir -p swap; echo inside > swap/file; "
        f"ln -s {target.format(directory)} link"
    )
    sandbox.output(prepare)
    with sandbox.stream([program, "/workspace/swap", "/workspace/link"], timeout=120) as attack:
        assert attack.next("stdout")["line"] == "swapping"
        for turn in range(ROUNDS // 4):
            for call in routes(sandbox, turn):
                reply = call()
                assert secret not in reply.text, (turn, reply.request.method, reply.url)
                assert reply.status_code < 500, reply.text
            sandbox.exec("cd /workspace; mkdir -p swap link; echo inside > swap/file")
    neighbour.check()


def test_removing_a_tree_that_is_swapped_meanwhile(sandbox, compiled, canary):
    directory, secret = canary
    program = compiled(sandbox, "exchange")
    # What a link inside names is inside; the same path there gets files of its own, which must survive.
    sandbox.output(f"mkdir -p {directory}; echo {secret} > {directory}/precious")
    with sandbox.stream([program, "/workspace/t/d", "/workspace/link"], timeout=120) as attack:
        attack.next("stdout")
        for _ in range(40):
            sandbox.output(
                f"cd /workspace; rm -f link; mkdir -p t/d; touch t/d/1 t/d/2; ln -sfn {directory} link; true"
            )
            sandbox.client.delete(f"{sandbox.path}/fs", params={"path": "/workspace/t", "recursive": "true"})
    assert sandbox.output(f"cat {directory}/precious").strip() == secret


def test_watching_a_tree_that_is_swapped_meanwhile(sandbox, compiled, canary):
    """Directories and links to the root change places all the time: what the links lead to is never watched."""
    directory, secret = canary
    program = compiled(sandbox, "exchange")
    sandbox.output("mkdir -p /workspace/t/d/e /tmp/other && ln -s / /workspace/link")
    for _ in range(10):
        with (
            sandbox.stream([program, "/workspace/t/d", "/workspace/link"], timeout=120) as attack,
            EventStream(sandbox.client, f"{sandbox.path}/files/watch?path=/workspace") as stream,
        ):
            attack.next("stdout")
            stream.next("ready")
            sandbox.output("touch /tmp/other/not-watched; mkdir /workspace/end")
            for name, data in stream:
                if name == "overflow":
                    break
                assert data["path"].startswith("/workspace/"), (name, data)
                assert "not-watched" not in data["path"] and secret not in str(data)
                if data["path"] == "/workspace/end":
                    break
        sandbox.output("rmdir /workspace/end")
