"""A real instance of atoll on a state directory of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import urllib.request

from harness import paths, resources
from harness.client import Client
from harness.daemon import Daemon
from harness.wait import Timeout, wait_until

USER = os.environ.get("ATOLL_USER", "atoll")
RELAXED = {
    "ATOLL_MAX_SANDBOXES": "500",
    "ATOLL_RATE_LIMIT": "0",
    "ATOLL_SPARE_SLOTS": "4",
    "ATOLL_WARM_SANDBOXES": "0",
    "ATOLL_DISK_RESERVE_MB": "64",
    "ATOLL_ENGINE": "container",
    "ATOLL_VM_ACCEL": "tcg",
    "ATOLL_LOG": "debug:text",
}
SANITIZER = {
    "ASAN_OPTIONS": "exitcode=99:detect_stack_use_after_return=1:log_path={}/asan",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:log_path={}/ubsan",
    "LSAN_OPTIONS": "exitcode=98",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Instance:
    """Settings are given as keyword arguments: Instance(root, "a", programs, max_sandboxes=2)."""

    def __init__(self, root, name, programs, catalogue, seeds, **settings):
        self.name = name
        self.state = root / name
        self.programs = programs
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.keys = {}
        self.leak = {}
        self.number = None  # of the last run, once it was stopped
        self._prepare_directories()
        self.environment = self._environment(catalogue, settings) | {"ATOLL_SEEDS": str(seeds)}
        log = self.state / "log"
        self.host = Daemon("atoll-host", [programs / "atoll-host"], log / "atoll-host.log", self.environment)
        self.api = Daemon("atolld", self._as_user(programs / "atolld"), log / "atolld.log", self.environment)

    def _prepare_directories(self):
        group = pwd.getpwnam(USER)
        self.state.mkdir()
        self.state.chmod(0o711)
        for directory, mode, owner in (
            ("run", 0o750, (0, group.pw_gid)),
            ("data", 0o700, (group.pw_uid, group.pw_gid)),
            ("log", 0o1777, (0, 0)),
        ):
            (self.state / directory).mkdir()
            os.chown(self.state / directory, *owner)
            (self.state / directory).chmod(mode)

    def _environment(self, catalogue, settings):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
        environment |= RELAXED
        environment |= {name: text.format(self.state / "log") for name, text in SANITIZER.items()}
        environment |= {
            "ATOLL_CONFIG": str(self.state / "atoll.conf"),
            "ATOLL_STATE": str(self.state),
            "ATOLL_LISTEN": f"127.0.0.1:{self.port}",
            "ATOLL_GATEWAY": f"127.0.0.1:{free_port()}",
            "ATOLL_IMAGES": str(paths.IMAGES),
            "ATOLL_CATALOGUE": str(catalogue),
            "ATOLL_USER": USER,
        }
        environment |= {f"ATOLL_{name.upper()}": str(value) for name, value in settings.items()}
        (self.state / "atoll.conf").touch()
        return environment

    @staticmethod
    def _as_user(*command):
        drop = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        return ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", *drop, *map(str, command)]

    # --- life ---

    def start(self, host_fault=None, api_fault=None):
        """Starts what does not run. A fault is a label of FAULT_POINT, optionally with ":N"."""
        if not self.host.running():
            self.start_host(host_fault)
        if not self.api.running():
            self.start_api(api_fault)
        return self

    def start_host(self, fault=None):
        self.host.start(**({"ATOLL_FAULT": fault} if fault else {}))
        self.host.await_ready(self._host_answers)

    def start_api(self, fault=None):
        self.api.start(**({"ATOLL_FAULT": fault} if fault else {}))
        self.api.await_ready(self._api_answers)

    def revive(self, *ending):
        """Starts again what ended unasked, and what is about to; returns what ended, with the last words, or ""."""
        for daemon in ending:
            daemon.wait()
        ended = [daemon for daemon in (self.host, self.api) if daemon.process and not daemon.running()]
        last_words = "\n".join(f"{daemon.name} ended with {daemon.wait()}:\n{daemon.tail()}" for daemon in ended)
        if ended:
            self.start()
        return last_words

    def restart(self):
        """Ends both daemons in an orderly way and starts them again; sandboxes live on."""
        self.api.stop()
        self.host.stop()
        self.start()

    def stop(self):
        """Ends everything, as scripts/down does. The state directory stays for a later start()."""
        number = resources.instance_number(self.state)
        self.number = self.number if number is None else number
        self.api.stop()
        self.host.stop()
        command = [str(self.programs / "atoll-host"), "stop-all"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"stop-all: {done.stdout}{done.stderr}"

    def init_of(self, sandbox):
        """The process id, on this machine, of a running sandbox's PID 1."""
        namespace = sandbox.output("readlink /proc/self/ns/pid").strip()
        for pid in self.resources()["processes"]:
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == namespace and resources.pid_inside(pid) == 1:
                    return int(pid)
            except OSError:
                pass
        raise AssertionError(f"no PID 1 of {sandbox.id}")

    def kill_agent(self, sandbox):
        os.kill(self.init_of(sandbox), signal.SIGKILL)

    def remove(self):
        self.stop()
        shutil.rmtree(self.state)

    def _host_answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            try:
                probe.connect(str(self.state / "run" / "host.sock"))
            except OSError:
                return False
            return True

    def _api_answers(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return opener.open(f"{self.url}/health", timeout=5).status == 200
        except OSError:
            return False

    def connected(self):
        """Does atolld answer, and has it found atoll-host?"""
        try:
            return self.client(key="").get("/health", timeout=5).status_code == 200
        except OSError:
            return False

    # --- tenants ---

    def create_key(self, tenant="default", name="test", scopes="all"):
        arguments = ["create-key", "--tenant", tenant, "--name", name, "--scopes", scopes]
        command = self._as_user(self.programs / "atolld", "admin", *arguments)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"create-key: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def client(self, key=None, tenant="default"):
        """A client with the given key, or with one of the named tenant; key="" sends none."""
        if key is None:
            if tenant not in self.keys:
                self.keys[tenant] = self.create_key(tenant)
            key = self.keys[tenant]
        return Client(self.url, key)

    # --- what it holds ---

    def resources(self):
        return resources.of_instance(self.state, None if self.host.running() else self.number)

    def _parked_count(self):
        """Spare slots that are complete: their process waits for a message."""
        spares = (pid for pid, name in self.resources()["processes"].items() if name == "atoll-spare")
        return sum(resources.waits_for_a_message(pid) for pid in spares)

    def settled(self, seconds=20):
        """Its resources once the spare slots are complete: the state to compare with afterwards."""
        with_network = int(self.environment["ATOLL_SPARE_SLOTS"])
        wanted = with_network + min(with_network, 1)
        wait_until(lambda: self._parked_count() >= wanted, seconds, f"{wanted} spare slots")
        return self.resources()

    def assert_no_leak(self, before, seconds=20):
        """Fails unless every kind of resource falls back to what it was (counts: slots change numbers)."""

        def released():
            self.leak = resources.growth(before, self.resources())
            return not self.leak

        try:
            wait_until(released, seconds, interval=0.05)
        except Timeout:
            raise AssertionError(f"not released after {seconds} s: {self.leak}") from None

    def leaks(self):
        """What is left of a stopped instance: should be empty."""
        return {kind: found for kind, found in self.resources().items() if found and kind not in resources.KEPT}

    def sanitizer_reports(self):
        found = sorted((self.state / "log").glob("asan.*")) + sorted((self.state / "log").glob("ubsan.*"))
        return "\n".join(file.read_text(errors="replace") for file in found)

    def logs(self):
        return "\n".join(f"--- {daemon.name} ---\n{daemon.tail()}" for daemon in (self.host, self.api))
