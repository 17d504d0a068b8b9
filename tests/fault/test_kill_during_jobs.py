"""Daemons and agents that die while a job runs: followers get a typed end or come back, nothing leaks."""

import pytest
import requests

from harness import jobs
from harness.expect import checked, expect_error
from harness.wait import wait_until

TALKER = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"


@pytest.fixture
def own(fresh_instance):
    return fresh_instance(spare_slots=2)


def numbers(events):
    return [int(data["line"].split()[1]) for name, data in events if name == "stdout"]


def take(stream, count):
    """The next lines' numbers; those until the connection broke."""
    found = []
    try:
        for name, data in stream:
            assert name == "stdout"
            found.append(int(data["line"].split()[1]))
            if len(found) == count:
                break
    except requests.RequestException:
        pass
    return found


def test_killing_atolld_again_and_again_loses_no_line(own):
    with own.client().create() as sandbox:
        job = jobs.start(sandbox, TALKER)
        seen, last = [], None
        for _ in range(3):
            with jobs.Follow(sandbox, job, last=last) as stream:
                seen += take(stream, 20)
                own.api.kill9()
                seen += take(stream, 1000)
                last = stream.last_id
            own.start()
            wait_until(own.connected, 30, "atolld to find atoll-host")
        with jobs.Follow(sandbox, job, last=last) as stream:
            seen += take(stream, 20)
        assert seen == list(range(1, len(seen) + 1))
        assert jobs.get(sandbox, job)["pid"] == job["pid"]


def test_killing_atoll_host_disturbs_no_job_and_no_follower(own):
    with own.client().create() as sandbox:
        job = jobs.start(sandbox, TALKER)
        with jobs.Follow(sandbox, job) as stream:
            seen = take(stream, 20)
            own.host.kill9()
            seen += take(stream, 20)
            own.start()
            wait_until(own.connected, 30, "atolld to find atoll-host")
            seen += take(stream, 20)
        assert seen == list(range(1, 61))
        assert jobs.stop(sandbox, job)["status"] == "stopped"


def test_the_agents_death_ends_streams_with_a_reason(own):
    before = own.settled()
    sandbox = own.client().create()
    job = jobs.start(sandbox, TALKER)
    with jobs.Follow(sandbox, job) as stream:
        take(stream, 5)
        own.kill_agent(sandbox)
        rest = list(stream)
    name, data = rest[-1]
    assert (name, data["exit_code"]) == ("exit", -2)
    assert data["error"]["code"] == "AGENT_UNAVAILABLE" and data["error"]["message"]
    wait_until(lambda: sandbox.state == "error", 30, "state error")
    expect_error(sandbox.client.get(jobs.path(sandbox, job)), 409, "SANDBOX_NOT_RUNNING")
    sandbox.destroy()
    own.assert_no_leak(before)


def test_destroying_a_sandbox_full_of_jobs_leaks_nothing(own):
    before = own.settled()
    sandbox = own.client().create()
    for _ in range(30):
        jobs.start(sandbox, "setsid sleep 1000 & while :; do echo noise; done")
    body = {"name": "failing", "command": "exit 1"}
    checked(sandbox.client.post(f"{sandbox.path}/services", body), 201)
    sandbox.destroy()
    own.assert_no_leak(before)
