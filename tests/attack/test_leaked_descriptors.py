"""CVE-2024-21626 and its kin: no descriptor of the host or of the agent is within reach of a command."""

import pytest

from harness.expect import describe

# Names that exist only outside of a sandbox, or in the agent's own cgroup directory.
OUTSIDE = {"cgroup.procs", "cgroup.kill", "cgroup.controllers", "cgroup.events", "host.sock", "records"}


def test_a_command_has_only_its_three_descriptors(shared_sandbox):
    # ls itself opens the directory as 3.
    assert shared_sandbox.output(["ls", "/proc/self/fd"]).split() == ["0", "1", "2", "3"]
    for number, kind in ((0, "/dev/null"), (1, "pipe:"), (2, "pipe:")):
        assert shared_sandbox.output(["readlink", f"/proc/self/fd/{number}"]).startswith(kind)


def test_a_stream_has_only_its_three_descriptors(shared_sandbox):
    with shared_sandbox.stream(["ls", "/proc/self/fd"], open_stdin=True) as stream:
        names = [data["line"] for name, data in stream if name == "stdout"]
    assert names == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "place", ["/proc/self/fd/{}", "/dev/fd/{}", "/proc/thread-self/fd/{}", "/proc/self/cwd/../{}"]
)
def test_no_descriptor_serves_as_working_directory(shared_sandbox, place):
    for number in range(3, 40):
        for suffix in ("", "/.", "/..", "/../../.."):
            body = {"argv": ["/bin/ls", "-a"], "cwd": place.format(number) + suffix}
            reply = shared_sandbox.client.post(f"{shared_sandbox.path}/exec", body)
            assert reply.status_code in (200, 400, 409, 422), describe(reply)
            if reply.status_code == 200:
                names = set(reply.json()["data"]["stdout"].split())
                assert not names & OUTSIDE, (place, number, suffix, names)


@pytest.mark.parametrize("base", ["/proc/self/fd", "/proc/thread-self/fd", "/proc/1/fd", "/dev/fd"])
def test_file_routes_do_not_follow_the_agents_descriptors(shared_sandbox, base):
    box = shared_sandbox
    for number in range(3, 24):
        box.output(f"rm -rf /workspace/link; ln -s {base}/{number}/.. /workspace/link")
        for path in (
            "/workspace/link",
            f"{base}/{number}",
            f"{base}/{number}/../..",
            "/workspace/link/../..",
        ):
            reply = box.client.get(f"{box.path}/files", params={"path": path, "depth": 1})
            if reply.status_code == 200:
                names = {entry["name"] for entry in reply.json()["data"]["entries"]}
                assert not names & OUTSIDE, (path, names)
        for name in ("cgroup.procs", "cgroup.kill", "memory.events"):
            query = {"path": f"{base}/{number}/{name}"}
            assert box.client.get(f"{box.path}/fs/download", params=query).status_code >= 400
            assert box.client.put(f"{box.path}/files/raw", params=query, data=b"0").status_code >= 400


def test_the_agent_keeps_its_own_memory_and_descriptors(shared_sandbox):
    for name in ("mem", "environ", "maps", "auxv", "root", "cwd", "exe", "map_files", "stack", "syscall"):
        told = shared_sandbox.exec(f"cat /proc/1/{name} || ls /proc/1/{name}/.")
        assert (told["exit_code"] != 0) and told["stdout"] == "", (name, told)
    # That descriptors exist is no secret; what they are, and using them, is.
    for number in range(3, 24):
        for path in (f"/proc/1/fd/{number}", f"/proc/1/task/1/fd/{number}"):
            told = shared_sandbox.exec(f"readlink {path} || cat {path} || ls -a {path}/")
            assert told["exit_code"] != 0 and told["stdout"] == "", (path, told)


@pytest.mark.parametrize("who", ["self", "1", "thread-self"])
def test_file_routes_do_not_reach_the_agents_memory(shared_sandbox, who):
    box = shared_sandbox
    for name in ("mem", "root/etc/hostname", "cwd/etc/hostname", "exe", "fd/3", "fd/4", "fd/5"):
        query = {"path": f"/proc/{who}/{name}"}
        reply = box.client.get(f"{box.path}/fs/download", params=query)
        assert reply.status_code >= 400 or reply.content == b"", (who, name)
        assert box.client.put(f"{box.path}/files/raw", params=query, data=b"x").status_code >= 400


def test_the_agents_socket_cannot_be_reached_from_inside(shared_sandbox):
    paths = [line.split()[-1] for line in shared_sandbox.output("cat /proc/net/unix").splitlines()[1:]]
    code = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for path in [path for path in paths if path.startswith(("/", "@"))]:
        address = "\0" + path[1:] if path.startswith("@") else path
        if "\0" in address:
            continue
        assert shared_sandbox.exec(["python3", "-c", code, address])["exit_code"] != 0, path
    assert "LISTEN" not in shared_sandbox.exec("ss -ltn | tail -n +2")["stdout"]
