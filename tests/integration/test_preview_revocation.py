"""Whoever is not let in any more does not stay either: upgraded connections and responses that go on."""

import time

import pytest

from harness import gateway
from harness.expect import checked
from harness.gateway import Tunnel

def preview_of(instance, sandbox):
    gateway.start_upstream(sandbox)
    return gateway.Preview(instance, sandbox)


@pytest.fixture
def served(instance, make_sandbox):
    return preview_of(instance, make_sandbox())


@pytest.fixture
def witness(instance, make_sandbox):
    return preview_of(instance, make_sandbox())


def share(preview, made):
    where = f"{preview.sandbox.path}/previews/{made['id']}/share"
    return checked(preview.sandbox.client.post(where), 201)["preview_token"]


def general_token(preview, **fields):
    return checked(preview.sandbox.client.post(f"{preview.sandbox.path}/preview-token",
                                               {"scope": "interact", **fields}))["token"]


def test_a_revoked_token_ends_what_it_let_in(served):
    client, sandbox = served.sandbox.client, served.sandbox
    made = served.expose("private")
    tunnel, other = Tunnel(served, share(served, made)), Tunnel(served, general_token(served))
    assert tunnel.lives() and other.lives()
    checked(client.delete(f"{sandbox.path}/previews/{made['id']}/share"))
    assert tunnel.is_cut()
    assert other.lives()
    checked(client.delete(f"{sandbox.path}/previews/{made['id']}"))
    assert other.is_cut()


def test_a_token_s_end_is_the_end(served):
    served.expose("private")
    tunnel, other = Tunnel(served, general_token(served, expires_in=3)), Tunnel(served, general_token(served))
    assert tunnel.lives()
    assert tunnel.is_cut()
    assert other.lives()


def test_what_becomes_private_is_closed_to_those_without_a_token(served):
    client, sandbox = served.sandbox.client, served.sandbox
    made = served.expose("public")
    tunnel = Tunnel(served)
    assert tunnel.lives()
    where = f"{sandbox.path}/previews/{made['id']}"
    checked(client.patch(where, {"visibility": "private"}))
    assert tunnel.is_cut()


def test_other_changes_end_nothing(served, witness):
    client, sandbox = served.sandbox.client, served.sandbox
    made = served.expose("public")
    tunnels = [Tunnel(served), Tunnel(served, general_token(served))]
    for _ in range(3):
        checked(client.post(f"{sandbox.path}/expose", {"port": 3000}))
        checked(client.patch(f"{sandbox.path}/previews/{made['id']}", {"visibility": "public"}))
        checked(client.patch(sandbox.path, {"slug": f"renamed-{time.time_ns()}"}))
        sandbox.pause()
        # when this one is cut, the others were asked after as well
        gone = witness.expose("public")
        last = Tunnel(witness)
        checked(client.delete(f"{witness.sandbox.path}/previews/{gone['id']}"))
        assert last.is_cut()
        sandbox.resume()
        assert all(tunnel.lives() for tunnel in tunnels)


def test_a_deployment_that_stops_or_goes(served):
    client, sandbox = served.sandbox.client, served.sandbox

    def deploy(**fields):
        return checked(client.post(f"{sandbox.path}/deploy", {"name": "x", "port": served.port, **fields}), 201)

    made = deploy()
    host = made["url"].split("//")[1].split(":")[0]
    where = f"/deployments/{made['deployment_id']}"
    tunnel = Tunnel(served, host=host)
    checked(client.patch(where, {"name": "renamed"}))
    checked(client.post(f"{where}/stop"))
    assert tunnel.is_cut()
    checked(client.post(f"{where}/start"))
    tunnel = Tunnel(served, host=host)
    assert tunnel.lives()
    checked(client.delete(where))
    assert tunnel.is_cut()


def test_responses_that_go_on_end_as_well(served):
    client, sandbox = served.sandbox.client, served.sandbox
    made = served.expose("private")
    token = share(served, made)
    with served.connect() as connection:
        connection.send(served.head("/events", "GET", f"x-miosa-preview-token: {token}"))
        connection._until(b"data: 3")
        checked(client.delete(f"{sandbox.path}/previews/{made['id']}/share"))
        assert connection._until(b"data: 400\n") is None


def test_many_idle_tunnels_are_cut_at_once(served):
    made = served.expose("public")
    tunnels = [Tunnel(served) for _ in range(200)]
    checked(served.sandbox.client.delete(f"{served.sandbox.path}/previews/{made['id']}"))
    assert all(tunnel.is_cut() for tunnel in tunnels)
