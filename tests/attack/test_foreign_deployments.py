"""Previews, deployments and domains of one tenant in another one's hands."""

import pytest

from harness.expect import checked, expect_error


@pytest.fixture
def published(client, sandbox):
    """A sandbox with a preview, a share, a deployment and a domain."""
    exposed = checked(client.post(f"{sandbox.path}/expose", {"port": 3000}))
    share = checked(client.post(f"{sandbox.path}/shares"), 201)
    body = {"name": "victim", "port": 3000, "domain": "victim.example.org"}
    deployed = checked(client.post(f"{sandbox.path}/deploy", body), 201)
    yield {"sandbox": sandbox, "preview": exposed["preview_id"], "share": share["share_id"], "deployment": deployed["id"]}
    checked(client.delete(f"/deployments/{deployed['id']}"))
    checked(client.delete("/domains/victim.example.org"))


def test_nothing_of_it_can_be_seen_or_changed(client, other_client, published):
    with other_client.create() as own:
        for path in (published["sandbox"].path, own.path):  # an own sandbox's path with foreign ids
            code = "PREVIEW_NOT_FOUND" if path == own.path else "NOT_FOUND"
            preview = f"{path}/previews/{published['preview']}"
            for reply in (
                other_client.get(preview),
                other_client.patch(preview, {"visibility": "private"}),
                other_client.delete(preview),
                other_client.get(f"{preview}/status"),
                other_client.post(f"{preview}/share"),
                other_client.delete(f"{preview}/share"),
            ):
                expect_error(reply, 404, code)
            expect_error(other_client.delete(f"{path}/shares/{published['share']}"), 404, "NOT_FOUND")
        body = {"name": "stolen", "deployment_id": published["deployment"]}
        expect_error(other_client.post(f"{own.path}/deploy", body), 404, "NOT_FOUND", "deployment_id")
    deployment = f"/deployments/{published['deployment']}"
    domain = "/domains/victim.example.org"
    for reply in (
        other_client.get(deployment),
        other_client.patch(deployment, {"port": 1}),
        other_client.delete(deployment),
        other_client.post(f"{deployment}/stop"),
        other_client.post(f"{deployment}/start"),
        other_client.get(domain),
        other_client.patch(domain, {"deployment_id": None}),
        other_client.delete(domain),
        other_client.post(f"{domain}/verify"),
        other_client.post(f"{domain}/assign", {"deployment_id": None}),
    ):
        expect_error(reply, 404, "NOT_FOUND")
    for path, name in (("/deployments", "victim"), ("/domains", "victim.example.org")):
        assert name not in other_client.get(path).text
    # it is all as it was
    sandbox = published["sandbox"]
    (preview,) = checked(client.get(f"{sandbox.path}/previews"))["data"]
    assert preview["id"] == published["preview"] and preview["visibility"] == "public"
    assert len(checked(client.get(f"{sandbox.path}/shares"))["data"]) == 1
    now = checked(client.get(deployment))["data"]
    assert now["state"] == "running" and now["port"] == 3000 and now["domains"][0]["deployment_id"] == now["id"]


def test_ids_that_are_no_ids(client, sandbox):
    for strange in ("..", "%2e%2e", "%00", "x" * 300, "prv_%27%20OR%201=1", "%F0%9F%92%A9"):
        for path in (f"{sandbox.path}/previews/{strange}", f"/deployments/{strange}", f"/domains/{strange}"):
            reply = client.get(path)
            assert reply.status_code in (400, 404), (path, reply.status_code, reply.text)
