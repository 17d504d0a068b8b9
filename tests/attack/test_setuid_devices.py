"""CVE-2023-0386, CVE-2021-3493: no way up by set-user-id files, capabilities, devices or overlay attributes."""

WHO = r"""
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    printf("%d %d\n", setuid(0) == 0 || setreuid(0, 0) == 0, geteuid());
    return 0;
}
"""


def test_a_set_user_id_file_changes_nothing(shared_sandbox):
    shared_sandbox.write("/tmp/who.c", WHO)
    shared_sandbox.output("gcc -o /usr/local/bin/who-am-i /tmp/who.c && chmod 6755 /usr/local/bin/who-am-i")
    assert shared_sandbox.output(["/usr/local/bin/who-am-i"], user="sandbox") == "0 1000\n"


def test_set_user_id_bits_given_through_the_api_change_nothing(shared_sandbox):
    box = shared_sandbox
    box.write("/tmp/who.c", WHO)
    box.output("gcc -o /usr/local/bin/other /tmp/who.c")
    box.client.post(f"{box.path}/fs/chmod", {"path": "/usr/local/bin/other", "mode": "4755"})
    assert box.output(["/usr/local/bin/other"], user="sandbox") == "0 1000\n"


def test_file_capabilities_change_nothing(shared_sandbox):
    box = shared_sandbox
    # cap_sys_admin,cap_setuid+ep as setcap would write it, once with a forged root id of the host
    for value in (
        "0x0100000280002000000000000000000000000000",
        "0x010000038000200000000000000000000000000000000000",
    ):
        box.output("cp /bin/cat /tmp/capable")
        code = f"import os; os.setxattr('/tmp/capable', 'security.capability', bytes.fromhex('{value[2:]}'))"
        box.exec(["python3", "-c", code])
        told = box.exec(["/tmp/capable", "/proc/self/status"], user="sandbox")
        if told["exit_code"] == 0:
            effective = next(line for line in told["stdout"].splitlines() if line.startswith("CapEff"))
            assert int(effective.split()[1], 16) == 0


def test_device_nodes_cannot_be_made_or_opened(shared_sandbox):
    for command in ("mknod /tmp/a b 8 0", "mknod /tmp/b c 1 1", "mknod /workspace/c b 7 0"):
        assert shared_sandbox.exec(command)["exit_code"] != 0, command
    told = shared_sandbox.output(
        "cd /tmp; tar cf n.tar -C /dev null && tar xf n.tar 2>/dev/null; stat -c %F null 2>/dev/null || true"
    )
    assert "special" not in told


def test_overlay_attributes_cannot_be_set(shared_sandbox):
    code = (
        "import os\n"
        "for name in ('trusted.overlay.redirect', 'trusted.overlay.opaque', 'trusted.overlay.metacopy'):\n"
        "    try: os.setxattr('/workspace', name, b'/etc'); print('SET', name)\n"
        "    except OSError: pass\n"
    )
    assert shared_sandbox.output(["python3", "-c", code]) == ""


def test_capabilities_are_the_documented_few(shared_sandbox):
    status = shared_sandbox.output(["cat", "/proc/self/status"]).splitlines()
    lines = dict(line.split(":\t", 1) for line in status)
    allowed = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 29, 31))
    assert int(lines["CapBnd"], 16) & ~allowed == 0
    assert int(lines["CapEff"], 16) & ~allowed == 0
    assert lines["NoNewPrivs"] == "1"
    assert lines["Seccomp"] == "2"


def test_the_disk_of_a_sandbox_is_nowhere_on_the_host(instance, sandbox):
    sandbox.output("cp /bin/sh /root/root-shell && chmod 4755 /root/root-shell")
    with open("/proc/self/mounts") as mounts:
        assert str(instance.state / "disks") not in mounts.read()
    assert (instance.state.stat().st_mode & 0o777) == 0o711
    for directory in ("disks", "run"):
        assert (instance.state / directory).stat().st_mode & 0o007 == 0, directory
