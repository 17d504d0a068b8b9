"""Deployments: what a sandbox serves gets a name that outlives timers, restarts and reboots."""

import uuid

import pytest

from harness.expect import checked, expect_error
from harness.power import lose_power
from harness.served import command, install, serve
from harness.visitor import Visitor
from harness.wait import wait_until


@pytest.fixture
def visitor(instance):
    return Visitor(instance)


def deploy(client, sandbox, headers=None, **fields):
    return checked(client.post(f"{sandbox.path}/deploy", {"name": "My app!", **fields}, headers=headers or {}), 201)


def test_a_deployment_serves_under_its_own_name(client, sandbox, visitor):
    serve(sandbox, 8000)
    made = deploy(client, sandbox, port=8000)
    assert made["state"] == "running" and made["deployment_id"].startswith("dep_")
    host = made["url"].split("//")[1].split(":")[0].split(".")
    assert host[0].startswith("my-app-") and len(host[0]) == len("my-app-k3v9x0")
    assert host[1:] == ["default", "localhost"]
    assert '"method": "POST"' in visitor.post(f"{made['url']}/x", data=b"y").text
    assert visitor.refused(made["url"].replace("my-app", "your-app")) == "NOT_FOUND"
    assert visitor.refused(made["url"].replace(".default.", ".other.")) == "NOT_FOUND"
    # the port itself is no more exposed than before
    assert visitor.refused(sandbox.object["preview_url"]) == "NOT_FOUND"


def test_its_timers_are_cancelled(client, make_sandbox):
    sandbox = make_sandbox(timeout_sec=60, idle_timeout_sec=60)
    deploy(client, sandbox)
    now = sandbox.refresh()
    assert now["always_on"] is True and now["persistent"] is True
    assert now["timeout_remaining_ms"] is None and not now["idle_timeout_sec"]


def test_the_port_is_80_unless_somebody_knows_better(client, make_sandbox):
    assert deploy(client, make_sandbox())["port"] == 80


def test_what_a_deploy_must_say(client, sandbox):
    expect_error(client.post(f"{sandbox.path}/deploy", {"port": 80}), 400, "MISSING_PARAM", "name")
    for body, field in (
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "database": {}}, "database"),
        ({"name": "x", "resources": {"cpu": 2}}, "resources"),
        ({"name": "x", "output_path": "/dist"}, "output_path"),
        ({"name": "x", "type": "static"}, "type"),
        ({"name": "x", "deployment_type": "docker_deploy"}, "deployment_type"),
        ({"name": "x", "nonsense": 1}, "nonsense"),
        ({"name": "x", "domain": "not a host"}, "domain"),
        ({"name": "x", "custom_domain": "shop.sandbox.localhost"}, "custom_domain"),
        ({"name": "x", "health_check_path": "health"}, "health_check_path"),
        ({"name": "x", "start_command": ""}, "start_command"),
    ):
        expect_error(client.post(f"{sandbox.path}/deploy", body), 422, "VALIDATION_ERROR", field)
    body = {"name": "x", "deployment_id": "dep_00000000000000000000000000"}
    expect_error(client.post(f"{sandbox.path}/deploy", body), 404, "NOT_FOUND", "deployment_id")
    assert checked(client.get("/deployments", params={"sandbox_id": sandbox.id}))["data"] == []


def test_only_what_runs_is_deployed(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.pause()
    expect_error(client.post(f"{sandbox.path}/deploy", {"name": "x"}), 409, "SANDBOX_NOT_RUNNING")
    sandbox.destroy()
    expect_error(client.post(f"{sandbox.path}/deploy", {"name": "x"}), 404, "NOT_FOUND")


def test_an_idempotency_key_makes_one_deployment(client, sandbox):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = deploy(client, sandbox, headers=key), deploy(client, sandbox, headers=key)
    assert first == again
    assert len(checked(client.get("/deployments", params={"sandbox_id": sandbox.id}))["data"]) == 1
    assert deploy(client, sandbox)["url"] != first["url"]


def test_look_change_stop_start_end(client, sandbox, visitor):
    serve(sandbox, 8000, "first")
    serve(sandbox, 8001, "second")
    made = deploy(client, sandbox, port=8000)
    where = f"/deployments/{made['deployment_id']}"
    assert checked(client.get(where))["data"] == made
    assert made in checked(client.get("/deployments"))["data"]
    changed = checked(client.patch(where, {"port": 8001, "name": "renamed"}))["data"]
    assert changed["port"] == 8001 and changed["name"] == "renamed" and changed["url"] == made["url"]
    assert '"server": "second"' in visitor.page(made["url"])
    expect_error(client.patch(where, {"slug": "mine"}), 422, "VALIDATION_ERROR", "slug")
    expect_error(client.patch(where, {"port": 0}), 422, "INVALID_PORT", "port")
    assert checked(client.post(f"{where}/stop"))["data"]["state"] == "stopped"
    reply = visitor.get(made["url"])
    assert reply.status_code == 503 and reply.json()["error"]["code"] == "DEPLOYMENT_NOT_RUNNING"
    assert checked(client.post(f"{where}/start"))["data"]["state"] == "running"
    visitor.page(made["url"])
    assert checked(client.delete(where))["data"] == {"id": made["deployment_id"], "state": "deleted"}
    assert visitor.refused(made["url"]) == "NOT_FOUND"
    for reply in (client.get(where), client.patch(where, {}), client.delete(where), client.post(f"{where}/stop"),
                  client.post(f"{where}/start")):
        expect_error(reply, 404, "NOT_FOUND")
    assert sandbox.state == "running"


def test_another_sandbox_takes_over(client, make_sandbox, visitor):
    old, new = make_sandbox(), make_sandbox()
    serve(old, 8000, "old")
    serve(new, 8000, "new")
    made = deploy(client, old, port=8000)
    again = deploy(client, new, port=8000, deployment_id=made["deployment_id"])
    assert again["url"] == made["url"] and again["sandbox_id"] == new.id
    assert '"server": "new"' in visitor.page(made["url"])


def test_a_deployment_whose_sandbox_was_destroyed_says_so(client, make_sandbox, visitor):
    sandbox = make_sandbox()
    made = deploy(client, sandbox, port=8000)
    sandbox.destroy()
    seen = checked(client.get(f"/deployments/{made['deployment_id']}"))["data"]
    assert seen["state"] == "failed" and "sandbox" in seen["reason"]
    reply = visitor.get(made["url"], headers={"Accept": "text/html"})
    assert reply.status_code == 503 and "sandbox behind this deployment is gone" in reply.text


def test_a_request_wakes_it(client, make_sandbox, visitor):
    sandbox = make_sandbox()
    serve(sandbox, 8000)
    made = deploy(client, sandbox, port=8000)
    sandbox.pause()
    visitor.page(made["url"])
    assert sandbox.state == "running"


def test_a_start_command_starts_the_app(client, make_sandbox, visitor):
    sandbox = make_sandbox()
    install(sandbox)
    made = deploy(client, sandbox, port=8000, start_command=command(8000, "app"), build_command="touch /workspace/built")
    assert '"server": "app"' in visitor.page(made["url"])
    assert sandbox.output("ls /workspace") == "built\nserver.py\n"
    assert made["start_command"].startswith("exec python3")
    # it is there to stay
    sandbox.output("kill -9 $(cat /tmp/miosa-run/template.pid)")
    wait_until(lambda: visitor.get(made["url"]).status_code == 200, 30, "the app to run again")
    assert checked(client.get(f"{sandbox.path}/template"))["data"]["restarts"] == 1
    reply = client.post(f"{sandbox.path}/deploy", {"name": "x", "port": 8001, "start_command": "exit 3"})
    expect_error(reply, 422, "APP_NOT_READY")
    assert len(checked(client.get("/deployments", params={"sandbox_id": sandbox.id}))["data"]) == 1


def test_a_start_command_needs_the_scope_of_commands(client, instance, sandbox):
    made = checked(client.post("/api-keys", {"name": "deployer", "scopes": ["deployments:write"]}), 201)
    deployer = instance.client(made["data"]["key"])
    assert deployer.post(f"{sandbox.path}/deploy", {"name": "x"}).status_code == 201
    reply = deployer.post(f"{sandbox.path}/deploy", {"name": "x", "start_command": "true"})
    expect_error(reply, 403, "insufficient_scope")


def test_events_tell_of_it(client, sandbox):
    made = deploy(client, sandbox, port=8000)
    client.delete(f"/deployments/{made['deployment_id']}")
    events = checked(client.get("/platform-events", params={"subject_id": made["deployment_id"]}))["data"]
    seen = [event["type"] for event in events]
    assert "deployment.created" in seen and "deployment.deleted" in seen


def test_it_survives_both_daemons_and_a_reboot(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    client, visitor = instance.client(), Visitor(instance)
    sandbox = client.create()
    install(sandbox)
    made = deploy(client, sandbox, port=8000, start_command=command(8000, "app"))
    instance.api.kill9()
    instance.host.kill9()
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    assert '"server": "app"' in visitor.page(made["url"])

    lose_power(instance)
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: sandbox.state == "paused", 30, "the sandbox to be told paused")
    # one request, which waits for the app
    assert '"server": "app"' in visitor.page(made["url"], timeout=60)
