"""Host names that try to be what they are not: none leads to a port that its owner did not open."""

import uuid

import pytest

from harness.expect import checked
from harness.served import serve
from harness.visitor import Visitor


@pytest.fixture
def guarded(client, make_sandbox):
    """A public server on 3000, a private one on 4321, one that is not exposed on 5000."""
    sandbox = make_sandbox()
    serve(sandbox, 3000, "public")
    serve(sandbox, 4321, "private")
    serve(sandbox, 5000, "hidden")
    checked(client.post(f"{sandbox.path}/expose", {"port": 3000}))
    checked(client.post(f"{sandbox.path}/previews", {"port": 4321}), 201)
    return sandbox


HOSTS = [
    "{slug}.sandbox.localhost", "3000-{slug}.sandbox.localhost", "4321-{slug}.sandbox.localhost",
    "5000-{slug}.sandbox.localhost", "5000-{slug}.SANDBOX.localhost", "5000-{SLUG}.sandbox.localhost",
    "05000-{slug}.sandbox.localhost", "+5000-{slug}.sandbox.localhost", "70536-{slug}.sandbox.localhost",
    "5000--{slug}.sandbox.localhost", "3000-5000-{slug}.sandbox.localhost", "5000-3000-{slug}.sandbox.localhost",
    "x.5000-{slug}.sandbox.localhost", "5000-{slug}.sandbox.localhost.", "5000-{slug}.sandbox.localhost:3000",
    "5000-{slug}.localhost", "5000-{slug}.default.localhost", "{slug}.default.localhost", "{slug}.5000.localhost",
    "{slug}.sandbox.localhost.example.org", "{slug}", "{id}.sandbox.localhost", "5000-{id}.sandbox.localhost",
    "localhost", "127.0.0.1", "[::1]", "169.254.0.1", "sandbox.localhost", ".sandbox.localhost", "%s.sandbox.localhost",
]
TRICKS = [
    {}, {"X-Forwarded-Host": "5000-{slug}.sandbox.localhost"}, {"Forwarded": "host=5000-{slug}.sandbox.localhost"},
    {"X-Original-URL": "http://5000-{slug}.sandbox.localhost/"}, {"X-Forwarded-Port": "5000"}, {"X-Host": "localhost:5000"},
]


def test_only_the_public_server_is_reached(instance, guarded):
    visitor = Visitor(instance)
    values = {"slug": guarded.object["slug"], "SLUG": guarded.object["slug"].upper(), "id": guarded.id}
    reached = 0
    for host in HOSTS:
        for trick in TRICKS:
            headers = {name: text.format(**values) for name, text in trick.items()}
            reply = visitor.get("http://x/", headers={**headers, "Host": host.format(**values)})
            assert "hidden" not in reply.text and '"server": "private"' not in reply.text, (host, trick)
            if reply.status_code == 200:
                assert '"server": "public"' in reply.text and "5000" not in host, (host, reply.text)
                reached += 1
    assert reached >= 2 * len(TRICKS)


def test_nobody_takes_a_name_that_means_somebody_else_s_port(client, other_client, guarded):
    slug = guarded.object["slug"]
    for taken in (slug, f"5000-{slug}", f"3000-{slug}"):
        reply = other_client.post("/sandboxes", {"slug": taken})
        assert reply.status_code in (409, 422), (taken, reply.text)
    for name in (f"{slug}.sandbox.localhost", f"5000-{slug}.sandbox.localhost", "localhost", "default.localhost"):
        reply = other_client.post("/domains", {"hostname": name})
        assert reply.status_code == 422, (name, reply.text)


@pytest.mark.parametrize("name", ["sandbox", "Preview", "www", "a.b", "-a", "x" * 50])
def test_a_tenant_s_name_never_becomes_another_kind_of_name(instance, tenant, name):
    client = tenant(name)
    with client.create() as sandbox:
        serve(sandbox, 8000, "theirs")
        made = checked(client.post(f"{sandbox.path}/deploy", {"name": "x", "port": 8000}), 201)
        group = made["url"].split("//")[1].split(".")[1]
        assert group.startswith("t") and len(group) == 13 and group.isalnum()
        assert '"server": "theirs"' in Visitor(instance).page(f"{made['url']}/{uuid.uuid4().hex}")
        checked(client.delete(f"/deployments/{made['id']}"))
