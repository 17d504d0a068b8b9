"""scripts/up and scripts/down: what an operator types."""

import os
import pathlib
import signal
import stat
import subprocess

import pytest

from harness import paths, resources
from harness.client import Client
from harness.instance import free_port
from harness.wait import wait_until


class Operator:
    """Runs the scripts for one state directory."""

    def __init__(self, state, **variables):
        self.state = state
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
        self.environment |= {
            "ATOLL_STATE": str(state),
            "ATOLL_LISTEN": f"127.0.0.1:{free_port()}",
            "ATOLL_GATEWAY": f"127.0.0.1:{free_port()}",
            "ATOLL_IMAGES": str(paths.IMAGES),
            "ATOLL_BUILD": str(paths.BUILD),
            "ATOLL_CONFIG": "/dev/null",
            **variables,
        }

    def run(self, script, *arguments):
        command = [str(paths.SOURCE / "scripts" / script), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=180)

    def up(self, *arguments):
        done = self.run("up", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def down(self):
        done = self.run("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def client(self):
        lines = (self.state / "client.env").read_text().splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return Client(values["ATOLL_URL"], values["ATOLL_API_KEY"])

    def pid(self, daemon):
        return int((self.state / "run" / f"{daemon}.pid").read_text().split()[0])


@pytest.fixture
def operator(factory):
    made = []

    def make(**variables):
        state = factory.root / f"operated-{free_port()}"
        made.append(Operator(state, **variables))
        return made[-1]

    yield make
    for one in made:
        one.run("down")


def test_up_answers_and_its_key_works(operator):
    one = operator()
    one.up()
    with one.client().create() as sandbox:
        assert sandbox.output("echo hello") == "hello\n"
    assert stat.S_IMODE((one.state / "client.env").stat().st_mode) == 0o600


def test_up_twice_changes_nothing(operator):
    one = operator()
    one.up()
    before = [one.pid("atolld"), one.pid("atoll-host"), (one.state / "client.env").read_text()]
    one.up()
    assert [one.pid("atolld"), one.pid("atoll-host"), (one.state / "client.env").read_text()] == before


@pytest.mark.parametrize("daemon", ["atolld", "atoll-host"])
def test_up_starts_what_was_killed_and_sandboxes_live_on(operator, daemon):
    one = operator()
    one.up()
    sandbox = one.client().create()
    sandbox.write("/workspace/kept", "kept")
    os.kill(one.pid(daemon), signal.SIGKILL)
    one.up()
    wait_until(lambda: sandbox.state == "running", 20, "the sandbox to be adopted")
    assert sandbox.read("/workspace/kept") == b"kept"


def test_down_leaves_nothing_running(operator):
    one = operator()
    one.up()
    one.client().create()
    number = resources.instance_number(one.state)
    one.down()
    left = resources.of_instance(one.state, number)
    assert {kind: found for kind, found in left.items() if found and kind != "disks"} == {}


def test_down_without_an_instance_is_fine(operator):
    one = operator()
    one.down()


def test_persistent_files_survive_down_and_up(operator):
    one = operator()
    one.up()
    sandbox = one.client().create(persistent=True)
    sandbox.write("/workspace/kept", "kept")
    sandbox.pause()
    one.down()
    one.up()
    again = one.client().get(sandbox.path).json()
    assert again["state"] == "paused"
    sandbox.client = one.client()
    sandbox.resume()
    assert sandbox.read("/workspace/kept") == b"kept"


def test_two_instances_do_not_see_each_other(operator):
    one, two = operator(), operator()
    one.up()
    two.up()
    other = two.client().create()
    with one.client().create() as sandbox:
        assert two.client().get(sandbox.path).status_code == 404
        assert [each["id"] for each in two.client().list()] == [other.id]
        two.down()
        assert sandbox.output("echo still here") == "still here\n"


def test_a_taken_address_is_named(operator):
    one = operator()
    one.up()
    two = operator(ATOLL_LISTEN=one.environment["ATOLL_LISTEN"])
    done = two.run("up")
    assert done.returncode != 0
    assert one.environment["ATOLL_LISTEN"] in done.stderr


def test_a_wrong_setting_is_named(operator):
    done = operator(ATOLL_MAX_SANDBOXES="many").run("up")
    assert done.returncode != 0
    assert "ATOLL_MAX_SANDBOXES" in done.stderr


def test_settings_come_from_file_then_variables_then_flags(operator, tmp_path):
    file = pathlib.Path(tmp_path, "atoll.conf")
    file.write_text("max_sandboxes = 3\nrate_limit = 7\nprocess_limit = 99\n")
    one = operator(ATOLL_CONFIG=str(file), ATOLL_RATE_LIMIT="8", ATOLL_PROCESS_LIMIT="98")
    command = [str(paths.built("atoll-settings")), "--process-limit", "97"]
    done = subprocess.run(command, env=one.environment, capture_output=True, text=True, check=True)
    values = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert values["ATOLL_MAX_SANDBOXES"] == "3"
    assert values["ATOLL_RATE_LIMIT"] == "8"
    assert values["ATOLL_PROCESS_LIMIT"] == "97"
