"""CVE-2019-5736: the agent's program cannot be overwritten, nor does a copy of it gain anything."""

import hashlib

OVERWRITE = """
import os, sys
path = sys.argv[1]
for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND):
    try:
        fd = os.open(path, flags)
        os.write(fd, b'owned')
        print('WROTE', path)
    except OSError as error:
        print(error.strerror)
try:
    fd = os.open(path, os.O_PATH)
    again = os.open(f'/proc/self/fd/{fd}', os.O_WRONLY)
    os.write(again, b'owned')
    print('WROTE', path)
except OSError as error:
    print(error.strerror)
"""


def digest(instance, sandbox):
    with open(f"/proc/{instance.init_of(sandbox)}/exe", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_the_agents_program_cannot_be_overwritten(instance, sandbox, neighbour):
    before = digest(instance, sandbox)
    assert "WROTE" not in sandbox.output(["python3", "-c", OVERWRITE, "/proc/1/exe"])
    # A command that is the agent's own program, as /proc/self/exe names it at the moment of exec.
    for argv in (["/proc/self/exe"], ["/proc/self/exe", "--help"], ["/proc/thread-self/exe"]):
        reply = sandbox.client.post(f"{sandbox.path}/exec", {"argv": argv, "timeout": 2})
        assert reply.status_code in (200, 422)
    sandbox.write("/workspace/script", "#!/proc/self/exe\n", mode="0755")
    sandbox.client.post(f"{sandbox.path}/exec", {"argv": ["/workspace/script"], "timeout": 2})
    assert digest(instance, sandbox) == digest(instance, neighbour) == before
    assert sandbox.output("echo fine") == "fine\n"


def test_writing_while_a_copy_of_the_agent_runs(instance, sandbox, neighbour):
    before = digest(instance, sandbox)
    with sandbox.stream(["/proc/self/exe"], timeout=10):
        code = (
            "for p in /proc/[0-9]*; do [ $p = /proc/1 ] && continue; "
            'case $(readlink $p/exe) in *memfd*) python3 -c "$CODE" $p/exe;; esac; done'
        )
        assert "WROTE" not in sandbox.exec(code, env={"CODE": OVERWRITE})["stdout"]
    assert digest(instance, sandbox) == digest(instance, neighbour) == before


def test_file_routes_cannot_overwrite_it(instance, sandbox):
    before = digest(instance, sandbox)
    for path in ("/proc/self/exe", "/proc/1/exe", "/proc/thread-self/exe"):
        sandbox.output(f"rm -f /workspace/exe; ln -s {path} /workspace/exe")
        for target in (path, "/workspace/exe"):
            reply = sandbox.client.put(f"{sandbox.path}/files/raw", params={"path": target}, data=b"owned")
            assert reply.status_code >= 400, (target, reply.text)
    assert digest(instance, sandbox) == before
    assert sandbox.output("echo fine") == "fine\n"


def test_planted_libraries_are_loaded_by_nobody_outside(sandbox):
    """CVE-2019-14271: a library inside is code for what runs inside, and for nothing else."""
    sandbox.write("/tmp/evil.c", "void __attribute__((constructor)) f(void) { __builtin_trap(); }")
    sandbox.output(
        "gcc -shared -fPIC -o /tmp/evil.so /tmp/evil.c; cd /lib/x86_64-linux-gnu; "
        "for name in libnss_files.so.2 libnss_dns.so.2 libnss_compat.so.2; do cp /tmp/evil.so $name; done; "
        "printf 'passwd: evil files\\n' > /etc/nsswitch.conf; cp /tmp/evil.so libnss_evil.so.2"
    )
    assert sandbox.exec(["/bin/true"], user="sandbox")["exit_code"] == 0
    sandbox.write("/workspace/f", "x")
    assert sandbox.read("/workspace/f") == b"x"
    sandbox.pause()
    sandbox.resume()
    sandbox.stop()
    sandbox.resume()
    assert sandbox.exec(["/bin/true"])["exit_code"] == 0
