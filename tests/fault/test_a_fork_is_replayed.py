"""kill -9 of atolld when a fork was made and not yet answered: asked for again with its key, it is the same one."""

import pytest
import requests

from harness import paths
from harness.client import Sandbox
from harness.expect import checked
from harness.snapshots import take

pytestmark = pytest.mark.skipif(
    not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
)


def test_a_fork_that_was_not_answered_is_replayed(fresh_instance):
    instance = fresh_instance()
    client = instance.client()
    with client.create() as sandbox:
        sandbox.write("/workspace/a", "then")
        taken = take(sandbox)
        instance.api.stop()
        instance.start_api("daemon.create.committed")
        path, headers = f"/snapshots/{taken['id']}/fork", {"Idempotency-Key": "fork-once"}
        with pytest.raises(requests.RequestException):
            client.post(path, {"name": "copy"}, headers=headers)
        instance.revive(instance.api)
        reply = client.post(path, {"name": "copy"}, headers=headers)
        made = checked(reply, 201)
        assert reply.headers["Idempotent-Replay"] == "true"
        assert made["data"]["machine_type"] == "sandbox" and made["snapshot"]["id"] == taken["id"]
        assert {entry["id"] for entry in client.list()} == {sandbox.id, made["data"]["id"]}
        with Sandbox(client, made["data"]) as copy:
            assert copy.state == "running" and copy.read("/workspace/a") == b"then"
