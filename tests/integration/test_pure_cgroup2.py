"""The container engine on a machine with cgroup v2 alone, which this one may not be: Debian's kernel in a virtual
machine, our programs inside."""



import re
import shutil
import subprocess

import pytest

from harness import paths
from harness.guest import Guest

pytestmark = pytest.mark.skipif(paths.is_sanitized(), reason="too slow under emulation with sanitizers")

PROGRAMS = ("nft", "mke2fs", "e2fsck")
# With what they depend on. A guest loads modules only while it boots.
MODULES = (
    "loop", "veth", "nf_tables", "nft_ct", "nft_masq", "nft_chain_nat", "nft_fib_ipv4", "nft_fib_ipv6", "nft_fib_inet",
    "nft_reject_inet",
)

# A template has no mount(8), and a machine shows few devices.
PREPARE = """
set -e
mkdir -p /payload /srv/state/run /srv/state/data /srv/images/miosa-sandbox/rootfs
python3 -c '
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for device, place, kind in (
    (b"devtmpfs", b"/dev", b"devtmpfs"), (b"cgroup2", b"/sys/fs/cgroup", b"cgroup2"), (b"/dev/vdc", b"/payload", b"ext4"),
    (b"/dev/vda", b"/srv/images/miosa-sandbox/rootfs", b"ext4"),
):
    assert libc.mount(device, place, kind, kind == b"ext4", None) == 0, os.strerror(ctypes.get_errno())
'
cp -n /payload/lib/* /usr/lib/x86_64-linux-gnu/
cp /payload/sbin/* /usr/sbin/
cp /payload/manifest.json /srv/images/miosa-sandbox/
useradd --system --user-group --no-create-home atoll
chmod 711 /srv /srv/state
chown root:atoll /srv/state/run; chmod 750 /srv/state/run
chown atoll:atoll /srv/state/data; chmod 700 /srv/state/data
ls /sys/fs/cgroup/cgroup.controllers
"""

START = """
export ATOLL_STATE=/srv/state ATOLL_IMAGES=/srv/images
export ATOLL_CATALOGUE=/payload/templates ATOLL_AGENT=/payload/bin/atoll-agent ATOLL_WARM_SANDBOXES=0 ATOLL_SPARE_SLOTS=1
export ATOLL_RATE_LIMIT=0
case $1 in
host) exec /payload/bin/atoll-host >/srv/host.log 2>&1 ;;
api) exec setpriv --reuid atoll --regid atoll --init-groups /payload/bin/atolld >/srv/api.log 2>&1 ;;
key) exec setpriv --reuid atoll --regid atoll --init-groups /payload/bin/atolld admin create-key --tenant t --name k ;;
esac
"""

SMOKE = """
import json, os, subprocess, sys, time, urllib.error, urllib.request
def start(*words): return subprocess.Popen(["sh", "/payload/start.sh", *words], stdout=subprocess.PIPE, text=True)
def call(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:8080" + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as reply: text = reply.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.code} {error.read()}")
    return json.loads(text) if text else None
def wait(condition):
    for _ in range(600):
        if condition(): return
        time.sleep(0.1)
    raise SystemExit("it did not come up: " + open("/srv/host.log").read() + open("/srv/api.log").read())
def answers():
    try: return call("GET", "/health")["status"]
    except (OSError, SystemExit): return False
def run(command, **fields):
    return call("POST", f"/api/v1/sandboxes/{box}/exec", {"command": command, "timeout_seconds": 100, **fields})["data"]

FORKS = "import os, signal\\ntry:\\n  for n in range(100): os.fork() or signal.pause()\\nexcept OSError: print('limited', flush=True); os.killpg(0, 9)\\n"
key = ""
start("host")
wait(lambda: os.path.exists("/srv/state/run/host.sock"))
start("api")
wait(lambda: answers())
key = start("key").communicate()[0].strip()
made = call("POST", "/api/v1/sandboxes", {"memory_mb": 128, "disk_mb": 256, "process_limit": 64})
box = made.get("data", made)["id"]
run("cat > /tmp/forks.py", stdin=FORKS)
print("exec", run("echo hi")["stdout"].strip(), flush=True)
print("network", run("ip -4 -o addr show eth0 | wc -l")["stdout"].strip(), flush=True)
print("memory", run("python3 -c 'x = bytearray(1 << 30)'")["exit_code"], flush=True)
print("processes", run("python3 /tmp/forks.py")["stdout"].strip(), flush=True)
print("kept", run("echo kept > /workspace/a; nohup sleep 1000 >/dev/null 2>&1 & cat /workspace/a")["stdout"].strip(), flush=True)
call("POST", f"/api/v1/sandboxes/{box}/pause", {})
print("frozen", "1" in [open(f"{d}/cgroup.freeze").read().strip() for d, _, f in os.walk("/sys/fs/cgroup") if "cgroup.freeze" in f], flush=True)
call("POST", f"/api/v1/sandboxes/{box}/resume", {})
print("resumed", run("cat /workspace/a")["stdout"].strip(), flush=True)
taken = call("POST", f"/api/v1/sandboxes/{box}/snapshots", {})["data"]
fork = call("POST", f"/api/v1/sandboxes/{box}/fork", {})
fork = fork.get("data", fork)["id"]
first, box = box, fork
print("fork", run("cat /workspace/a")["stdout"].strip(), flush=True)
for each in (first, fork):
    call("DELETE", f"/api/v1/sandboxes/{each}")
print("done", flush=True)
"""


def host_library_files(programs):
    for program in programs:
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        yield from re.findall(r"=> (/\S+)", told)


def fetch_modules(directory):
    """The modules of the guest's kernel that the container engine needs, from its package, in an order in which
    they can be loaded."""
    release, version = (paths.IMAGES / ".guest/kernel/version").read_text().split()
    package = f"linux-image-{release}={version}"
    subprocess.run(
        ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package], cwd=directory, check=True, timeout=300
    )
    (deb,) = directory.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", deb, directory / "package"], check=True)
    there = {path.stem.replace("-", "_"): path for path in (directory / "package").rglob("*.ko")}
    found = {}

    def need(name):
        if name in there and name not in found:
            depends = re.search(rb"\0depends=([^\0]*)\0", there[name].read_bytes())[1].decode()
            for other in filter(None, depends.split(",")):
                need(other.replace("-", "_"))
            found[name] = there[name]

    for name in MODULES:
        need(name)
    return list(found.values())


def make_initramfs(directory):
    """The guest's, and behind it another archive with more modules: later files win."""
    top = directory / "initramfs" / "modules"
    top.mkdir(parents=True)
    order = (paths.IMAGES / ".guest/kernel/modules/order").read_text()
    for module in fetch_modules(directory):
        shutil.copy(module, top)
        order += f"{module.name}\n"
    (top / "order").write_text(order)
    names = "".join(f"modules/{name}\n" for name in sorted(path.name for path in top.iterdir()))
    made = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc"], cwd=top.parent, input=names.encode(), capture_output=True, check=True
    )
    whole = directory / "initrd"
    whole.write_bytes((paths.IMAGES / ".guest/initrd").read_bytes() + made.stdout)
    return whole


def make_payload(directory):
    """A disk with our programs, and what they need that a template has not."""
    top = directory / "payload"
    for name in ("bin", "sbin", "lib", "templates"):
        (top / name).mkdir(parents=True)
    for name in paths.PROGRAMS:
        shutil.copy(paths.built(name), top / "bin" / name)
    others = [shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in PROGRAMS]
    for program in others:
        shutil.copy(program, top / "sbin")
    for library in set(host_library_files([*others, *(top / "bin" / name for name in ("atolld", "atoll-host"))])):
        if not re.search(r"/(libc|ld-linux[^/]*|libpthread|libm|libdl|librt)\.so", library):
            shutil.copy(library, top / "lib")
    for file in (paths.SOURCE / "templates").glob("*.json"):
        shutil.copy(file, top / "templates")
    shutil.copy(paths.IMAGES / "miosa-sandbox" / "manifest.json", top)
    for name, text in (("start.sh", START), ("smoke.py", SMOKE)):
        (top / name).write_text(text)
    for path in [top, *top.rglob("*")]:
        path.chmod(0o755)
    size = sum(path.stat().st_size for path in top.rglob("*") if path.is_file())
    image = directory / "payload.ext4"
    with image.open("wb") as file:
        file.truncate(size * 5 // 4 + (16 << 20))
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-d", top, image], check=True, capture_output=True)
    return image


class Machine(Guest):
    """A guest with more modules, another disk, and more of everything."""

    memory_mb = 1536
    disk_mb = 2048

    def __init__(self, directory):
        super().__init__(directory)
        self.payload, self.initramfs = make_payload(directory), make_initramfs(directory)

    def _command(self):
        command = super()._command()
        command[command.index("-initrd") + 1] = self.initramfs
        return command

    def _devices(self):
        file = f"driver=raw,node-name=p,read-only=on,file.driver=file,file.filename={self.payload},file.locking=off"
        return [*super()._devices(), "-blockdev", file, "-device", "virtio-blk-pci,drive=p"]


def test_the_container_engine_on_cgroup_v2_alone(tmp_path):
    with Machine(tmp_path) as machine:
        machine.ready()
        assert "cgroup.controllers" in machine.output(PREPARE)
        assert machine.output("grep -c cgroup2 /proc/mounts; grep -c ' cgroup ' /proc/mounts || true").split() == ["1", "0"]
        told = machine.output("python3 /payload/smoke.py 2>&1; tail -n 9 /srv/host.log /srv/api.log 2>&1; true")
    lines = told.splitlines()
    assert "done" in lines, told
    for line in ("exec hi", "network 1", "memory 137", "processes limited", "kept kept", "frozen True", "resumed kept", "fork kept"):
        assert line in lines, told
