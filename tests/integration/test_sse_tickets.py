"""Tickets: what opens an event stream where a key cannot be sent, and nothing else."""

import pytest

from harness.client import ApiError
from harness.expect import checked, expect_error
from harness.sse import EventStream


def ticket(client, route="/auth/sse-ticket"):
    return checked(client.post(route, {}))


def test_a_ticket_opens_a_stream_once(client, anonymous_client, shared_sandbox):
    made = ticket(client)
    assert made["ticket"].startswith("sset_")
    assert made["expires_in"] == 60
    path = f"{shared_sandbox.path}/events"
    with EventStream(anonymous_client, path, replay="true", ticket=made["ticket"]) as stream:
        assert stream.next("sandbox.ready")
    expect_error(anonymous_client.get(path, params={"ticket": made["ticket"]}), 401, "invalid_token")


def test_a_ticket_for_an_hour_opens_many(client, anonymous_client, shared_sandbox):
    made = ticket(client, "/sse/ticket")
    assert made["expires_in"] == 3600
    for _ in range(2):
        with EventStream(anonymous_client, "/events/stream", replay="true", ticket=made["ticket"]) as stream:
            assert stream.next("sandbox.created")


@pytest.mark.parametrize("route", ["/sandboxes", "/api-keys", "/platform-events", "/webhooks"])
def test_a_ticket_opens_nothing_but_streams(client, anonymous_client, route):
    made = ticket(client, "/sse/ticket")
    expect_error(anonymous_client.get(route, params={"ticket": made["ticket"]}), 401, "invalid_token")
    expect_error(anonymous_client.post("/sse/ticket", {}, params={"ticket": made["ticket"]}), 401, "invalid_token")


def test_a_ticket_sees_its_own_tenant_only(other_client, anonymous_client, shared_sandbox):
    made = ticket(other_client)
    with pytest.raises(ApiError) as caught:
        EventStream(anonymous_client, f"{shared_sandbox.path}/events", ticket=made["ticket"])
    assert caught.value.status == 404


def test_a_ticket_has_the_scopes_of_its_key(instance, client):
    key = checked(client.post("/api-keys", {"name": "narrow", "scopes": ["sandboxes:exec"]}), 201)["data"]["key"]
    made = ticket(instance.client(key=key), "/sse/ticket")
    reply = instance.client(key="").get("/events/stream", params={"ticket": made["ticket"]})
    expect_error(reply, 403, "insufficient_scope")


def test_a_ticket_ends_with_its_key(instance, client, anonymous_client):
    key = checked(client.post("/api-keys", {"name": "short-lived", "scopes": ["events:read"]}), 201)["data"]
    made = ticket(instance.client(key=key["key"]), "/sse/ticket")
    with EventStream(anonymous_client, "/events/stream", ticket=made["ticket"]) as stream:
        stream.await_greeting()
    checked(client.delete(f"/api-keys/{key['id']}"))
    expect_error(anonymous_client.get("/events/stream", params={"ticket": made["ticket"]}), 401, "invalid_token")


@pytest.mark.parametrize("text", ["", "sset_", "sset_unknown", "msk_live_x"])
def test_what_is_no_ticket(anonymous_client, text):
    expect_error(anonymous_client.get("/events/stream", params={"ticket": text}), 401, "invalid_token")


def test_tickets_are_not_logged(instance, client, anonymous_client, shared_sandbox):
    made = ticket(client)
    with EventStream(anonymous_client, f"{shared_sandbox.path}/events", ticket=made["ticket"]) as stream:
        stream.await_greeting()
    assert made["ticket"] not in str(instance.logs())


def test_tickets_that_nobody_uses_are_bounded(tenant):
    client = tenant("tickets-bounded")
    for _ in range(2048):
        ticket(client, "/sse/ticket")
    expect_error(client.post("/sse/ticket", {}), 429, "RATE_LIMITED")
    assert ticket(tenant("tickets-other"))


# --- pages of other origins ---

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def open_to_page(factory):
    instance = factory.make(cors_origins=f"https://other.example, {PAGE}").start()
    yield instance
    factory.end(instance)


def test_pages_of_named_origins_may_use_the_api(open_to_page):
    client = open_to_page.client()
    reply = client.get("/sandboxes", headers={"Origin": PAGE})
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert reply.headers["Vary"] == "Origin"
    refused = client.get("/sandboxes", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_preflights_are_answered(open_to_page):
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    reply = open_to_page.client(key="").request("OPTIONS", "/sandboxes", headers=headers)
    assert reply.status_code == 204
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower()


def test_by_default_no_page_may(client):
    reply = client.get("/sandboxes", headers={"Origin": PAGE})
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
