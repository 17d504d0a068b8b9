"""The labelled steps of the sources, by the daemon that passes them."""

import re

from harness import paths

DAEMON_OF = {
    "atoll-host": ("linux", "engine", "hostd"),
    "atolld": ("store", "agentclient", "hostclient", "template", "sandbox", "app", "http", "api", "daemon"),
}
LABEL = re.compile(r'FAULT_POINT\("([^"]+)"\)')


def labels(daemon):
    found = set()
    for layer in DAEMON_OF[daemon]:
        for path in (paths.SOURCE / "src" / layer).rglob("*.c"):
            found |= set(LABEL.findall(path.read_text()))
    return sorted(found)
