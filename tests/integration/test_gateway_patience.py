"""A request that starts a sandbox waits for the server that comes back with it."""

import concurrent.futures
import threading

import pytest

from harness.expect import checked
from harness.served import install
from harness.visitor import Visitor
from harness.wait import wait_until

LATE = "sleep 2; exec python3 /workspace/server.py 8000 late"


@pytest.fixture
def visitor(instance):
    return Visitor(instance)


@pytest.fixture
def stopped(make_sandbox):
    """stopped(start_command) → a sandbox that is stopped and has that app at port 8000; its URL."""

    def make(start_command):
        sandbox = make_sandbox(persistent=True, auto_resume=True)
        install(sandbox)
        started = checked(sandbox.client.post(
            f"{sandbox.path}/template/start", {"start_command": start_command, "port": 8000, "wait": False}))["data"]
        url = started["preview_url"].replace("//", "//8000-") if "8000-" not in started["preview_url"] \
            else started["preview_url"]
        sandbox.stop()
        assert sandbox.state == "paused"
        return sandbox, url

    return make


def test_the_first_request_is_answered_by_the_app(stopped, visitor):
    sandbox, url = stopped(LATE)
    assert '"server": "late"' in visitor.page(url, timeout=60)
    assert sandbox.state == "running"


def test_many_that_come_at_once_are_all_answered_with_their_bodies(stopped, visitor):
    _, url = stopped(LATE)
    bodies = [str(number) * 100_000 for number in range(8)] + [""] * 8

    def ask(body):
        return visitor.request("POST" if body else "GET", url, data=body, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        replies = list(pool.map(ask, bodies))
    assert [reply.status_code for reply in replies] == [200] * len(bodies)
    assert [reply.json()["body"] for reply in replies] == bodies


def test_a_server_on_the_other_family_is_waited_for_as_well(stopped, visitor):
    _, url = stopped("sleep 2; exec python3 -m http.server 8000 --bind ::1")
    assert "Directory listing" in visitor.page(url, timeout=60)


def test_who_leaves_is_forgotten(stopped, visitor):
    sandbox, url = stopped("until [ -e /workspace/go ]; do sleep 0.1; done; exec python3 /workspace/server.py 8000 late")
    for _ in range(3):
        with pytest.raises(OSError):
            visitor.get(url, timeout=2)
    sandbox.write("/workspace/go", "")
    assert '"server": "late"' in visitor.page(url, timeout=60)


def test_the_sandbox_s_end_ends_the_wait(stopped, visitor):
    sandbox, url = stopped("exec sleep 1000")
    replies = []
    thread = threading.Thread(target=lambda: replies.append(visitor.get(url, timeout=60)))
    thread.start()
    wait_until(lambda: sandbox.state == "running", 30, "the request to wake it")
    sandbox.destroy()
    thread.join()
    assert replies[0].json()["error"]["code"] in ("SANDBOX_NOT_RUNNING", "NOT_FOUND")


def test_it_ends_at_last(stopped, visitor):
    """And what began long ago is not waited for."""
    _, url = stopped("exec sleep 1000")
    for _ in range(20):
        assert visitor.refused(url, timeout=60) == "SANDBOX_PORT_NOT_LISTENING"


def test_nobody_waits_for_what_does_not_come_back(make_sandbox, visitor):
    sandbox = make_sandbox()
    url = checked(sandbox.client.post(f"{sandbox.path}/expose", {"port": 8000}))["url"]
    for _ in range(20):
        assert visitor.refused(url, timeout=10) == "SANDBOX_PORT_NOT_LISTENING"
    checked(sandbox.client.post(f"{sandbox.path}/template/start",
                                {"start_command": "exec sleep 1000", "port": 8000, "wait": False}))
    checked(sandbox.client.post(f"{sandbox.path}/template/stop"))
    assert visitor.refused(url, timeout=10) == "SANDBOX_PORT_NOT_LISTENING"
