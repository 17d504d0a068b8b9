"""One connection, many names: nobody gets to another sandbox's server, or to a port that is not exposed."""

import json

import pytest

from harness import gateway


@pytest.fixture(scope="module")
def two(instance):
    """Servers of two tenants on the same port, private."""
    with instance.client().create() as mine, instance.client(tenant="other").create() as theirs:
        previews = []
        for box in (mine, theirs):
            gateway.start_upstream(box)
            made = gateway.Preview(instance, box)
            made.expose("private")
            answer = box.client.ok(box.client.post(f"{box.path}/preview-token", {"scope": "interact"}))
            made.token = answer.get("data", answer)["token"]
            previews.append(made)
        yield previews


def ask(connection, preview, token, path="/echo"):
    connection.send(preview.head(path, "GET", f"X-Miosa-Preview-Token: {token}"))
    return connection.reply()


def test_kept_connections_lead_where_the_name_says(two):
    """Both gateway threads keep connections to both servers; no answer comes from the other one."""
    mine, theirs = two
    with mine.connect() as connection:
        for turn in range(40):
            preview = two[turn % 2]
            reply = ask(connection, preview, preview.token)
            assert json.loads(reply.body)["headers"]["host"] == preview.host
    for preview in two:
        counts = json.loads(preview.request(headers={"X-Miosa-Preview-Token": preview.token}).body)
        assert counts["counts"]["requests"] == 21


@pytest.mark.parametrize("form", ["header", "query", "cookie"])
def test_a_token_of_another_sandbox_opens_nothing(two, form):
    mine, theirs = two
    path, headers = "/echo", {}
    if form == "header":
        headers = {"X-Miosa-Preview-Token": theirs.token}
    elif form == "query":
        path = f"/echo?mt={theirs.token}"
    else:
        headers = {"Cookie": f"atoll_preview={theirs.token}"}
    reply = mine.request(path=path, headers=headers)
    assert reply.status == 401 and "set-cookie" not in reply.headers


def test_access_is_asked_for_each_request(two):
    """That the connection was let through before means nothing."""
    mine, _ = two
    with mine.connect() as connection:
        assert ask(connection, mine, mine.token).status == 200
        connection.send(mine.head())
        assert connection.reply().status == 401
        assert ask(connection, mine, "mp_wrong").status == 401
        assert ask(connection, mine, mine.token).status == 200


@pytest.mark.parametrize("host", [
    "{host}.", "{upper}", "{host}:80", "{host}:8081",
])
def test_spellings_of_a_name_are_the_same_name(two, host):
    mine, _ = two
    name = host.format(host=mine.host, upper=mine.host.upper())
    reply = mine.request(headers={"Host": name, "X-Miosa-Preview-Token": mine.token})
    assert reply.status == 200
    assert mine.request(headers={"Host": name}).status == 401


@pytest.mark.parametrize("name", [
    "22-{slug}.sandbox.localhost", "04000-{slug}.sandbox.localhost", "+4000-{slug}.sandbox.localhost",
    "4000-{slug}.sandbox.localhost.evil.example", "4000-{slug}.localhost", "4000-4000-{slug}.sandbox.localhost",
    "x.4000-{slug}.sandbox.localhost", "0-{slug}.sandbox.localhost", "69536-{slug}.sandbox.localhost",
    "sandbox.localhost", "-{slug}.sandbox.localhost", "{id}.sandbox.localhost", "127.0.0.1", "[::1]",
])
def test_names_that_are_not_exposed_lead_nowhere(two, name):
    mine, _ = two
    host = name.format(slug=mine.sandbox.object["slug"], id=mine.sandbox.id)
    reply = mine.request(headers={"Host": host, "X-Miosa-Preview-Token": mine.token})
    assert reply.status in (400, 404), (host, reply)


def test_who_the_client_is_cannot_be_said_by_the_client(two):
    mine, _ = two
    said = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "X-Forwarded-Port": "1", "X-Real-Ip": "6.6.6.6",
            "Forwarded": "for=6.6.6.6", "X-Forwarded-Anything": "1", "X-Miosa-Preview-Token": mine.token}
    headers = json.loads(mine.request(headers=said).body)["headers"]
    assert "6.6.6.6" not in str(headers) and "evil" not in str(headers)
    assert "x-forwarded-port" not in headers and "x-forwarded-anything" not in headers
