"""A guest on a bare QEMU, past every engine: what the kernel, atoll-guest-init and the agent do by themselves."""

import ctypes
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

from harness import paths
from harness.wait import wait_until

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)
_BOOT_SECONDS = 120  # emulated, on a busy machine


def _header(name):
    return (paths.SOURCE / "src/wire" / name).read_text()


def _enum(name):
    """The members of an enum of the protocol, which begin with 1, without their common prefix."""
    prefix = {"agent_operation": "AGENT_OP_", "agent_tag": "AGENT_", "agent_frame": "AGENT_FRAME_"}[name]
    body = re.search(rf"enum {name} \{{(.*?)\n\}};", _header("agent_protocol.h"), re.DOTALL)[1]
    names = re.findall(r"^\s*([A-Z_]+)(?: = 1)?,", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL), re.MULTILINE)
    return {name.removeprefix(prefix): number for number, name in enumerate(names, 1)}


def _defines(header):
    return dict(re.findall(r'#define (GUEST_\w+)\s+"([^"]+)"', _header(header)))


def _kernel_arguments():
    body = re.search(r"#define GUEST_KERNEL_ARGUMENTS(.*?)\n\n", _header("guest_boot.h"), re.DOTALL)[1]
    return "".join(re.findall(r'"([^"]*)"', body))


OPERATIONS, TAGS, FRAMES = _enum("agent_operation"), _enum("agent_tag"), _enum("agent_frame")
NETWORK, BOOT = _defines("guest_network.h"), _defines("guest_boot.h")
_PORT = int(re.search(r"GUEST_AGENT_PORT = (\d+)", _header("guest_network.h"))[1])
_TAG_NAMES = {number: name for name, number in TAGS.items()}
_FRAME_NAMES = {number: name for name, number in FRAMES.items()}


def _frame(name, payload=b""):
    return struct.pack("<IB3x", len(payload), FRAMES[name]) + payload


def _field(name, value):
    data = struct.pack("<q", value) if isinstance(value, int) else value if isinstance(value, bytes) else value.encode()
    return struct.pack("<HI", TAGS[name], len(data)) + data


def _fields(payload):
    found = {}
    while payload:
        tag, length = struct.unpack_from("<HI", payload)
        data, payload = payload[6 : 6 + length], payload[6 + length :]
        found[_TAG_NAMES[tag]] = struct.unpack("<q", data)[0] if length == 8 else data.decode()
    return found


class Call:
    """One operation of an agent; closing it cancels the operation."""

    def __init__(self, connection, operation, *fields):
        self.connection = connection
        self.reader = connection.makefile("rb")
        payload = _field("OPERATION", OPERATIONS[operation]) + b"".join(_field(*field) for field in fields)
        connection.sendall(_frame("HEAD", payload))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.connection.close()

    def send(self, name, payload=b""):
        self.connection.sendall(_frame(name, payload))

    def next(self):
        """(name, payload), or None at the end of the connection."""
        header = self.reader.read(8)
        if len(header) < 8:
            return None
        length, kind = struct.unpack("<IB3x", header)
        return _FRAME_NAMES[kind], self.reader.read(length)

    def final(self):
        """The final frame's name and fields, and the output before it."""
        output = b""
        while True:
            name, payload = self.next() or ("CLOSED", b"")
            if name in ("STDOUT", "STDERR"):
                output += payload
            elif name in ("EXIT", "DONE", "ERROR", "CLOSED"):
                return name, _fields(payload), output.decode()


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.reader = self.socket.makefile("r")
        self.reader.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.reader.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.reader.close()
        self.socket.close()


class Guest:
    """A machine in a network namespace of its own. arguments: more of the kernel's; source: a saved one to go on from;
    disk: one that another guest has left; bare: without devices."""

    memory_mb = 384
    disk_mb = 256

    def __init__(self, directory, arguments="", source=None, disk=None, bare=False):
        self.number = next(_numbers)
        self.name = f"atguest-{os.getpid()}-{self.number}"
        self.directory = pathlib.Path(directory) / self.name
        self.directory.mkdir()
        self.arguments, self.source, self.disk, self.bare = arguments, source, disk, bare
        self.process = self.monitor = None

    def __enter__(self):
        try:
            self._make_network()
            self._make_files()
            self.process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self._connect_monitor()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.monitor:
            self.monitor.close()
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)

    def _make_network(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for device, address, own, guest, hardware in (
            (NETWORK["GUEST_AGENT_TAP"], NETWORK["GUEST_AGENT_TAP_MAC"], NETWORK["GUEST_AGENT_HOST_ADDRESS"],
             NETWORK["GUEST_AGENT_ADDRESS"], NETWORK["GUEST_AGENT_MAC"]),
            (NETWORK["GUEST_TAP"], NETWORK["GUEST_TAP_MAC"], NETWORK["GUEST_GATEWAY_ADDRESS"],
             NETWORK["GUEST_ADDRESS"], NETWORK["GUEST_MAC"]),
        ):
            for command in (
                f"tuntap add {device} mode tap",
                f"link set {device} address {address} up",
                f"addr add {own}/30 dev {device}",
                f"neigh add {guest} lladdr {hardware} dev {device} nud permanent",
            ):
                subprocess.run(["ip", "-n", self.name, *command.split()], check=True)

    def _make_files(self):
        disk = self.directory / "disk"
        if self.source:  # its memory is mapped copy-on-write
            subprocess.run(["cp", "--sparse=always", self.source.directory / "disk", disk], check=True)
            return
        with open(self.directory / "memory", "wb") as file:
            file.truncate(self.memory_mb << 20)
        if self.disk:
            shutil.move(self.disk, disk)
        else:
            subprocess.run(["mkfs.ext4", "-q", disk, f"{self.disk_mb}M"], check=True, capture_output=True)

    def _command(self):
        guest = paths.IMAGES / ".guest"
        memory, share = (self.source.directory, "off") if self.source else (self.directory, "on")
        command = [
            "ip", "netns", "exec", self.name, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-accel", "tcg",
            "-M", "pc,memory-backend=m,suppress-vmdesc=on", "-m", str(self.memory_mb), "-display", "none", "-no-reboot",
            "-action", "panic=exit-failure", "-device", "pvpanic", "-global", "migration.send-configuration=off",
            "-object", f"memory-backend-file,id=m,size={self.memory_mb}M,mem-path={memory}/memory,share={share}",
            "-kernel", guest / "vmlinuz", "-initrd", guest / "initrd",
            "-append", f"{_kernel_arguments()} {self.arguments}",
            "-serial", f"file:{self.directory}/console", "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
        ]
        if self.source:
            command += ["-incoming", f"exec:cat {self.source.directory}/device"]
        return command if self.bare else command + self._devices()

    def _devices(self):
        image = paths.IMAGES / "miosa-sandbox" / "root.ext4"
        devices = []
        for name, file, more in (("r", image, ",read-only=on"), ("d", self.directory / "disk", "")):
            file = f"driver=raw,node-name={name}{more},file.driver=file,file.filename={file},file.locking=off"
            devices += ["-blockdev", file, "-device", f"virtio-blk-pci,drive={name}"]
        for name, tap, address in (("a", "GUEST_AGENT_TAP", "GUEST_AGENT_MAC"), ("v", "GUEST_TAP", "GUEST_MAC")):
            tap = f"tap,id={name},ifname={NETWORK[tap]},script=no,downscript=no"
            devices += ["-netdev", tap, "-device", f"virtio-net-pci,netdev={name},mac={NETWORK[address]},romfile="]
        return devices

    def _connect_monitor(self):
        def connected():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            try:
                return Monitor(self.directory / "qmp")
            except (FileNotFoundError, ConnectionRefusedError):
                return None

        self.monitor = wait_until(connected, 30, "QEMU's control socket answers")
        if self.source:
            wait_until(lambda: self.monitor("query-status")["status"] != "inmigrate", 30, "the saved state is loaded")

    def console(self):
        return (self.directory / "console").read_text(errors="replace")

    def ended(self):
        """QEMU's exit code, once it has ended."""
        return self.process.wait(timeout=_BOOT_SECONDS)

    # --- the agent ---

    def _connect(self, address, port, seconds):
        """A connection from the namespace around the machine; a thread's namespace is its own."""
        result = []

        def run():
            try:
                with open(f"/run/netns/{self.name}", "rb") as namespace:
                    if _libc.setns(namespace.fileno(), 0) < 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result.append(socket.create_connection((address, port), seconds))
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def connect(self, port):
        """To a server in the guest."""
        return self._connect(NETWORK["GUEST_ADDRESS"], port, 30)

    def call(self, operation, *fields, seconds=60):
        connection = self._connect(NETWORK["GUEST_AGENT_ADDRESS"], _PORT, seconds)
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Call(connection, operation, *fields)

    def ask(self, operation, *fields, seconds=60):
        with self.call(operation, *fields, seconds=seconds) as call:
            name, answer, _ = call.final()
            assert name == "DONE", (name, answer, self.console())
            return answer

    def ready(self):
        """Waits until the agent answers; returns the guest."""

        def answers():
            assert self.process.poll() is None, self.console()
            try:
                return self.ask("HELLO", seconds=1)
            except (OSError, AssertionError):
                return None

        wait_until(answers, _BOOT_SECONDS, f"the agent answers ({self.console()})", interval=0.1)
        return self

    def start(self, *argv):
        return self.call("EXEC", *(("ARGUMENT", word) for word in argv), seconds=120)

    def output(self, script):
        with self.start("bash", "-c", script) as call:
            name, fields, output = call.final()
            assert name == "EXIT" and fields["EXIT_CODE"] == 0, (name, fields, output)
            return output

    def write(self, path, content):
        with self.call("FILE_WRITE", ("PATH", path)) as call:
            call.send("DATA", content)
            call.send("DATA_END")
            name, answer, _ = call.final()
            assert name == "DONE", answer

    def identify(self, **fields):
        """As an engine does it after a restore, before anybody else's operation."""
        given = {"ENTROPY": os.urandom(64), "TIME_US": time.time_ns() // 1000, "RESTORED": 1} | fields
        self.ask("IDENTITY", *given.items())

    def save(self):
        """Stops it; its memory is in its file already, the devices' state goes beside it."""
        self.monitor("stop")
        self.monitor("xen-save-devices-state", filename=f"{self.directory}/device")
        self.monitor("quit")
        self.process.wait(timeout=30)
