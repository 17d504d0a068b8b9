"""POST /sandboxes: what comes back, defaults, sizes, and what is refused."""

import re

import pytest

from harness.expect import checked, expect_error


def test_a_created_sandbox_is_running_and_ready(sandbox):
    fields = sandbox.object
    assert re.fullmatch(r"sbx_[0-9a-z]+", fields["id"])
    assert fields["state"] == "running"
    assert fields["ready"] is True
    assert fields["template_id"] == "miosa-sandbox"
    assert fields["image_id"] == "miosa-sandbox"
    assert fields["boot_path"] in ("cold", "warm")
    assert fields["boot_ms"] >= 0
    assert fields["destroyed_at"] is None
    assert fields["total_runtime_sec"] is None
    assert fields["metadata"] == {}
    for moment in ("created_at", "started_at", "ready_at"):
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", fields[moment]), moment
    for name in ("tenant_id", "owner_id", "workspace_id", "project_id", "slug", "preview_url"):
        assert fields[name], name


def test_get_returns_the_same_object(sandbox):
    again = checked(sandbox.client.get(sandbox.path))
    for name in ("id", "slug", "tenant_id", "cpu_count", "memory_mb", "disk_size_mb", "created_at"):
        assert again[name] == sandbox.object[name]


def test_defaults_are_the_documented_ones(sandbox):
    fields = sandbox.object
    assert (fields["cpu_count"], fields["memory_mb"]) == (1, 1024)
    assert fields["disk_mb"] == fields["disk_size_mb"] == 3072
    assert fields["timeout_sec"] == 300
    assert fields["idle_timeout_sec"] == 0
    assert fields["persistent"] is True
    assert fields["always_on"] is False


@pytest.mark.parametrize(
    "size,shape",
    [
        ("xs", (1, 2048, 10240)),
        ("small", (2, 4096, 10240)),
        ("medium", (4, 8192, 20480)),
        ("large", (8, 16384, 40960)),
        ("xl", (16, 32768, 81920)),
    ],
)
def test_size_names_give_the_documented_shapes(make_sandbox, size, shape):
    fields = make_sandbox(size=size).object
    assert fields["size"] == size
    assert (fields["cpu_count"], fields["memory_mb"], fields["disk_size_mb"]) == shape
    contract = fields["resource_contract"]
    assert contract["size"] == size
    assert (contract["vcpus"], contract["memory_mb"], contract["disk_size_mb"]) == shape


def test_a_raw_shape_is_accepted(make_sandbox):
    fields = make_sandbox(cpu_count=4, memory_mb=4096, disk_mb=20480).object
    assert (fields["cpu_count"], fields["memory_mb"], fields["disk_size_mb"]) == (4, 4096, 20480)


def test_image_and_disk_size_mb_are_aliases(make_sandbox):
    fields = make_sandbox(image="miosa-sandbox", disk_size_mb=1024).object
    assert fields["template_id"] == "miosa-sandbox"
    assert fields["disk_mb"] == 1024


def test_what_the_caller_supplies_comes_back(make_sandbox):
    given = {
        "name": "reports-1",
        "metadata": {"run": 7, "deep": {"list": [1, "zwei", None]}},
        "tags": ["alpha", "beta"],
        "external_workspace_id": "clinic_123",
        "external_user_id": "dr-smith-456",
        "external_project_id": "project_789",
        "timeout_sec": 1234,
        "idle_timeout_sec": 56,
    }
    fields = make_sandbox(**given).object
    for name, value in given.items():
        assert fields[name] == value, name


def test_tags_may_be_an_object(make_sandbox):
    sandbox = make_sandbox(tags={"team": "red"})
    assert sandbox.refresh()["tags"] == {"team": "red"}


def test_workspace_and_project_are_made_on_first_use(make_sandbox):
    where = {
        "workspace_slug": "dr-smith-clinic",
        "workspace_name": "Dr. Smith Clinic",
        "project_slug": "lead-magnet",
        "project_name": "Lead Magnet",
    }
    first, second = make_sandbox(**where).object, make_sandbox(**where).object
    for name, value in where.items():
        assert first[name] == value
    assert first["workspace_id"] == second["workspace_id"]
    assert first["project_id"] == second["project_id"]
    plain = make_sandbox().object
    assert plain["workspace_id"] != first["workspace_id"]
    by_id = make_sandbox(workspace_id=first["workspace_id"], project_id=first["project_id"]).object
    assert by_id["workspace_slug"] == "dr-smith-clinic"


def test_an_unknown_workspace_is_refused(client):
    reply = client.post("/sandboxes", json={"workspace_id": "wsp_01j9xr2t4fk8me3n5q0000000"})
    assert reply.status_code in (404, 422)
    assert reply.json()["error"]["code"] in ("NOT_FOUND", "VALIDATION_ERROR")


def test_environment_reaches_commands(make_sandbox):
    sandbox = make_sandbox(env={"GREETING": "hello $HOME 'quoted'", "EMPTY": ""})
    assert sandbox.output('printf "%s|%s|" "$GREETING" "${EMPTY-unset}"') == "hello $HOME 'quoted'||"


def test_secrets_in_env_do_not_come_back(make_sandbox):
    sandbox = make_sandbox(env={"API_TOKEN": "s3cr3t-value"})
    assert "s3cr3t-value" not in sandbox.client.get(sandbox.path).text


def test_names_are_unique_among_the_living(make_sandbox, client):
    first = make_sandbox(name="only-one")
    expect_error(client.post("/sandboxes", json={"name": "only-one"}), 409, "NAME_TAKEN")
    assert checked(client.get("/sandboxes/by-name/only-one"))["id"] == first.id
    first.destroy()
    expect_error(client.get("/sandboxes/by-name/only-one"), 404, "NOT_FOUND")
    second = make_sandbox(name="only-one")
    assert second.id != first.id


def test_wait_is_answered_in_a_header(make_sandbox, client):
    for arguments in ({"params": {"wait": "30"}, "json": {}}, {"json": {"wait": 30}}):
        reply = client.post("/sandboxes", **arguments)
        try:
            assert checked(reply, 201)["ready"] is True
            assert reply.headers["X-Miosa-Wait"] == "ready"
        finally:
            client.delete(f"/sandboxes/{reply.json()['id']}")


def test_compact_reply_has_the_id(client):
    reply = client.post("/sandboxes", json={"response_format": "compact"})
    assert checked(reply, 201)["id"].startswith("sbx_")
    client.delete(f"/sandboxes/{reply.json()['id']}")


def test_an_empty_body_makes_a_default_sandbox(client):
    reply = client.request("POST", "/sandboxes")
    assert checked(reply, 201)["template_id"] == "miosa-sandbox"
    client.delete(f"/sandboxes/{reply.json()['id']}")


def test_harmless_fields_of_the_hosted_service_are_accepted(make_sandbox):
    sandbox = make_sandbox(region="eu", allow_provision=True, auto_start=False)
    assert sandbox.object["state"] == "running"


@pytest.mark.parametrize(
    "field,value",
    [
        ("cpu_count", 0),
        ("cpu_count", 1000),
        ("cpu_count", "2"),
        ("cpu_count", 1.5),
        ("memory_mb", 1),
        ("memory_mb", 10**9),
        ("disk_mb", 1),
        ("disk_mb", 10**9),
        ("process_limit", 0),
        ("timeout_sec", 0),
        ("timeout_sec", 86401),
        ("timeout_sec", True),
        ("idle_timeout_sec", -1),
        ("idle_timeout_sec", 86401),
        ("persistent", "yes"),
        ("always_on", 1),
        ("size", "enormous"),
        ("name", ""),
        ("name", "../../etc"),
        ("name", "with space"),
        ("name", "x" * 64),
        ("slug", "Not_A_Label"),
        ("env", ["A=B"]),
        ("env", {"A": 1}),
        ("env", {"A=B": "c"}),
        ("env", {"1A": "c"}),
        ("env", {"": "c"}),
        ("metadata", "text"),
        ("metadata", {"big": "x" * 70000}),
        ("tags", "alpha"),
        ("tags", [1]),
        ("network", "everything"),
        ("network", {"mode": "none"}),
        ("snapshot_id", 1),
        ("github_repo_url", "https://example.com/x.git"),
        ("auto_start", 1),
        ("auto_resume", "yes"),
        ("services", {}),
        ("services", ["npm run dev"]),
        ("services", [{"name": "web", "command": "true"}, {"name": "web", "command": "true"}]),
        ("surprise", 1),
    ],
)
def test_a_bad_field_is_refused_by_name(client, field, value):
    error = expect_error(client.post("/sandboxes", json={field: value}), 422, "VALIDATION_ERROR")
    assert error["details"]["field"].split(".")[0].split("[")[0] == field


def test_an_unknown_template_is_refused(client):
    expect_error(client.post("/sandboxes", json={"template_id": "no-such"}), 400, "INVALID_TEMPLATE")


def test_a_template_without_its_image_says_what_to_run(client):
    error = expect_error(
        client.post("/sandboxes", json={"template_id": "streamlit"}), 409, "TEMPLATE_NOT_READY"
    )
    assert "build-template" in error["details"]["hint"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"nonsense", b'{"name":"a","name":"b"}', b'{"name":"\xff"}', b"{} {}"]
)
def test_what_is_not_one_json_object_is_refused(client, body):
    reply = client.request("POST", "/sandboxes", data=body, headers={"Content-Type": "application/json"})
    expect_error(reply, 400, "INVALID_JSON")


def test_a_huge_body_is_refused(client):
    reply = client.post("/sandboxes", json={"metadata": {"x": "y" * (2 << 20)}})
    expect_error(reply, 413, "TOO_LARGE")


def test_the_limit_of_sandboxes_counts_paused_ones(fresh_instance):
    client = fresh_instance(max_sandboxes=2).client()
    first, second = client.create(), client.create()
    expect_error(client.post("/sandboxes"), 409, "SANDBOX_LIMIT_EXCEEDED")
    first.pause()
    expect_error(client.post("/sandboxes"), 409, "SANDBOX_LIMIT_EXCEEDED")
    first.destroy()
    client.create().destroy()
    second.destroy()
