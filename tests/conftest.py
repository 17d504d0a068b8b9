"""Fixtures of all suites: real instances, clients of two tenants, sandboxes."""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import instance as instances  # noqa: E402
from harness import paths, vm  # noqa: E402
from harness.client import Client  # noqa: E402

SUITES = ("guest", "integration", "attack", "fault")


def pytest_configure(config):
    for suite in SUITES:
        config.addinivalue_line("markers", f"{suite}: tests below tests/{suite}")
    config.addinivalue_line("markers", "engines(name…): runs on each of these engines, not on containers alone")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("engines")
    if marker:
        # Our own code is the same for both there, and emulation is slow: with sanitizers one of them is enough.
        names = marker.args[:1] if paths.is_sanitized() else marker.args
        metafunc.parametrize("engine", names, indirect=True, scope="module")


def pytest_collection_modifyitems(items):
    for item in items:
        for suite in SUITES:
            if suite in item.path.parts:
                item.add_marker(getattr(pytest.mark, suite))


def pytest_sessionstart():
    if os.getuid() != 0:
        pytest.exit("these tests start atoll-host and need root: sudo ./scripts/test", returncode=3)
    if not (paths.IMAGES / "miosa-sandbox" / "rootfs" / "usr").is_dir():
        pytest.exit(f"no template image in {paths.IMAGES}: run scripts/build-template", returncode=3)


def pytest_sessionfinish(session, exitstatus):
    session.config.final_status = exitstatus


def pytest_unconfigure(config):
    """A failed test may leave a thread behind that waits for ever: the run ends nevertheless."""
    left = [thread.name for thread in threading.enumerate() if not thread.daemon]
    left.remove(threading.main_thread().name)
    if left:
        print(f"threads left behind: {', '.join(left)}", flush=True)
        os._exit(int(getattr(config, "final_status", 1)) or 1)


class Factory:
    """Makes instances below one temporary directory and ends them; programs are copied once."""

    living = []  # of the one factory of a run, for failure reports

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="atoll-test-"))
        self.root.chmod(0o711)
        self.programs = paths.install(self.root)
        self.catalogue = self.root / "templates"
        self.seeds = vm.seeds(self.root)
        self.count = 0
        _ensure_user()

    def make(self, root=None, seeds=None, **settings):
        """An instance that is not started yet, its state below root. Settings: max_sandboxes=2, …"""
        self.count += 1
        made = instances.Instance(
            root or self.root, f"i{self.count}", self.programs, self.catalogue, seeds or self.seeds, **settings
        )
        self.living.append(made)
        return made

    def end(self, instance):
        """Stops and removes one; anything left behind or reported by a sanitizer is a failure."""
        self.living.remove(instance)
        instance.stop()
        reports, leaks = instance.sanitizer_reports(), instance.leaks()
        shutil.rmtree(instance.state, ignore_errors=True)
        assert not reports, f"sanitizer reports:\n{reports}"
        assert not leaks, f"left behind: {leaks}"

    def close(self):
        for instance in list(self.living):
            self.end(instance)
        shutil.rmtree(self.root, ignore_errors=True)


def _ensure_user():
    try:
        pwd.getpwnam(instances.USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([*command, instances.USER], check=True)


@pytest.fixture(scope="module", autouse=True)
def engine(request):
    """The engine of every sandbox that the test makes without naming one: see the mark "engines"."""
    name = getattr(request, "param", "container")
    Client.defaults = vm.SHAPE if name == "vm" else {}
    yield name
    Client.defaults = {}


@pytest.fixture(scope="session")
def factory():
    made = Factory()
    yield made
    made.close()


@pytest.fixture(scope="session")
def instance(factory):
    """The instance that most tests share: high limits, no rate limit."""
    return factory.make().start()


@pytest.fixture(autouse=True)
def shared_instance_survives(request):
    """A test that brings the shared instance down fails, and the next ones find it alive again."""
    yield
    if "instance" in request.fixturenames:
        last_words = request.getfixturevalue("instance").revive()
        assert not last_words, last_words


@pytest.fixture
def fresh_instance(factory):
    """fresh_instance(max_sandboxes=2, …): a started instance of the test's own; start=False leaves it off."""
    made = []

    def make(start=True, **settings):
        instance = factory.make(**settings)
        made.append(instance)
        return instance.start() if start else instance

    yield make
    for instance in made:
        factory.end(instance)


@pytest.fixture(scope="session")
def client(instance):
    return instance.client()


@pytest.fixture(scope="session")
def other_client(instance):
    """A client of another tenant."""
    return instance.client(tenant="other")


@pytest.fixture(scope="session")
def anonymous_client(instance):
    return instance.client(key="")


@pytest.fixture
def sandbox(client, engine):
    """A sandbox of the test's own."""
    with client.create() as made:
        yield made


@pytest.fixture
def make_sandbox(client, engine):
    """make_sandbox(name="a", …): as many as the test wants; they end with it."""
    made = []

    def make(**fields):
        made.append(client.create(**fields))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.destroy(missing_ok=True)


@pytest.fixture(scope="session")
def tenant(instance):
    """tenant("name"): a client of that tenant of the shared instance."""
    return lambda name: instance.client(tenant=name)


@pytest.fixture(scope="module")
def shared_sandbox(client, engine):
    """One sandbox for a module's tests that do not disturb each other."""
    with client.create() as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for instance in Factory.living:
            report.sections.append((f"daemon logs of {instance.name}", instance.logs()))
