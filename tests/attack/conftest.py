"""What the attack suite shares: attackers' programs, compiled inside the sandbox, and a watched neighbour."""

import pathlib

import pytest

PROGRAMS = pathlib.Path(__file__).parent / "programs"


@pytest.fixture
def compiled():
    """compiled(sandbox, "exchange"): compiles programs/exchange.c inside; the program's path."""

    def compile_inside(sandbox, name):
        sandbox.write(f"/tmp/{name}.c", (PROGRAMS / f"{name}.c").read_bytes())
        sandbox.output(f"gcc -O1 -pthread -o /tmp/{name} /tmp/{name}.c", timeout=60)
        return f"/tmp/{name}"

    return compile_inside


@pytest.fixture
def neighbour(make_sandbox):
    """Another sandbox of the same instance; check() fails unless it works as ever."""
    sandbox = make_sandbox(name="neighbour")
    sandbox.write("/workspace/mine", "untouched")

    def check():
        assert sandbox.output("echo alive", timeout=60) == "alive\n"
        assert sandbox.read("/workspace/mine") == b"untouched"
        sandbox.write("/workspace/new", "x")

    sandbox.check = check
    yield sandbox
    check()
