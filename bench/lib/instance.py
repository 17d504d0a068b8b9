"""An instance of atoll for one run of the benchmark: own state directory, own ports, high limits."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _mounts_below(directory):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return [line.split()[1] for line in mounts if line.split()[1].startswith(directory + "/")]


class Instance:
    def __init__(self, source, images):
        self.source = source
        self.build = os.environ.get("ATOLL_BUILD", os.path.join(source, "build"))
        self.state = tempfile.mkdtemp(prefix="atoll-bench.")
        os.chmod(self.state, 0o711)
        self.settings = {
            "ATOLL_STATE": self.state,
            "ATOLL_IMAGES": images,
            "ATOLL_LISTEN": f"127.0.0.1:{_free_port()}",
            "ATOLL_GATEWAY": f"127.0.0.1:{_free_port()}",
            "ATOLL_MAX_SANDBOXES": "2000",
            "ATOLL_RATE_LIMIT": "0",
            "ATOLL_WARM_MEMORY_MB": "8192",
            "ATOLL_LOG": "error",
        }
        self.client = {}

    def __enter__(self):
        if self._script("up") != 0:
            self._remove()
            sys.exit("error: the instance to measure does not start")
        with open(f"{self.state}/client.env", encoding="utf-8") as lines:
            for line in lines:
                name, _, value = line.strip().removeprefix("export ").partition("=")
                self.client[name] = value.strip("'\"")
        return self

    def __exit__(self, *_):
        if self._script("down") == 0:
            self._remove()

    def _script(self, name):
        environment = {**os.environ, **self.settings, "ATOLL_BUILD": self.build}
        run = subprocess.run([f"{self.source}/scripts/{name}"], env=environment, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
        if run.returncode != 0:
            print(run.stdout, file=sys.stderr)
        return run.returncode

    def _remove(self):
        left = _mounts_below(self.state)
        if left:
            print(f"left in place, still mounted: {' '.join(left)}", file=sys.stderr)
        else:
            shutil.rmtree(self.state)

    def load(self, arguments, timeout, text=None):
        """Runs the load generator; returns its standard output."""
        environment = {**os.environ, **self.client}
        return subprocess.run([f"{self.build}/bench/atoll-bench", *map(str, arguments)],
                              env=environment, input=text, capture_output=True, text=True,
                              timeout=timeout, check=False).stdout

    def pid(self, program):
        with open(f"{self.state}/run/{program}.pid", encoding="utf-8") as text:
            return int(text.read().split()[0])
