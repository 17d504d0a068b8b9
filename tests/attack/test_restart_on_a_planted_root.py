"""CVE-2021-30465, CVE-2025-31133 and kin: what a sandbox plants in its root before a restart leads nowhere."""

import pytest

from harness.client import ApiError

PLANTS = {
    "links at mount targets": "for d in proc sys dev run; do rm -rf /tmp/$d; done; cd /; umount -l proc 2>/dev/null; "
    "mkdir -p /tmp/new; for d in dev proc sys run tmp; do mv /$d /old-$d 2>/dev/null; ln -sfn / /$d 2>/dev/null; done",
    "resolv.conf to the host": "rm -f /etc/resolv.conf /etc/hosts /etc/hostname; ln -s ../../../../../etc/hostname "
    "/etc/resolv.conf; ln -s /proc/sys/kernel/core_pattern /etc/hosts; ln -s /dev/sda /etc/hostname",
    "files for directories": "rm -rf /run /var/run /srv; touch /run /srv 2>/dev/null",
    "etc to proc": "mv /etc /etc2; ln -s /proc/self/root /etc",
    "no shell": "rm -f /bin/bash /bin/sh /usr/bin/bash /usr/bin/dash",
    "a directory for passwd": "rm -f /etc/passwd /etc/group; mkdir /etc/passwd /etc/group",
    "an endless passwd": "rm -f /etc/passwd; ln -s /dev/zero /etc/passwd",
    "a pipe for passwd": "rm -f /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group",
    "a loop for passwd": "rm -f /etc/passwd; ln -s passwd /etc/passwd",
}


def host_values():
    values = {}
    for path in ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc/sys/kernel/core_pattern"):
        with open(path) as file:
            values[path] = file.read()
    return values


@pytest.mark.parametrize("name", PLANTS)
def test_the_host_is_untouched_and_the_end_is_clean(client, neighbour, name):
    before = host_values()
    with client.create() as sandbox:
        sandbox.exec(PLANTS[name])
        for turn in range(2):
            # Whether it starts again is its own business; that it ends in a state with a reason is ours.
            try:
                sandbox.exec(["/usr/bin/true"], timeout=10)
                sandbox.exec(["/usr/bin/true"], user="sandbox", timeout=10)
            except ApiError as error:
                assert error.status < 500 or error.code in ("AGENT_UNAVAILABLE", "ENGINE_FAILED"), error
            try:
                sandbox.stop()
                sandbox.resume()
            except ApiError as error:
                assert error.code in (
                    "ENGINE_FAILED",
                    "SANDBOX_NOT_RUNNING",
                    "SANDBOX_NOT_PAUSED",
                    "SANDBOX_NOT_RESTORABLE",
                    "INTERNAL_ERROR",
                ), (turn, error)
            assert sandbox.state in ("running", "paused", "error")
    assert host_values() == before
    neighbour.check()


def test_masked_paths_stay_masked_after_a_restart(sandbox):
    sandbox.exec("rm -f /dev/null; ln -s /proc/sys/kernel/core_pattern /dev/null; rm -f /dev/console")
    sandbox.stop()
    sandbox.resume()
    assert sandbox.output("stat -c '%F %t:%T' /dev/null") == "character special file 1:3\n"
    for path in ("/proc/kcore", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/keys"):
        told = sandbox.exec(f"test -e {path} || exit 0; head -c 10 {path} | wc -c; echo b > {path}")
        assert told["stdout"].strip() in ("", "0"), (path, told)


def test_device_nodes_are_what_they_seem(sandbox):
    expected = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    for name, numbers in expected.items():
        assert sandbox.output(f"stat -c %t:%T /dev/{name}").strip() == numbers
    others = sandbox.output("find /dev -type b -o -type c | sort").split()
    assert not [path for path in others if path.split("/")[2] not in {*expected, "ptmx", "pts", "console"}]
