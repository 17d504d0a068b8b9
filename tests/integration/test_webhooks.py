"""Webhooks: each event told once, signed, tried again, and never to an address that is not public."""

import hashlib
import hmac
import ipaddress
import socket
import uuid

import pytest

from harness.expect import checked, expect_error
from harness.receiver import Receiver, signature
from harness.wait import wait_until


@pytest.fixture(scope="module")
def hooked(factory):
    """An instance whose webhooks may go to loopback, where the tests listen."""
    instance = factory.make(webhook_targets="any").start()
    yield instance
    factory.end(instance)


@pytest.fixture
def own(hooked):
    """A client of a tenant that nobody else uses."""
    return hooked.client(tenant=f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


def make(client, url, **fields):
    return checked(client.post("/webhooks", {"url": url, **fields}), 201)["data"]


def deliveries(client, hook, **query):
    return checked(client.get(f"/webhooks/{hook['id']}/deliveries", params=query))["data"]


def settled(client, hook, count):
    def done():
        listed = deliveries(client, hook)
        return len(listed) >= count and all(one["state"] != "pending" for one in listed) and listed

    return wait_until(done, 30, f"{count} settled deliveries")


def test_a_life_is_told_with_signatures_that_verify(own, receiver):
    hook = make(own, receiver.url, name="all", events=["sandbox.*"])
    assert hook["secret"].startswith("whsec_")
    sandbox = own.create(persistent=True)
    sandbox.pause()
    sandbox.destroy()
    names = ("created", "running", "ready", "pausing", "paused", "destroying", "destroyed")
    payloads = receiver.await_count(len(names))
    settled(own, hook, len(names))
    assert sorted(receiver.types()) == sorted(f"sandbox.{name}" for name in names)
    for headers, body in receiver.requests:
        assert headers["X-Miosa-Signature"] == signature(hook["secret"], body)
        time, _, digits = headers["Miosa-Signature"].removeprefix("t=").partition(",v1=")
        assert digits == hmac.new(hook["secret"].encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    for (headers, _), payload in zip(receiver.requests, payloads):
        assert headers["X-Miosa-Event"] == payload["event"] == payload["type"]
        assert headers["X-Miosa-Delivery"] == payload["delivery_id"] == payload["id"]
        assert payload["tenant_id"] == hook["tenant_id"]
        assert payload["data"]["sandbox_id"] == sandbox.id
        assert payload["occurred_at"].endswith("Z")


def test_only_what_was_asked_for_is_told(own, receiver):
    hook = make(own, receiver.url, events=["sandbox.paused", "sandbox.destroyed"])
    sandbox = own.create(persistent=True)
    sandbox.pause()
    sandbox.destroy()
    receiver.await_count(2)
    assert {one["event_type"] for one in settled(own, hook, 2)} == {"sandbox.paused", "sandbox.destroyed"}
    assert sorted(receiver.types()) == ["sandbox.destroyed", "sandbox.paused"]


def test_another_tenant_is_told_nothing(hooked, own, receiver):
    hook = make(own, receiver.url)
    hooked.client(tenant="somebody-else").create().destroy()
    own.create().destroy()
    receiver.await_count(5)
    settled(own, hook, 5)
    assert {payload["tenant_id"] for payload in receiver.payloads()} == {hook["tenant_id"]}


def test_a_secret_is_shown_once(own, receiver):
    hook = make(own, receiver.url)
    for shown in (
        checked(own.get(f"/webhooks/{hook['id']}"))["data"],
        checked(own.get("/webhooks"))["data"][0],
        checked(own.patch(f"/webhooks/{hook['id']}", {"name": "x"}))["data"],
    ):
        assert "secret" not in shown
        assert hook["secret"] not in str(shown)
        assert shown["secret_preview"][:9] == hook["secret"][:9]
    rotated = checked(own.post(f"/webhooks/{hook['id']}/rotate-secret"))["data"]
    assert rotated["secret"] != hook["secret"]
    checked(own.post(f"/webhooks/{hook['id']}/test"), 202)
    receiver.await_count(1)
    headers, body = receiver.requests[0]
    assert headers["X-Miosa-Signature"] == signature(rotated["secret"], body)


def test_a_secret_of_ones_own_and_headers(own, receiver):
    make(own, receiver.url, secret="a-secret-of-my-own", headers={"X-Token": "abc def"}, events=["sandbox.created"])
    own.create().destroy()
    receiver.await_count(1)
    headers, body = receiver.requests[0]
    assert headers["X-Token"] == "abc def"
    assert headers["X-Miosa-Signature"] == signature("a-secret-of-my-own", body)


def test_a_failure_is_tried_again_as_the_receiver_asks(own):
    with Receiver([(503, {"Retry-After": "2"})]) as receiver:
        hook = make(own, receiver.url, events=["sandbox.created"])
        own.create().destroy()
        [delivery] = settled(own, hook, 1)
        assert (delivery["state"], delivery["attempts"], delivery["last_status_code"]) == ("delivered", 2, 204)
        assert len({body for _, body in receiver.requests}) == 1, "one delivery is one text"
        assert checked(own.get(f"/webhooks/{hook['id']}"))["data"]["failure_count"] == 0


def test_retries_end(own):
    with Receiver([(500, {})] * 2) as receiver:
        hook = make(own, receiver.url, events=["sandbox.created"], retry_count=1)
        own.create().destroy()
        [delivery] = settled(own, hook, 1)
        assert (delivery["state"], delivery["attempts"], delivery["last_error"]) == ("failed", 2, "HTTP status 500")
        shown = checked(own.get(f"/webhooks/{hook['id']}"))["data"]
        assert (shown["failure_count"], shown["state"], shown["last_status_code"]) == (1, "active", 500)


def test_gone_switches_it_off(own):
    with Receiver([(410, {})]) as receiver:
        hook = make(own, receiver.url, events=["sandbox.created"])
        own.create().destroy()
        [delivery] = settled(own, hook, 1)
        assert (delivery["state"], delivery["attempts"]) == ("failed", 1)
        assert checked(own.get(f"/webhooks/{hook['id']}"))["data"]["state"] == "inactive"
        own.create().destroy()
        checked(own.patch(f"/webhooks/{hook['id']}", {"active": True}))
        own.create().destroy()
        receiver.await_count(2)
        assert len(settled(own, hook, 2)) == 2, "what happened while it was off is not told"


def test_a_receiver_that_always_fails_is_given_up(own):
    with Receiver([(500, {})] * 20) as receiver:
        hook = make(own, receiver.url, events=["sandbox.created"], retry_count=0)
        for _ in range(20):
            checked(own.post(f"/webhooks/{hook['id']}/test"), 202)
        wait_until(
            lambda: checked(own.get(f"/webhooks/{hook['id']}"))["data"]["state"] == "failed", 30, "it to be given up"
        )
        expect_error(own.post(f"/webhooks/{hook['id']}/test"), 422, "VALIDATION_ERROR")


def test_redirects_are_not_followed(own):
    with Receiver() as target, Receiver([(302, {"Location": target.url})]) as receiver:
        hook = make(own, receiver.url, events=["sandbox.created"], retry_count=0)
        own.create().destroy()
        [delivery] = settled(own, hook, 1)
        assert (delivery["state"], delivery["last_status_code"]) == ("failed", 302)
        assert target.requests == []


def test_a_dead_receiver_does_not_delay_another_tenants(hooked, own, receiver):
    dead = hooked.client(tenant=f"t{uuid.uuid4().hex[:12]}")
    with Receiver() as silent:
        silent.take = lambda *_: wait_until(lambda: receiver.requests, 30) and (204, {})
        hook = make(dead, silent.url, events=["sandbox.created"])
        for _ in range(10):
            checked(dead.post(f"/webhooks/{hook['id']}/test"), 202)
        make(own, receiver.url, events=["sandbox.created"])
        own.create().destroy()
        assert receiver.await_count(1)


def test_replays_and_tests(own, receiver):
    hook = make(own, receiver.url, events=["sandbox.created"])
    tested = checked(own.post(f"/webhooks/{hook['id']}/test"), 202)["data"]
    assert (tested["event_type"], tested["state"], tested["attempts"]) == ("webhook.test", "pending", 0)
    [first] = receiver.await_count(1)
    settled(own, hook, 1)
    where, body = f"/webhooks/{hook['id']}/deliveries/{tested['id']}/replay", {"replay_id": str(uuid.uuid4())}
    again = checked(own.post(where, body), 202)["data"]
    assert (again["replay_of"], again["state"]) == (tested["id"], "pending")
    second = receiver.await_count(2)[1]
    assert second["id"] == again["id"] != first["id"]
    assert {**second, "id": 0, "delivery_id": 0} == {**first, "id": 0, "delivery_id": 0}
    expect_error(own.post(where, body), 409, "REPLAY_ID_USED")
    expect_error(own.post(where, {"replay_id": "x"}), 422, "VALIDATION_ERROR")
    expect_error(own.post(where, {}), 400, "MISSING_PARAM")
    pages = [deliveries(own, hook, limit=1), deliveries(own, hook, limit=1, before=again["id"])]
    assert [page[0]["id"] for page in pages] == [again["id"], tested["id"]]


def test_a_deleted_one_is_gone(own, receiver):
    hook = make(own, receiver.url)
    checked(own.delete(f"/webhooks/{hook['id']}"))
    for reply in (own.get(f"/webhooks/{hook['id']}"), own.delete(f"/webhooks/{hook['id']}")):
        expect_error(reply, 404, "NOT_FOUND")
    assert checked(own.get("/webhooks"))["data"] == []


def test_the_catalogue(client):
    catalogue = checked(client.get("/webhooks/events"))
    assert {"sandbox.created", "sandbox.destroyed", "deployment.created"} <= set(catalogue["events"])
    assert catalogue["data"]["sandbox"][0] == "sandbox.created"
    assert catalogue["signing"] == {
        "header": "x-miosa-signature", "algorithm": "hmac-sha256", "format": "sha256=<hex>",
    }  # fmt: skip


GOOD = "https://example.com/hook"


@pytest.mark.parametrize(
    "field,value",
    [
        ("url", "ftp://example.com/"),
        ("url", "/hook"),
        ("url", "https://user:secret@example.com/"),
        ("url", "https://example.com/a b"),
        ("url", "https://" + "a" * 2100),
        ("events", ["sandbox.nothing"]),
        ("events", ["sandbox.created,sandbox.paused"]),
        ("events", "sandbox.created"),
        ("events", ["sandbox.created"] * 51),
        ("headers", {"X-Miosa-Event": "x"}),
        ("headers", {"host": "evil"}),
        ("headers", {"Content-Length": "1"}),
        ("headers", {"Transfer-Encoding": "chunked"}),
        ("headers", {"X-A": "b\r\nX-Miosa-Event: c"}),
        ("headers", {"X A": "b"}),
        ("headers", {"X-A": ""}),
        ("headers", {"X-A": 1}),
        ("retry_count", 11),
        ("retry_count", -1),
        ("metadata", []),
        ("secret", "short"),
        ("secret", "with a space in the middle"),
        ("state", "failed"),
        ("active", "yes"),
        ("name", "n" * 101),
        ("workspace_id", "wsp_00000000000000000000000000"),
        ("nonsense", 1),
    ],
)
def test_bad_fields_are_named(client, field, value):
    error = expect_error(client.post("/webhooks", {"url": GOOD, field: value}), 422, "VALIDATION_ERROR")
    assert error["details"]["field"] == field


def test_a_url_is_needed(client):
    assert expect_error(client.post("/webhooks", {}), 400, "MISSING_PARAM")["details"]["field"] == "url"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "x.localhost", "localhost.", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "0x7f000001", "2130706433", "017700000001", "127.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[fc00::1]", "[ff02::1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:db8::1]",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(client, host):
    error = expect_error(client.post("/webhooks", {"url": f"http://{host}:8080/hook"}), 422, "WEBHOOK_URL_REFUSED")
    assert error["details"]["field"] == "url"


def test_a_name_that_leads_inside_is_refused_when_it_is_sent_to(client):
    name = socket.gethostname()
    try:
        if ipaddress.ip_address(socket.gethostbyname(name)).is_global:
            pytest.skip("this machine's name leads to a public address")
    except OSError:
        pytest.skip("this machine's name leads nowhere")
    hook = make(client, f"http://{name}:{client.url.rsplit(':', 1)[1]}/health", retry_count=0)
    checked(client.post(f"/webhooks/{hook['id']}/test"), 202)
    [delivery] = settled(client, hook, 1)
    assert delivery["state"] == "failed"
    assert delivery["last_error"] == "the host's address is not public"
    checked(client.delete(f"/webhooks/{hook['id']}"))


def test_other_tenants_webhooks_are_not_there(client, other_client):
    hook = make(client, GOOD, active=False)
    routes = [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret"),
        ("GET", "/deliveries"), ("POST", "/deliveries/whd_x/replay"),
    ]  # fmt: skip
    for method, rest in routes:
        body = {"replay_id": str(uuid.uuid4())} if rest.endswith("replay") else None
        reply = other_client.request(method, f"/webhooks/{hook['id']}{rest}", json=body)
        expect_error(reply, 404, "NOT_FOUND")
    assert hook["id"] not in str(checked(other_client.get("/webhooks")))
    checked(client.delete(f"/webhooks/{hook['id']}"))


def test_the_number_of_webhooks_is_bounded(tenant):
    client = tenant("webhooks-bounded")
    for _ in range(50):
        make(client, GOOD, active=False)
    expect_error(client.post("/webhooks", {"url": GOOD}), 409, "WEBHOOK_LIMIT_EXCEEDED")
