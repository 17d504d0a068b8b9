"""The machine loses power: every process is gone, the state directory is what remains."""

import os
import signal

from harness.wait import wait_until


def lose_power(instance):
    instance.host.kill9()
    instance.api.kill9()
    for pid in instance.resources()["processes"]:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not instance.resources()["processes"], 30, "everything is gone")
    # Process ids of another boot mean nothing; the records tell it by the kernel's boot id.
    with open(instance.state / "run" / "slots", "r+b") as records:
        head = records.read(4096)
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot_id = file.read().strip()
        assert boot_id in head
        records.seek(head.index(boot_id))
        records.write(b"0" * len(boot_id))
