"""The base template: what users expect to find in a sandbox, and what must not be there."""

import base64
import io
import os
import stat
import zipfile

import pytest

from harness import paths


@pytest.mark.parametrize(
    "command",
    [
        "bash --version",
        "python3 --version",
        "pip --version",
        "node --version",
        "npm --version",
        "git --version",
        "curl --version",
        "gcc --version",
        "make --version",
        "ps aux",
        "jq --version",
    ],
)
def test_programs_are_there(shared_sandbox, command):
    assert shared_sandbox.output(command)


def test_python_is_the_virtual_environments(shared_sandbox):
    assert shared_sandbox.output("command -v python3").strip() == "/opt/venv/bin/python3"
    assert shared_sandbox.output("python3 -c 'import sys; print(sys.prefix)'").strip() == "/opt/venv"


def test_a_login_shell_has_the_same_path(shared_sandbox):
    assert shared_sandbox.output("bash -lc 'command -v pip'").strip() == "/opt/venv/bin/pip"


@pytest.mark.parametrize("user,home", [("root", "/root"), ("sandbox", "/home/sandbox")])
def test_both_users_can_write_where_they_work(shared_sandbox, user, home):
    script = f"set -e; for d in /workspace /tmp {home}; do touch $d/by-{user}; done; id -un; echo $HOME"
    assert shared_sandbox.output(script, user=user) == f"{user}\n{home}\n"


def wheel():
    """A minimal Python package, so that the test needs no network."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("island.py", "print('ring')\n")
        archive.writestr("island-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: island\nVersion: 1.0\n")
        archive.writestr("island-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("island-1.0.dist-info/RECORD", "")
    return base64.b64encode(content.getvalue()).decode()


@pytest.mark.parametrize("user", ["root", "sandbox"])
def test_pip_installs_into_the_environment(client, user):
    with client.create() as sandbox:
        name = "/tmp/island-1.0-py3-none-any.whl"
        sandbox.output(f"base64 -d > {name}", stdin=wheel(), user=user)
        sandbox.output(f"pip install --no-index {name}", user=user, timeout=120)
        assert sandbox.output("python3 -m island", user=user) == "ring\n"


def test_npm_installs_a_local_package(sandbox):
    script = """set -e
        mkdir -p /workspace/lib /workspace/app
        cd /workspace/lib && npm init -y >/dev/null && echo 'module.exports = "ring"' > index.js
        cd /workspace/app && npm init -y >/dev/null && npm install --offline ../lib >/dev/null
        node -p 'require("lib")'"""
    assert sandbox.output(script, timeout=120).strip() == "ring"


def test_c_compiles_and_runs(shared_sandbox):
    source = '#include <stdio.h>\\nint main(void) { return puts("ring") < 0; }\\n'
    assert shared_sandbox.output(f"cd /tmp && printf '{source}' > a.c && gcc -O2 a.c -o a && ./a") == "ring\n"


def test_git_commits(shared_sandbox):
    script = """set -e; rm -rf /tmp/repository; git init -q /tmp/repository; cd /tmp/repository; echo a > a; git add a
        git -c user.name=n -c user.email=e@example.org commit -qm first; git log --format=%s"""
    assert shared_sandbox.output(script) == "first\n"


def test_the_locale_is_utf8(shared_sandbox):
    assert shared_sandbox.output("python3 -c 'print(\"\\u00e4toll\")'") == "ätoll\n"


def test_packages_can_be_installed_with_apt(client):
    """Needs no network: the package is made inside."""
    script = """set -e; mkdir -p /tmp/p/DEBIAN /tmp/p/usr/share/ring
        printf 'Package: ring\\nVersion: 1\\nArchitecture: all\\nMaintainer: n <e@example.org>\\nDescription: d\\n' \
            > /tmp/p/DEBIAN/control
        echo sand > /tmp/p/usr/share/ring/sand; chown 1000:1000 /tmp/p/usr/share/ring/sand
        dpkg-deb --build /tmp/p /tmp/ring.deb >/dev/null
        apt-get install -y /tmp/ring.deb >/dev/null
        stat -c %u /usr/share/ring/sand"""
    with client.create() as sandbox:
        assert sandbox.output(script, timeout=120).strip() == "1000"


def test_two_sandboxes_have_no_identity_in_common(client):
    with client.create() as one, client.create() as two:
        for command in ("hostname", "cat /proc/sys/kernel/random/boot_id; hostname"):
            assert one.output(command) != two.output(command)
        assert one.output("cat /etc/machine-id") == ""


def test_no_file_of_the_image_is_set_user_id():
    root = paths.IMAGES / "miosa-sandbox" / "rootfs"
    for directory, _, names in os.walk(root):
        for name in names:
            mode = os.lstat(os.path.join(directory, name)).st_mode
            assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), f"{directory}/{name}"


def test_the_image_is_for_root_only():
    assert stat.S_IMODE((paths.IMAGES / "miosa-sandbox" / "rootfs").stat().st_mode) == 0o700
