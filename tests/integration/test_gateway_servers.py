"""Which servers the gateway finds, and what it says when there is none."""

import json
import re

import pytest

from harness import gateway, jobs
from harness.wait import wait_until

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def preview(instance, sandbox):
    gateway.start_upstream(sandbox)
    made = gateway.Preview(instance, sandbox)
    made.expose()
    return made


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_servers_on_any_address_are_found(instance, sandbox, address):
    gateway.start_upstream(sandbox, address)
    preview = gateway.Preview(instance, sandbox)
    preview.expose()
    assert [preview.request().status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("command,path,part", [
    (["python3", "-m", "http.server", "4000"], "/", b"Directory listing"),
    (["node", "-e", "require('http').createServer((q,r)=>r.end('node '+q.url)).listen(4000,'localhost')"],
     "/x", b"node /x"),
])
def test_ordinary_servers(instance, sandbox, command, path, part):
    jobs.start(sandbox, command)
    preview = gateway.Preview(instance, sandbox)
    wait_until(lambda: sandbox.client.post(f"{sandbox.path}/previews", {"port": 4000, "visibility": "public"}).ok,
               20, "the server listens", 0.1)
    for _ in range(3):
        reply = preview.request(path=path)
        assert reply.status == 200 and part in reply.body


def test_nothing_listens_any_more(preview):
    (job,) = preview.sandbox.client.ok(preview.sandbox.client.get(f"{preview.sandbox.path}/processes"))["data"]
    assert preview.request().status == 200
    jobs.stop(preview.sandbox, job)
    reply = preview.request()
    assert reply.status == 502 and gateway.error_of(reply)["code"] == "SANDBOX_PORT_NOT_LISTENING"
    assert reply.headers["cache-control"] == "no-store" and "retry-after" in reply.headers
    page = preview.request(headers=PAGE)
    assert page.status == 502 and page.headers["content-type"].startswith("text/html")
    assert b"4000" in page.body and b"http-equiv=\"refresh\"" in page.body
    assert preview.request("HEAD").body == b""


def test_a_server_that_comes_back_is_found(preview):
    sandbox = preview.sandbox
    (job,) = sandbox.client.ok(sandbox.client.get(f"{sandbox.path}/processes"))["data"]
    connection = preview.connection()
    for _ in range(3):
        assert preview.on(connection).status == 200
        jobs.stop(sandbox, job)
        job = gateway.start_upstream(sandbox)
    assert preview.on(connection).status == 200
    connection.close()


def test_a_paused_sandbox(preview):
    preview.sandbox.pause()
    reply = preview.request()
    assert reply.status == 503 and gateway.error_of(reply)["code"] == "SANDBOX_NOT_RUNNING"
    assert b"paused" in preview.request(headers=PAGE).body
    preview.sandbox.resume()
    assert preview.request().status == 200


def test_a_paused_sandbox_is_woken_by_a_request(instance, client):
    with client.create(auto_resume=True) as box:
        gateway.start_upstream(box)
        preview = gateway.Preview(instance, box)
        preview.expose()
        box.pause()
        reply = preview.request("POST", body=b"hello")
        assert reply.status == 200 and json.loads(reply.body)["length"] == 5
        assert box.state == "running"


def test_requests_are_activity(instance, client):
    with client.create() as box:
        gateway.start_upstream(box)
        preview = gateway.Preview(instance, box)
        preview.expose()
        before = box.refresh()["last_activity_at"]
        assert preview.request().status == 200
        # to the second: each connection tells at most once a second
        wait_until(lambda: preview.request() and box.refresh()["last_activity_at"] > before, 10, "activity")


def test_unknown_names_are_all_the_same(preview):
    texts = set()
    for host in ("nobody.sandbox.localhost", "4000-nobody.sandbox.localhost", "example.com", "localhost",
                 f"4001-{preview.sandbox.object['slug']}.sandbox.localhost"):
        reply = preview.request(headers={"Host": host})
        assert reply.status == 404, host
        texts.add(re.sub(r'"request_id":"[^"]*"', "", reply.body.decode()))
    assert len(texts) == 1


def test_a_destroyed_sandbox_ends_what_runs_through_it(instance, client):
    before = instance.settled()
    box = client.create()
    gateway.start_upstream(box)
    preview = gateway.Preview(instance, box)
    preview.expose()
    with preview.connect() as stream, preview.connect() as upgraded, preview.connect() as idle:
        stream.send(preview.head("/events"))
        stream._until(b"data: 1")
        upgraded.send(preview.head("/upgrade", "GET", "Connection: Upgrade", "Upgrade: echo"))
        upgraded._until(b"\r\n\r\n")
        idle.send(preview.head())
        assert idle.reply().status == 200
        box.destroy()
        assert stream.closed() and upgraded.closed()
        idle.send(preview.head())
        assert idle.reply().status == 404
    instance.assert_no_leak(before)


def test_an_agent_s_port_is_no_port(preview):
    """Whatever listens inside is a server of the sandbox; nothing of ours does."""
    listening = preview.sandbox.output("cat /proc/net/tcp /proc/net/tcp6 | awk '$4==\"0A\"{print $2}'").split()
    assert {int(line.rsplit(":", 1)[1], 16) for line in listening} == {4000}


def test_a_private_preview_wants_a_token(instance, sandbox):
    gateway.start_upstream(sandbox)
    preview = gateway.Preview(instance, sandbox)
    preview.expose("private")
    refused = preview.request()
    assert refused.status == 401 and gateway.error_of(refused)["code"] == "PREVIEW_TOKEN_REQUIRED"
    assert b"private" in preview.request(headers=PAGE).body
    made = sandbox.client.ok(sandbox.client.post(f"{sandbox.path}/preview-token", {"scope": "interact"}))
    token = made.get("data", made)["token"]

    reply = preview.request(headers={"X-Miosa-Preview-Token": token})
    assert reply.status == 200 and token not in reply.body.decode()
    cookie = reply.headers["set-cookie"].split(";")[0]
    assert cookie == f"atoll_preview={token}" and "HttpOnly" in reply.headers["set-cookie"]
    assert preview.request(path=f"/echo?mt={token}").status == 200
    assert json.loads(preview.request(path=f"/echo?x=1&mt={token}").body)["target"] == "/echo?x=1"
    seen = json.loads(preview.request(headers={"Cookie": f"a=b; {cookie}"}).body)
    assert seen["headers"]["cookie"] == "a=b"
    # A cookie that an application planted does not lock the visitor out.
    assert preview.request(headers={"Cookie": f"atoll_preview=planted; {cookie}"}).status == 200

    opened = preview.request(path=f"/echo?x=1&mt={token}", headers=PAGE)
    assert opened.status == 302 and opened.headers["location"] == "/echo?x=1"
    assert opened.headers["set-cookie"].startswith(cookie)
    framed = preview.request(path=f"/echo?mt={token}", headers={**PAGE, "Sec-Fetch-Dest": "iframe"})
    assert framed.status == 200
    away = preview.request(path=f"//example.com/?mt={token}", headers=PAGE)
    assert away.headers["location"] == "/.//example.com/"


def test_a_slow_server_is_waited_for_so_long(factory):
    made = factory.make(gateway_timeout_sec=2, spare_slots=2).start()
    try:
        with made.client().create() as box:
            gateway.start_upstream(box)
            preview = gateway.Preview(made, box)
            preview.expose()
            assert preview.request(path="/slow?seconds=1").status == 200
            late = preview.request(path="/slow?seconds=60")
            assert late.status == 504 and gateway.error_of(late)["code"] == "UPSTREAM_TIMEOUT"
    finally:
        factory.end(made)
