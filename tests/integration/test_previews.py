"""Previews by the API: expose, create, change, share, revoke; what is refused."""

import uuid

import pytest

from harness import jobs
from harness.expect import checked, expect_error
from harness.served import serve


@pytest.fixture(scope="module")
def served(client):
    """A sandbox with servers on ports 3000 and 4321."""
    with client.create() as sandbox:
        serve(sandbox, 3000)
        serve(sandbox, 4321)
        yield sandbox


def preview(client, sandbox, **fields):
    return checked(client.post(f"{sandbox.path}/previews", fields), 201)["data"]


def test_expose_gives_a_url_and_says_whether_somebody_listens(client, served):
    made = checked(client.post(f"{served.path}/expose", {"port": 4321}))
    assert made["url"].startswith(f"http://4321-{served.object['slug']}.sandbox.localhost:")
    assert made["url_class"] == "temporary_preview" and made["stable_for_embedding"] is False
    assert made["recommended_next_action"] == "create_alias_or_publish"
    assert made["url_info"]["url"] == made["url"]
    assert made["ready"] is True and made["port"] == 4321
    assert checked(client.post(f"{served.path}/expose", {"port": 4322}))["ready"] is False
    again = checked(client.post(f"{served.path}/expose", {"port": 4321}))
    assert again["preview_id"] == made["preview_id"]


def test_default_ports_have_the_sandbox_s_own_url(client, served):
    made = checked(client.post(f"{served.path}/expose", {"port": 3000}))
    assert made["url"] == served.refresh()["preview_url"]


def test_expose_without_a_port_means_the_template_s(client, make_sandbox):
    sandbox = make_sandbox()
    error = expect_error(client.post(f"{sandbox.path}/expose"), 400, "MISSING_PARAM", "port")
    assert "3000" in error["details"]["hint"]


def test_always_on_sandboxes_have_lasting_urls(client, make_sandbox):
    sandbox = make_sandbox(always_on=True)
    made = checked(client.post(f"{sandbox.path}/expose", {"port": 3000}))
    assert made["url_class"] == "always_on_preview" and made["stable_for_embedding"] is True


@pytest.mark.parametrize("port", [0, -1, 65536, 10**12])
def test_ports_that_cannot_be(client, served, port):
    for route in ("expose", "previews", "deploy"):
        body = {"port": port, **({"name": "x"} if route == "deploy" else {})}
        expect_error(client.post(f"{served.path}/{route}", body), 422, "INVALID_PORT", "port")


@pytest.mark.parametrize("port", ["3000", 3000.5, True, []])
def test_ports_that_are_no_numbers(client, served, port):
    expect_error(client.post(f"{served.path}/expose", {"port": port}), 422, "VALIDATION_ERROR", "port")


@pytest.mark.parametrize(
    "route,body,field",
    [
        ("expose", {"port": 3000, "protocol": "h2"}, "protocol"),
        ("previews", {"port": 3000, "domain": "x"}, "domain"),
        ("previews", {"port": 3000, "visibility": "secret"}, "visibility"),
        ("previews", {"port": 3000, "name": ""}, "name"),
        ("previews", {"port": 3000, "name": "a\nb"}, "name"),
        ("previews", {"port": 3000, "ttl_seconds": 0}, "ttl_seconds"),
        ("previews", {"port": 3000, "ttl_seconds": 31536001}, "ttl_seconds"),
        ("preview-token", {"expires_in": 86401}, "expires_in"),
        ("preview-token", {"audience": "all"}, "audience"),
        ("shares", {"expires_in": 2592001}, "expires_in"),
    ],
)
def test_bad_members_are_named(client, served, route, body, field):
    expect_error(client.post(f"{served.path}/{route}", body), 422, "VALIDATION_ERROR", field)


def test_previews_need_a_port_and_somebody_who_listens(client, served):
    expect_error(client.post(f"{served.path}/previews", {}), 400, "MISSING_PARAM", "port")
    expect_error(client.post(f"{served.path}/previews", {"port": 9999}), 409, "SANDBOX_PORT_NOT_LISTENING", "port")


def test_a_private_preview_comes_with_a_token(client, served):
    made = preview(client, served, port=4321, name="mine", ttl_seconds=600)
    assert made["visibility"] == "private" and made["state"] == "active" and made["name"] == "mine"
    assert made["share_token"].startswith("miosa_pv_") and len(made["share_token"]) == 49
    assert made["share_url"] == f"{made['url']}/?preview_token={made['share_token']}"
    assert made["share_token"].startswith(made["share_token_prefix"]) and made["expires_at"]
    seen = checked(client.get(f"{served.path}/previews/{made['id']}"))["data"]
    assert "share_token" not in seen
    assert {name: seen[name] for name in seen} == {name: made[name] for name in seen}


def test_list_change_and_end(client, make_sandbox):
    sandbox = make_sandbox()
    serve(sandbox, 3000)
    first, second = (preview(client, sandbox, port=3000, name=name) for name in ("first", "second"))
    listed = checked(client.get(f"{sandbox.path}/previews"))["data"]
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    where = f"{sandbox.path}/previews/{first['id']}"
    changed = checked(client.patch(where, {"visibility": "public", "name": "renamed", "ttl_seconds": 60}))["data"]
    assert changed["visibility"] == "public" and changed["name"] == "renamed" and changed["expires_at"]
    assert checked(client.get(where))["data"] == changed
    expect_error(client.patch(where, {"port": 1}), 422, "VALIDATION_ERROR", "port")
    assert checked(client.delete(where))["data"]["state"] == "deleted"
    for reply in (client.get(where), client.delete(where), client.patch(where, {}), client.get(f"{where}/status"),
                  client.post(f"{where}/share"), client.delete(f"{where}/share")):
        expect_error(reply, 404, "PREVIEW_NOT_FOUND")
    assert [one["id"] for one in checked(client.get(f"{sandbox.path}/previews"))["data"]] == [second["id"]]


def test_status_asks_the_server(client, make_sandbox):
    sandbox = make_sandbox()
    job = serve(sandbox, 3000)
    where = f"{sandbox.path}/previews/{preview(client, sandbox, port=3000)['id']}/status"
    status = checked(client.get(where))
    assert status["process"]["status"] == "ready" and status["process"]["http_status"] == 200
    assert status["process"]["latency_ms"] >= 0
    assert status["tls"] == {"status": "none"} and status["sandbox"] == {"state": "running"}
    client.delete(f"{sandbox.path}/processes/{job['id']}")
    assert checked(client.get(where))["process"] == {"status": "not_listening", "http_status": None, "latency_ms": None}
    sandbox.pause()
    status = checked(client.get(where))
    assert status["process"]["status"] == "sandbox_not_running" and status["sandbox"] == {"state": "paused"}


def test_servers_on_the_ipv6_loopback_count(client, make_sandbox):
    sandbox = make_sandbox()
    jobs.start(sandbox, "exec python3 -m http.server --bind ::1 3000")
    sandbox.output("until (: < /dev/tcp/::1/3000) 2>/dev/null; do sleep 0.05; done", timeout_seconds=30)
    made = preview(client, sandbox, port=3000)
    status = checked(client.get(f"{sandbox.path}/previews/{made['id']}/status"))
    assert status["process"]["status"] == "ready" and status["process"]["http_status"] == 200


def test_share_makes_tokens_until_they_are_revoked(client, served):
    made = preview(client, served, port=4321)
    where = f"{served.path}/previews/{made['id']}/share"
    for lifetime in ({"ttl_seconds": 60}, {"expires_in_sec": 60}, {}):
        shared = checked(client.post(where, lifetime), 201)
        assert shared["preview_token"].startswith("miosa_pv_")
        assert shared["share_url"] == f"{made['url']}/?preview_token={shared['preview_token']}"
        assert shared["data"]["id"] == made["id"]
        assert shared["preview_token"].startswith(shared["data"]["share_token_prefix"])
        assert len(shared["data"]["share_token_prefix"]) == 12
    assert checked(client.delete(where)) == {"data": {}}
    assert checked(client.get(f"{served.path}/previews/{made['id']}"))["data"]["share_token_prefix"] is None


def test_tokens_and_shares_of_all_previews(client, make_sandbox):
    sandbox = make_sandbox()
    token = checked(client.post(f"{sandbox.path}/preview-token", {"expires_in": 60, "scope": "interact"}))
    assert token["token"].startswith("mp_") and token["scope"] == "interact"
    assert token["url"] == f"{sandbox.object['preview_url']}/?mt={token['token']}"
    named = checked(client.post(f"{sandbox.path}/preview-token", {"port": 4321}))
    assert named["scope"] == "read" and f"//4321-{sandbox.object['slug']}." in named["url"]
    share = checked(client.post(f"{sandbox.path}/shares", {}), 201)
    assert share["share_id"].startswith("shr_") and "?ms=ms_" in share["share_url"]
    (listed,) = checked(client.get(f"{sandbox.path}/shares"))["data"]
    assert listed["share_id"] == share["share_id"] and listed["status"] == "active" and "share_url" not in listed
    assert client.delete(f"{sandbox.path}/shares/{share['share_id']}").status_code == 204
    expect_error(client.delete(f"{sandbox.path}/shares/{share['share_id']}"), 404, "NOT_FOUND")
    assert checked(client.get(f"{sandbox.path}/shares"))["data"] == []
    for route in ("preview-token", "shares"):
        for scope in ("write", "", 1):
            expect_error(client.post(f"{sandbox.path}/{route}", {"scope": scope}), 422, "invalid_scope", "scope")


def test_a_sandbox_that_does_not_run(client, make_sandbox):
    sandbox = make_sandbox()
    sandbox.pause()
    expect_error(client.post(f"{sandbox.path}/expose", {"port": 3000}), 409, "SANDBOX_NOT_RUNNING")
    expect_error(client.post(f"{sandbox.path}/previews", {"port": 3000}), 409, "SANDBOX_NOT_RUNNING")
    sandbox.destroy()
    for route in ("expose", "previews", "preview-token", "shares"):
        expect_error(client.post(f"{sandbox.path}/{route}", {"port": 3000}), 404, "NOT_FOUND")
    expect_error(client.get(f"{sandbox.path}/previews"), 404, "NOT_FOUND")


def test_there_is_an_end_to_previews(client, make_sandbox):
    sandbox = make_sandbox()
    for port in range(1000, 1100):
        checked(client.post(f"{sandbox.path}/expose", {"port": port}))
    expect_error(client.post(f"{sandbox.path}/expose", {"port": 1100}), 503, "CAPACITY_EXHAUSTED")
    assert checked(client.post(f"{sandbox.path}/expose", {"port": 1099}))["port"] == 1099


def test_scopes(client, instance, served):
    made = preview(client, served, port=4321)
    reading = checked(client.post("/api-keys", {"name": uuid.uuid4().hex, "scopes": ["sandboxes:read"]}), 201)
    reader = instance.client(reading["data"]["key"])
    assert reader.get(f"{served.path}/previews/{made['id']}").ok
    for reply in (reader.post(f"{served.path}/expose", {"port": 3000}),
                  reader.delete(f"{served.path}/previews/{made['id']}"),
                  reader.post(f"{served.path}/preview-token")):
        error = expect_error(reply, 403, "insufficient_scope")
        assert "previews:write" in error["message"]


def test_an_event_tells_the_url(client, make_sandbox):
    sandbox = make_sandbox()
    made = checked(client.post(f"{sandbox.path}/expose", {"port": 4321}))
    only = {"type": "sandbox.preview.ready", "subject_id": sandbox.id}
    events = checked(client.get("/platform-events", params=only))["data"]
    (event,) = events
    assert made["url"] in str(event) and made["preview_id"] in str(event)
