"""What monitoring asks: /health and /metrics; and the engines on offer."""

import re

import pytest

from harness.expect import checked
from harness.snapshots import create_from, look, restore, take
from harness.wait import wait_until


def samples(client):
    reply = client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    found = {}
    for line in reply.text.splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)", line)
            assert match, f"not a sample: {line!r}"
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_health_needs_no_key(anonymous_client):
    reply = checked(anonymous_client.get("/health"))
    assert reply["status"] == "ok"
    assert reply["version"]


def test_health_says_what_is_missing(fresh_instance):
    instance = fresh_instance()
    instance.host.kill9()
    client = instance.client()
    wait_until(lambda: client.get("/health").status_code == 503, 20, "health is 503")
    assert "host" in client.get("/health").text
    instance.start()
    wait_until(lambda: client.get("/health").status_code == 200, 20, "health is back")


def test_metrics_are_prometheus_text_and_count(client):
    before = samples(client)
    with client.create():
        during = samples(client)
    running = [name for name in during if 'state="running"' in name]
    assert during[running[0]] >= before.get(running[0], 0) + 1
    grown = [name for name, value in during.items() if value > before.get(name, 0)]
    assert all(name.startswith(("atoll_", "process_")) for name in grown)
    assert any("request" in name for name in grown)
    assert any("created" in name for name in grown)


def test_snapshots_are_counted(client, sandbox):
    before = samples(client)
    taken = take(sandbox)
    checked(client.post("/named-snapshots", {"name": "counted", "snapshot_id": taken["id"]}), 201)
    look(client, taken["id"], "tree", "/")
    restore(sandbox, taken)
    create_from(client, taken).destroy()
    during = samples(client)
    grown = lambda name: during[name] - before[name]
    for name in (
        'atoll_snapshots{status="ready"}', "atoll_snapshots_taken_total", "atoll_named_snapshots", "atoll_snapshot_views",
        "atoll_snapshot_restores_total", "atoll_snapshot_forks_total", "atoll_snapshot_pause_seconds_count",
    ):
        assert grown(name) == 1, name
    assert grown("atoll_snapshot_bytes") == taken["size_bytes"]
    assert grown("atoll_snapshot_pause_seconds_sum") == pytest.approx(taken["source_pause_us"] / 1e6, abs=2e-6)
    assert client.post(f"{sandbox.path}/restore/snp_00000000000000000000000000").status_code == 404
    checked(client.delete("/named-snapshots/counted"))
    checked(client.delete(f"/snapshots/{taken['id']}"))
    after = samples(client)
    assert after["atoll_snapshots_deleted_total"] == before["atoll_snapshots_deleted_total"] + 1
    assert after["atoll_snapshot_views"] == before["atoll_snapshot_views"]


def test_metrics_name_no_tenant_and_no_sandbox(client, sandbox):
    text = client.get("/metrics").text
    assert sandbox.id not in text
    assert sandbox.object["tenant_id"] not in text


def test_every_metric_has_help_and_type(client):
    text = client.get("/metrics").text
    families = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert families == set(re.findall(r"^# HELP (\S+)", text, re.M))
    for name in samples(client):
        bare = name.split("{")[0]
        assert bare in families or re.sub(r"_(bucket|sum|count)$", "", bare) in families, name


def test_engines_say_what_isolates(client):
    engines = {engine["id"]: engine for engine in checked(client.get("/engines"))["data"]}
    container = engines["container"]
    assert container["usable"] is True and container["problem"] is None
    assert container["isolation"]
    assert container["accel"] == "none"
    able = container["capabilities"]
    assert able["memory_snapshot"] is (able["memory_snapshot_problem"] is None)
    assert checked(client.get("/health"))["host"]["engines"] == list(engines.values())
    metrics = samples(client)
    for name, engine in engines.items():
        labels = f'engine="{name}",accel="{engine["accel"]}"'
        assert metrics[f"atoll_engine_usable{{{labels}}}"] == engine["usable"]


def test_starts_and_sandboxes_are_counted_by_engine(client, sandbox):
    before = samples(client)
    assert before['atoll_engine_sandboxes{engine="container",state="running"}'] >= 1
    sandbox.stop()
    sandbox.resume()
    name = 'atoll_sandbox_starts_total{engine="container",boot_path="cold"}'
    assert samples(client)[name] == before[name] + 1
