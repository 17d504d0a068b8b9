"""kill -9 of atolld when a process was started and not yet answered: asked for again with its key, it is the same one."""

import pytest
import requests

from harness import jobs, paths
from harness.expect import checked

pytestmark = pytest.mark.skipif(
    not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
)


def test_a_process_that_was_not_answered_is_found_again(fresh_instance):
    instance = fresh_instance()
    client = instance.client()
    with client.create() as sandbox:
        instance.api.stop()
        instance.start_api("daemon.job.started")
        path, headers = f"{sandbox.path}/processes", {"Idempotency-Key": "start-once"}
        body = {"command": "echo x >> /workspace/runs; sleep 1000"}
        with pytest.raises(requests.RequestException):
            client.post(path, body, headers=headers)
        instance.revive(instance.api)
        found = checked(client.post(path, body, headers=headers), 201)["data"]
        assert [job["id"] for job in checked(client.get(path))["data"]] == [found["id"]]
        other = checked(client.post(path, body, headers={"Idempotency-Key": "start-another"}), 201)["data"]
        assert other["id"] != found["id"]


def test_one_that_may_lack_its_input_is_started_anew(fresh_instance):
    instance = fresh_instance()
    client = instance.client()
    with client.create() as sandbox:
        instance.api.stop()
        instance.start_api("daemon.job.started")
        path, headers = f"{sandbox.path}/processes", {"Idempotency-Key": "feed-once"}
        body = {"command": "cat > /workspace/input", "stdin": "whole"}
        with pytest.raises(requests.RequestException):
            client.post(path, body, headers=headers)
        instance.revive(instance.api)
        job = checked(client.post(path, body, headers=headers), 201)["data"]
        jobs.ended(sandbox, job)
        assert sandbox.read("/workspace/input") == b"whole"
        assert checked(client.get(path))["count"] == 1
