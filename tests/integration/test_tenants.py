"""Tenants do not see each other. (Every single route: tests/attack/test_cross_tenant.py.)"""

from harness.expect import checked, expect_error


def test_lists_hold_only_the_own(tenant):
    one, two = tenant("one"), tenant("two")
    with one.create(name="mine") as mine, two.create(name="mine") as yours:
        assert [entry["id"] for entry in one.list()] == [mine.id]
        assert [entry["id"] for entry in two.list()] == [yours.id]
        assert checked(one.get("/sandboxes/by-name/mine"))["id"] == mine.id
        assert checked(two.get("/sandboxes/by-name/mine"))["id"] == yours.id
        assert checked(two.get("/sandboxes", params={"search": mine.id}))["data"] == []


def test_an_id_of_another_tenant_reads_as_unknown(sandbox, other_client):
    unknown = "sbx_00000000000000000000000000"
    foreign = expect_error(other_client.get(sandbox.path), 404, "NOT_FOUND")
    missing = expect_error(other_client.get(f"/sandboxes/{unknown}"), 404, "NOT_FOUND")
    assert foreign["message"].replace(sandbox.id, "") == missing["message"].replace(unknown, "")
    expect_error(other_client.delete(sandbox.path), 404, "NOT_FOUND")
    assert sandbox.state == "running"


def test_limits_are_counted_per_tenant(fresh_instance):
    instance = fresh_instance(max_sandboxes=1)
    one, two = instance.client(tenant="one"), instance.client(tenant="two")
    with one.create(), two.create():
        expect_error(one.post("/sandboxes"), 409, "SANDBOX_LIMIT_EXCEEDED")


def test_workspaces_of_another_tenant_cannot_be_used(tenant):
    one, two = tenant("ws-one"), tenant("ws-two")
    with one.create(workspace_slug="lab") as mine:
        reply = two.post("/sandboxes", {"workspace_id": mine.object["workspace_id"]})
        assert reply.status_code in (404, 422)


def test_a_foreign_tenant_header_is_refused(client, other_client, sandbox):
    own = {"X-MIOSA-Tenant": sandbox.object["tenant_id"]}
    assert client.get("/sandboxes", headers=own).status_code == 200
    assert other_client.get("/sandboxes", headers=own).status_code == 403


def test_slugs_are_unique_over_all_tenants(tenant):
    with tenant("slug-one").create() as one, tenant("slug-two").create() as two:
        assert one.object["slug"] != two.object["slug"]
