"""Jobs and services of another tenant: out of reach by every mixture of ids, and ids are no paths."""

import pytest

from harness import jobs
from harness.expect import checked


@pytest.fixture
def victim(sandbox):
    job = jobs.start(sandbox, "echo secret; cat", open_stdin=True, name="secret-job")
    body = {"name": "own", "command": "sleep 1000"}
    checked(sandbox.client.post(f"{sandbox.path}/services", body), 201)
    jobs.wait_for_line(sandbox, job, "secret")
    return sandbox, job


def attempts(sandbox_path, job):
    where = f"{sandbox_path}/processes/{job['id']}"
    yield "GET", where, None
    yield "GET", f"{where}/logs", None
    yield "GET", f"{where}/stream", None
    yield "GET", f"{where}/logs/stream", None
    yield "GET", f"{sandbox_path}/jobs/{job['id']}", None
    yield "POST", f"{where}/stdin", {"data": "injected\n"}
    yield "POST", f"{where}/signal", {"signal": 9}
    yield "POST", f"{where}/stop", {}
    yield "DELETE", where, None
    yield "POST", f"{sandbox_path}/jobs/{job['id']}/stop", {}
    yield "POST", f"{sandbox_path}/services/own/stop", {}
    yield "DELETE", f"{sandbox_path}/services/own", None


def test_a_foreign_job_is_not_found_below_any_sandbox(other_client, victim):
    sandbox, job = victim
    with other_client.create() as own:
        for path in (sandbox.path, own.path):
            for method, target, body in attempts(path, job):
                reply = other_client.request(method, target, json=body)
                assert reply.status_code == 404, f"{method} {target}: {reply.status_code}"
                assert "secret" not in reply.text
    assert jobs.get(sandbox, job)["status"] == "running"
    assert jobs.lines(sandbox, job) == ["secret"]
    assert checked(sandbox.client.get(f"{sandbox.path}/services/own"))["data"]["status"] == "running"


@pytest.mark.parametrize("identifier", [
    "..%2F..%2Fjob", "%2e%2e", "job_%00", "job_%0a", "-1", "0", "1", "99999999999999999999999", "job_" + "a" * 300,
    "*", "job_01%2F..%2Fx",
])
def test_ids_are_no_paths_and_no_host_processes(shared_sandbox, identifier):
    for method, suffix in (("GET", ""), ("GET", "/logs"), ("DELETE", "")):
        target = f"{shared_sandbox.path}/processes/{identifier}{suffix}"
        reply = shared_sandbox.client.request(method, target)
        assert reply.status_code in (400, 404), f"{method} {target}: {reply.status_code} {reply.text[:200]}"
    assert shared_sandbox.output("echo alive") == "alive\n"


def test_a_job_cannot_reach_its_own_record_or_its_agent(shared_sandbox):
    """Output is kept on the sandbox's own disk: what root does to it harms that sandbox's jobs only."""
    job = jobs.start(shared_sandbox, "echo before; cat; echo after", open_stdin=True)
    jobs.wait_for_line(shared_sandbox, job, "before")
    shared_sandbox.exec("for f in /proc/1/fd/*; do : > $f; done 2>/dev/null; find / -xdev -name '*job_*' -delete")
    assert shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stdin", {"eof": True}).ok
    assert jobs.ended(shared_sandbox, job)["exit_code"] == 0
    assert shared_sandbox.client.get(f"{jobs.path(shared_sandbox, job)}/logs").ok
    assert shared_sandbox.output("echo alive") == "alive\n"
