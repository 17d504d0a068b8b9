"""Looking into the snapshot of a virtual machine: its files, without the processes that its memory holds."""

import io
import tarfile

import pytest

from harness import jobs
from harness.expect import checked
from harness.snapshots import look, take
from harness.wait import wait_until

pytestmark = pytest.mark.engines("vm")


def test_its_files_are_shown_and_its_processes_stay_asleep(client, sandbox):
    sandbox.output("mkdir app && echo then > app/a && ln -s a app/link")
    jobs.start(sandbox, "while :; do date +%N > b; mv b app/a; sleep 0.01; done")
    wait_until(lambda: sandbox.output("cat app/a").strip().isdigit(), 30, "the job to write")
    sandbox.output("cat app/a > app/copy")
    taken = take(sandbox)
    assert taken["memory"] is True
    listed = checked(look(client, taken["id"], "tree", "app"))["data"]
    assert [(entry["name"], entry["type"]) for entry in listed["entries"]] == [
        ("a", "file"), ("copy", "file"), ("link", "symlink")
    ]
    read = [look(client, taken["id"], "files", "app/a").content for _ in range(3)]
    assert len(set(read)) == 1 and read[0].strip().isdigit()
    with tarfile.open(fileobj=io.BytesIO(look(client, taken["id"], "files", "app").content)) as archive:
        assert sorted(archive.getnames()) == ["app", "app/a", "app/copy", "app/link"]
        assert archive.extractfile("app/a").read() == read[0]
    assert [entry["id"] for entry in client.list()].count(sandbox.id) == 1
    checked(client.delete(f"/snapshots/{taken['id']}"))
