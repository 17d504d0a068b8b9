"""Nothing that was acknowledged is lost, however often a sandbox is paused and resumed."""

import pytest

from harness import paths

# Each round writes, pauses, resumes and reads. A machine's takes a third of a second: with sanitizers, fewer.
ROUNDS = {"container": 1000, "vm": 60 if paths.has_fault_points() else 1000}


@pytest.mark.engines("container", "vm")
def test_rounds_of_write_pause_resume_read(engine, sandbox):
    for number in range(ROUNDS[engine]):
        content = f"round {number}".encode()
        sandbox.write("/workspace/round", content)
        sandbox.pause()
        sandbox.resume()
        assert sandbox.read("/workspace/round") == content, f"round {number}"
