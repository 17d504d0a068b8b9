"""One daemon process of an instance: start, stop, kill, the log's end."""

import subprocess
import signal

from harness.wait import wait_until


class Daemon:
    def __init__(self, name, command, log, environment):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.environment = environment
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, **variables):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**self.environment, **variables},
                start_new_session=True,
            )

    def await_ready(self, probe, seconds=60):
        def settled():
            return not self.running() or probe()

        wait_until(settled, seconds, f"{self.name} to answer; its log ends with:\n{self.tail()}")
        if not self.running():
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def stop(self, seconds=30):
        """Asks it to end; returns its exit status."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill9(self):
        if self.running():
            self.process.kill()
        return self.wait(10)

    def wait(self, seconds=30):
        """Waits for its end; returns the exit status, negative for a signal."""
        if self.process is None:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.tail()}") from None

    def tail(self, lines=40):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"
