"""Snapshots: whole, unchanged by what comes later, and bounded in number and time."""

import concurrent.futures

import pytest

from harness import jobs
from harness.client import ApiError, Sandbox
from harness.expect import checked
from harness.snapshots import create_from, event_types, restore, take
from harness.wait import wait_until


def test_a_snapshot_is_described(client, make_sandbox):
    sandbox = make_sandbox(name="described")
    taken = take(sandbox, comment="before the upgrade\nsecond line")
    assert taken["id"].startswith("snp_") and taken["sandbox_id"] == sandbox.id
    assert (taken["status"], taken["comment"]) == ("ready", "before the upgrade\nsecond line")
    assert taken["memory"] is False and taken["keep"] is False
    assert taken["resource"]["id"] == sandbox.id and taken["resource"]["name"] == "described"
    assert taken["disk_bytes"] == sandbox.object["disk_mb"] << 20
    assert 0 < taken["size_bytes"] < taken["disk_bytes"]
    assert taken["source_pause_us"] > 0
    assert taken["expires_at"] is None and taken["last_used_at"] is None
    one = checked(client.get(f"{sandbox.path}/snapshots/{taken['id']}"))["data"]
    assert one == taken
    assert checked(client.get(f"/snapshots/{taken['id']}")) == {"data": taken, "dependents": []}
    assert checked(client.get(f"{sandbox.path}/snapshots"))["data"] == [taken]
    old = checked(client.post(f"{sandbox.path}/snapshot", {}), 201)
    assert old["snapshot_id"] == old["data"]["id"]
    assert sandbox.state == "running"


def test_everything_in_the_file_system_is_kept(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.output(
        "cd /workspace && mkdir -p deep/er && echo text > deep/er/file && chmod 640 deep/er/file"
        " && chown 1000:1001 deep/er/file && ln -s er/file deep/link && ln deep/er/file deep/hard"
        " && mkfifo pipe && chmod 1777 deep && head -c 50000000 /dev/urandom > big"
        " && truncate -s 1G sparse && rm -rf /usr/share/doc /etc/motd && echo changed > /etc/issue"
        " && touch -d '2001-02-03 04:05:06 UTC' old && setfattr -n user.a -v b old 2>/dev/null; true"
    )
    describe = (
        "cd /workspace && find . -printf '%p %y %m %U %G %s %n %l\\n' | sort; sha256sum big deep/er/file;"
        " stat -c %Y old; cat /etc/issue; ls /usr/share/doc /etc/motd 2>&1; du -k sparse"
    )
    expected = sandbox.output(f"{describe}; true")
    taken = take(sandbox)
    sandbox.output("rm -rf /workspace/*; echo again > /etc/issue; mkdir -p /usr/share/doc")
    sandbox.destroy()
    with create_from(client, taken) as made:
        assert made.output(f"{describe}; true") == expected
        assert made.object["snapshot_id"] == taken["id"]
    checked(client.delete(f"/snapshots/{taken['id']}"))


def test_the_source_runs_on(sandbox):
    count = "i=0; while :; do i=$((i+1)); echo $i > /workspace/count.new; mv /workspace/count.new /workspace/count; done"
    job = jobs.start(sandbox, count)
    read = lambda: int(sandbox.read("/workspace/count") or 0)
    wait_until(lambda: sandbox.exec("test -s /workspace/count")["exit_code"] == 0, 10, "the counter")
    for _ in range(5):
        before = read()
        take(sandbox)
        after = read()
        assert after >= before
        wait_until(lambda: read() > after, 10, "the counter to go on")
    assert jobs.get(sandbox, job)["status"] == "running"


def test_commands_run_while_a_snapshot_is_taken(sandbox):
    sandbox.output("head -c 300000000 /dev/urandom > /workspace/big")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        taking = pool.submit(take, sandbox)
        while not taking.done():
            assert sandbox.output("echo alive") == "alive\n"
        assert taking.result()["status"] == "ready"


def test_what_was_acknowledged_is_in_the_snapshot(client, make_sandbox):
    """100 rounds of write, snapshot; each is read back from a sandbox made of it."""
    sandbox = make_sandbox(disk_mb=256)
    for number in range(100):
        content = f"round {number}"
        sandbox.write("/workspace/round", content)
        taken = take(sandbox)
        if number % 10 == 9:
            with create_from(client, taken) as made:
                assert made.read("/workspace/round").decode() == content
        elif number % 10 == 4:
            sandbox.write("/workspace/round", "overwritten")
            assert restore(sandbox, taken).read("/workspace/round").decode() == content
        checked(client.delete(f"/snapshots/{taken['id']}"))


def test_paused_and_stopped_ones(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.write("/workspace/a", "frozen")
    job = jobs.start(sandbox, "sleep 1000")
    sandbox.pause()
    frozen = take(sandbox)
    assert sandbox.state == "paused" and frozen["source_pause_us"] == 0
    sandbox.resume()
    assert jobs.get(sandbox, job)["status"] == "running"
    sandbox.write("/workspace/a", "stopped")
    sandbox.stop()
    stopped = take(sandbox)
    assert sandbox.state == "paused"
    sandbox.resume()
    sandbox.write("/workspace/a", "later")
    for taken, content in ((frozen, b"frozen"), (stopped, b"stopped")):
        with create_from(client, taken) as made:
            assert made.read("/workspace/a") == content


def test_events_tell_of_it(client, sandbox):
    taken = take(sandbox)
    checked(client.delete(f"/snapshots/{taken['id']}"))
    names = [name for name in event_types(sandbox) if "snapshot" in name]
    assert names == [
        "sandbox.snapshotting", "sandbox.snapshotted", "sandbox.snapshot.created", "sandbox.snapshot.deleted",
    ]


def test_a_snapshot_outlives_its_sandbox(client, make_sandbox):
    sandbox = make_sandbox(name="short-lived", env={"TOKEN": "of-the-sandbox"})
    sandbox.write("/workspace/a", "kept")
    taken = take(sandbox)
    sandbox.destroy()
    found = checked(client.get("/snapshots", params={"resource_id": sandbox.id}))["data"]
    assert [one["id"] for one in found] == [taken["id"]]
    assert found[0]["resource"] == {**taken["resource"], "state": "destroyed"}
    assert checked(client.get(f"{sandbox.path}/snapshots"))["data"] == found
    with create_from(client, taken) as made:
        assert made.read("/workspace/a") == b"kept"
        assert made.output("echo $TOKEN") == "of-the-sandbox\n"
    with create_from(client, taken, env={"TOKEN": "another"}) as made:
        assert made.output("echo $TOKEN") == "another\n"
    assert checked(client.get(f"/snapshots/{taken['id']}"))["data"]["last_used_at"]


def test_what_a_create_leaves_out_is_as_in_the_snapshot(client, make_sandbox):
    sandbox = make_sandbox(cpu_count=1, memory_mb=300, disk_mb=400, process_limit=77, metadata={"a": 1}, timeout_sec=999)
    taken = take(sandbox)
    with create_from(client, taken, memory_mb=256, metadata={"b": 2}) as made:
        shape = {name: made.object[name] for name in ("cpu_count", "memory_mb", "disk_mb", "process_limit", "timeout_sec")}
        assert shape == {"cpu_count": 1, "memory_mb": 256, "disk_mb": 400, "process_limit": 77, "timeout_sec": 999}
        assert made.object["metadata"] == {"b": 2}


def test_a_disk_of_another_size_is_refused(client, make_sandbox):
    sandbox = make_sandbox(disk_mb=400)
    taken = take(sandbox)
    for fields, field in (({"disk_mb": 500}, "disk_mb"), ({"disk_size_mb": 300}, "disk_size_mb"), ({"size": "small"}, "size")):
        reply = client.post("/sandboxes", {"snapshot_id": taken["id"], **fields})
        assert reply.status_code == 422, reply.text
        assert reply.json()["error"]["details"]["field"] == field
    with create_from(client, taken, disk_mb=400) as made:
        assert made.object["disk_mb"] == 400


@pytest.mark.parametrize("snapshot_id", ["snp_00000000000000000000000000", "nonsense", "../../etc/passwd"])
def test_an_unknown_snapshot(client, sandbox, snapshot_id):
    replies = [
        client.post("/sandboxes", {"snapshot_id": snapshot_id}),
        client.post(f"{sandbox.path}/fork", {"snapshot_id": snapshot_id}),
        client.get(f"/snapshots/{snapshot_id.replace('/', '%2F')}"),
        client.post(f"{sandbox.path}/restore/{snapshot_id.replace('/', '%2F')}", {}),
    ]
    for reply in replies:
        assert reply.status_code == 404 and reply.json()["error"]["code"] == "NOT_FOUND", reply.text
    assert sandbox.state == "running"


def test_a_snapshot_belongs_to_its_sandbox(client, make_sandbox):
    one, other = make_sandbox(), make_sandbox()
    taken = take(one)
    for reply in (
        client.get(f"{other.path}/snapshots/{taken['id']}"),
        client.delete(f"{other.path}/snapshots/{taken['id']}"),
        client.post(f"{other.path}/restore/{taken['id']}", {}),
        client.post(f"{other.path}/fork", {"snapshot_id": taken["id"]}),
    ):
        assert reply.status_code == 404, reply.text


def test_another_tenant_has_nothing_of_it(client, other_client, make_sandbox):
    sandbox = make_sandbox()
    taken = take(sandbox)
    assert other_client.get(f"/snapshots/{taken['id']}").status_code == 404
    assert other_client.delete(f"/snapshots/{taken['id']}").status_code == 404
    assert other_client.post("/sandboxes", {"snapshot_id": taken["id"]}).status_code == 404
    assert other_client.post(f"/snapshots/{taken['id']}/fork", {}).status_code == 404
    assert checked(other_client.get("/snapshots", params={"q": taken["id"]}))["data"] == []
    answer = checked(other_client.post("/snapshots/delete", {"ids": [taken["id"]]}))["data"]
    assert answer == {"deleted": [], "blocked": [], "not_found": [taken["id"]]}
    assert checked(client.get(f"/snapshots/{taken['id']}"))["data"]["status"] == "ready"


@pytest.mark.parametrize(
    "options,field",
    [
        ({"comment": "x" * 501}, "comment"),
        ({"comment": 5}, "comment"),
        ({"keep": "yes"}, "keep"),
        ({"retention_seconds": 0}, "retention_seconds"),
        ({"expiration_seconds": 10**12}, "expiration_seconds"),
        ({"expiration_days": "1"}, "expiration_days"),
        ({"expiration_days": 1, "expiration_seconds": 5}, "expiration_seconds"),
        ({"keep": True, "retention_seconds": 5}, "retention_seconds"),
        ({"name": "x"}, "name"),
    ],
)
def test_bad_options(client, shared_sandbox, options, field):
    reply = client.post(f"{shared_sandbox.path}/snapshots", options)
    assert reply.status_code == 422, reply.text
    assert reply.json()["error"]["details"]["field"] == field


def test_a_comment_of_500_characters(client, shared_sandbox):
    assert take(shared_sandbox, comment="ü" * 500)["comment"] == "ü" * 500


def test_lists_and_pages(client, tenant):
    own = tenant("snapshot-lists")
    with own.create(name="first") as first, own.create(name="second") as second:
        ids = [take(first, comment="alpha")["id"], take(first)["id"], take(second, comment="beta")["id"]]

        def listed(**query):
            return [one["id"] for one in checked(own.get("/snapshots", params=query))["data"]]

        assert listed() == ids[::-1]
        assert listed(resource_id=first.id) == ids[1::-1]
        assert listed(q="alp") == [ids[0]] and listed(q="second") == [ids[2]] and listed(q=ids[1]) == [ids[1]]
        assert listed(workspace_id=first.object["workspace_id"]) == ids[::-1]
        assert listed(workspace_id="none") == []
        page = checked(own.get("/snapshots", params={"limit": 1, "offset": 1}))
        assert [one["id"] for one in page["data"]] == [ids[1]]
        assert page["meta"] == {"total": 3, "limit": 1, "offset": 1}
        assert own.get("/snapshots", params={"limit": 201}).status_code == 422

        body = {"resource_id": first.id, "all": True}
        assert own.post("/snapshots/delete", body).status_code == 422
        answer = checked(own.post("/snapshots/delete", {**body, "confirm": first.id}))["data"]
        assert sorted(answer["deleted"]) == ids[:2] and not answer["blocked"] and not answer["not_found"]
        gone = "snp_00000000000000000000000000"
        answer = checked(own.post("/snapshots/delete", {"ids": [ids[2], gone]}))["data"]
        assert answer == {"deleted": [ids[2]], "blocked": [], "not_found": [gone]}
        assert listed() == []


def test_deleted_files_are_gone(instance, client, sandbox):
    taken = take(sandbox)
    where = instance.state / "snapshots" / taken["id"]
    assert where.exists()
    reply = checked(client.delete(f"{sandbox.path}/snapshots/{taken['id']}"))
    assert reply == {"data": {"id": taken["id"], "status": "deleted"}}
    assert not where.exists()
    assert client.delete(f"{sandbox.path}/snapshots/{taken['id']}").status_code == 404


def test_a_snapshot_in_use_is_not_deleted(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.output("head -c 200000000 /dev/urandom > /workspace/big")
    taken = take(sandbox)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        making = pool.submit(client.post, "/sandboxes", {"snapshot_id": taken["id"]})
        refused = None
        path = f"/snapshots/{taken['id']}"
        while not making.done() and not refused:
            dependents = checked(client.get(path))["dependents"]
            if dependents:
                assert dependents[0]["type"] == "fork_in_progress"
                reply = client.delete(path)
                refused = reply if reply.status_code == 409 else None
        made = Sandbox(client, checked(making.result(), 201))
    if refused is not None:  # it may be too fast to be seen
        error = refused.json()["error"]
        assert error["code"] == "SNAPSHOT_IN_USE" and error["details"]["dependents"]
        assert made.output("stat -c %s /workspace/big") == "200000000\n"
    made.destroy()


def test_snapshots_expire(instance, client, sandbox):
    fixed = take(sandbox, expiration_seconds=1)
    sliding = take(sandbox, retention_seconds=1)
    kept = take(sandbox, keep=True)
    later = take(sandbox, expiration_days=1)
    assert fixed["expires_at"] and sliding["expires_at"] and later["expires_at"] and not kept["expires_at"]
    assert sliding["retention_seconds"] == 1
    listed = lambda: {one["id"] for one in checked(client.get(f"{sandbox.path}/snapshots"))["data"]}
    wait_until(lambda: listed() == {kept["id"], later["id"]}, 20, "two snapshots to expire")
    wait_until(lambda: not (instance.state / "snapshots" / fixed["id"]).exists(), 5, "its files to go")


def test_use_begins_the_retention_anew(client, sandbox):
    taken = take(sandbox, retention_seconds=3600)
    with create_from(client, taken):
        again = checked(client.get(f"/snapshots/{taken['id']}"))["data"]
    assert again["expires_at"] > taken["expires_at"]
    fixed = take(sandbox, expiration_seconds=3600)
    with create_from(client, fixed):
        assert checked(client.get(f"/snapshots/{fixed['id']}"))["data"]["expires_at"] == fixed["expires_at"]


def test_the_number_is_limited(fresh_instance):
    client = fresh_instance(max_snapshots=2, spare_slots=1).client()
    with client.create() as sandbox:
        ids = [take(sandbox)["id"] for _ in range(2)]
        reply = client.post(f"{sandbox.path}/snapshots", {})
        assert reply.status_code == 409 and reply.json()["error"]["code"] == "SNAPSHOT_LIMIT_EXCEEDED"
        assert sandbox.state == "running"
        checked(client.delete(f"/snapshots/{ids[0]}"))
        take(sandbox)


def test_a_repeated_request_makes_one(client, sandbox):
    headers = {"Idempotency-Key": "take-once"}
    first = checked(client.post(f"{sandbox.path}/snapshots", {}, headers=headers), 201)
    second = checked(client.post(f"{sandbox.path}/snapshots", {}, headers=headers), 201)
    assert first == second
    assert len(checked(client.get(f"{sandbox.path}/snapshots"))["data"]) == 1


def test_a_failed_sandbox_has_no_snapshot(instance, client, sandbox):
    instance.kill_agent(sandbox)
    wait_until(lambda: sandbox.state == "error", 10, "the end to be noticed")
    with pytest.raises(ApiError) as refused:
        take(sandbox)
    assert refused.value.code == "SANDBOX_NOT_RUNNING"


def test_lost_files_are_told_of(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    client = instance.client()
    with client.create() as sandbox:
        lost, altered = take(sandbox), take(sandbox)
        instance.api.stop()
        directory = instance.state / "snapshots"
        for file in (directory / lost["id"]).iterdir():
            file.unlink()
        (directory / lost["id"]).rmdir()
        instance.start()
        path = f"/snapshots/{lost['id']}"
        wait_until(lambda: checked(client.get(path))["data"]["status"] == "failed", 10, "the loss to be noticed")
        assert "missing" in checked(client.get(path))["data"]["error"]
        reply = client.post(f"{sandbox.path}/restore/{lost['id']}", {})
        assert reply.status_code == 409 and reply.json()["error"]["code"] == "SANDBOX_NOT_RESTORABLE"
        assert sandbox.state == "running"
        checked(client.delete(path))
        assert checked(client.get(f"/snapshots/{altered['id']}"))["data"]["status"] == "ready"


def test_files_that_nobody_knows_are_removed(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    client = instance.client()
    with client.create() as sandbox:
        taken = take(sandbox)
        instance.api.stop()
        directory = instance.state / "snapshots"
        unknown = directory / "snp_01kagzzzzzzzzzzzzzzzzzzzzz"
        (directory / taken["id"]).rename(unknown)
        instance.start()
        wait_until(lambda: not unknown.exists(), 10, "the files to be removed")
