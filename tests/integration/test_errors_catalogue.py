"""One error shape everywhere, with the request's id and a next step."""

import re

import pytest

from harness.expect import describe, expect_error
from harness.raw import raw_request

UNKNOWN = "/sandboxes/sbx_00000000000000000000000000"


def test_every_reply_has_a_request_id_of_its_own(client, anonymous_client):
    replies = [
        client.get("/sandboxes"),
        client.get("/nowhere"),
        anonymous_client.get("/sandboxes"),
        client.post("/sandboxes", {"cpu_count": 0}),
        client.get("/health"),
        client.get("/metrics"),
        client.get("/openapi.json"),
    ]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{8,128}", one) for one in ids)
    assert len(set(ids)) == len(ids)


def test_an_unknown_route(client):
    expect_error(client.get("/no/such/route"), 404, "ROUTE_NOT_FOUND")
    expect_error(client.request("GET", "/api/v2/sandboxes"), 404, "ROUTE_NOT_FOUND")


def test_a_wrong_method_names_the_right_ones(client):
    reply = client.request("PUT", "/sandboxes")
    expect_error(reply, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(re.split(r",\s*", reply.headers["Allow"]))


def test_options_names_the_methods(client):
    reply = client.request("OPTIONS", "/sandboxes")
    assert reply.status_code == 204
    assert "GET" in reply.headers["Allow"]


def test_head_answers_like_get_without_a_body(client):
    reply = client.head("/sandboxes")
    assert reply.status_code == 200
    assert reply.content == b""


IDS = ["x", "sbx_", "sbx_UPPER", "sbx_" + "0" * 300, "42", "%20", "sbx_0'--"]


@pytest.mark.parametrize("identifier", IDS)
def test_an_id_that_is_none(client, identifier):
    reply = client.get(f"/sandboxes/{identifier}")
    assert reply.status_code in (400, 404), describe(reply)
    assert reply.json()["error"]["code"] in ("NOT_FOUND", "INVALID_ID")


def test_internals_do_not_leak(client):
    replies = [
        client.get("/nowhere"),
        client.post("/sandboxes", {"template_id": "../../etc"}),
        client.get(UNKNOWN),
        client.post(f"{UNKNOWN}/files", {"path": "/x", "content": "!"}),
    ]
    for reply in replies:
        assert not re.search(r"\.c:\d|sqlite|SELECT|/var/lib|/tmp/atoll", reply.text), reply.text
        assert "Server" not in reply.headers


def test_json_replies_are_not_cached_or_sniffed(client):
    reply = client.get("/sandboxes")
    assert reply.headers["Content-Type"].startswith("application/json")
    assert "no-store" in reply.headers["Cache-Control"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_too_many_headers(instance):
    head = "".join(f"X-Filler-{n}: {'x' * 1000}\r\n" for n in range(300))
    reply = raw_request(instance.port, f"GET /api/v1/sandboxes HTTP/1.1\r\nHost: x\r\n{head}\r\n")
    assert reply is None or reply.status in (400, 413, 431)


def test_a_target_that_is_too_long(instance):
    target = "/api/v1/" + "a" * 400_000
    reply = raw_request(instance.port, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply is None or reply.status in (400, 414, 431)


def test_a_body_on_a_get_does_no_harm(client):
    assert client.request("GET", "/sandboxes", data=b"x" * 1000).status_code == 200
    assert client.get("/sandboxes").status_code == 200
