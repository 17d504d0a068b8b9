"""Who reaches a sandbox's servers through the gateway, and who does not."""

import pytest

from harness.expect import checked
from harness.served import serve
from harness.visitor import Visitor


@pytest.fixture
def visitor(instance):
    return Visitor(instance)


def expose(client, sandbox, port):
    return checked(client.post(f"{sandbox.path}/expose", {"port": port}))["url"]


def private(client, sandbox, port):
    return checked(client.post(f"{sandbox.path}/previews", {"port": port}), 201)["data"]


def test_exposed_is_public_and_the_rest_is_not_there(client, sandbox, visitor):
    serve(sandbox, 3000, "bare")
    serve(sandbox, 4321, "other")
    bare = sandbox.object["preview_url"]
    assert visitor.refused(bare) == "NOT_FOUND"
    url = expose(client, sandbox, 3000)
    assert '"server": "bare"' in visitor.page(f"{url}/some/path?q=1")
    named = bare.replace("//", "//3000-")
    assert '"server": "bare"' in visitor.page(named)
    other = bare.replace("//", "//4321-")
    assert visitor.refused(other) == "NOT_FOUND"
    assert '"server": "other"' in visitor.page(expose(client, sandbox, 4321))
    assert '"server": "bare"' in visitor.page(bare)


def test_nobody_learns_which_sandboxes_exist(client, sandbox, visitor):
    serve(sandbox, 3000)
    hidden = visitor.get(sandbox.object["preview_url"], headers={"Accept": "application/json"})
    nobody = visitor.get(sandbox.object["preview_url"].replace(sandbox.object["slug"], "nobody"),
                         headers={"Accept": "application/json"})
    assert hidden.status_code == nobody.status_code == 404
    for reply in (hidden, nobody):
        error = reply.json()["error"]
        error.pop("request_id", None)
    assert hidden.json()["error"]["message"] == nobody.json()["error"]["message"]


@pytest.mark.parametrize("name", ["preview_token", "mt", "ms"])
def test_a_token_opens_by_query_header_and_cookie_and_never_arrives(client, sandbox, visitor, name):
    serve(sandbox, 4321)
    made = private(client, sandbox, 4321)
    token = {
        "preview_token": lambda: made["share_token"],
        "mt": lambda: checked(client.post(f"{sandbox.path}/preview-token", {"scope": "interact"}))["token"],
        "ms": lambda: checked(client.post(f"{sandbox.path}/shares", {"scope": "interact"}), 201)["share_url"]
        .rsplit("=", 1)[1],
    }[name]()
    assert visitor.refused(made["url"]) == "PREVIEW_TOKEN_REQUIRED"
    assert visitor.refused(f"{made['url']}/?{name}=wrong") == "PREVIEW_TOKEN_REQUIRED"
    page = visitor.page(f"{made['url']}/a?x=1&{name}={token}&y=2")
    assert token not in page and '"/a?x=1&y=2"' in page
    page = visitor.page(f"{made['url']}/b")  # by the cookie that was set
    assert token not in page and "atoll_preview" not in page
    stranger = Visitor.__new__(Visitor)
    stranger.__dict__.update(visitor.__dict__, cookies={})
    assert stranger.refused(f"{made['url']}/b") == "PREVIEW_TOKEN_REQUIRED"
    page = stranger.page(f"{made['url']}/c", headers={"x-miosa-preview-token": token})
    assert token not in page and "preview-token" not in page.lower()


def test_reading_is_not_interacting(client, sandbox, instance):
    serve(sandbox, 4321)
    made = private(client, sandbox, 4321)
    for scope in ("read", "interact"):
        visitor = Visitor(instance)
        token = checked(client.post(f"{sandbox.path}/preview-token", {"scope": scope}))["token"]
        header = {"x-miosa-preview-token": token}
        for method in ("GET", "HEAD", "OPTIONS"):
            assert visitor.request(method, made["url"], headers=header).status_code == 200, method
        for method in ("POST", "PUT", "DELETE"):
            reply = visitor.request(method, made["url"], headers=header, data=b"x")
            assert reply.status_code == (403 if scope == "read" else 200), (scope, method)
            assert scope == "interact" or reply.json()["error"]["code"] == "PREVIEW_SCOPE"


def test_revoked_and_ended_tokens_open_nothing(client, sandbox, visitor):
    serve(sandbox, 4321)
    made = private(client, sandbox, 4321)
    where = f"{sandbox.path}/previews/{made['id']}"
    visitor.page(made["share_url"])
    visitor.page(made["url"])
    checked(client.delete(f"{where}/share"))
    assert visitor.refused(made["url"]) == "PREVIEW_TOKEN_REQUIRED"  # the cookie as well
    share = checked(client.post(f"{sandbox.path}/shares"), 201)
    token = share["share_url"].rsplit("=", 1)[1]
    url = f"{made['url']}/?ms={token}"
    visitor.page(url)
    assert client.delete(f"{sandbox.path}/shares/{share['share_id']}").status_code == 204
    assert visitor.refused(url) == "PREVIEW_TOKEN_REQUIRED"
    checked(client.delete(where))
    assert visitor.refused(made["url"]) == "NOT_FOUND"


def test_tokens_of_one_sandbox_open_no_other(client, make_sandbox, other_client, visitor):
    mine, also_mine = make_sandbox(), make_sandbox()
    for sandbox in (mine, also_mine):
        serve(sandbox, 4321)
    urls = [private(client, sandbox, 4321) for sandbox in (mine, also_mine)]
    header = {"x-miosa-preview-token": urls[1]["share_token"]}
    assert visitor.refused(urls[0]["url"], headers=header) == "PREVIEW_TOKEN_REQUIRED"
    with other_client.create() as theirs:
        token = checked(other_client.post(f"{theirs.path}/preview-token", {"scope": "interact"}))["token"]
        header = {"x-miosa-preview-token": token}
        assert visitor.refused(urls[0]["url"], headers=header) == "PREVIEW_TOKEN_REQUIRED"
    # nor does an API key, or a preview token open the API
    key = client.key
    assert visitor.refused(urls[0]["url"], headers={"Authorization": f"Bearer {key}"}) == "PREVIEW_TOKEN_REQUIRED"
    reply = client.get(mine.path, headers={"Authorization": f"Bearer {urls[0]['share_token']}"})
    assert reply.status_code == 401


def test_private_becomes_public_and_private_again(client, sandbox, visitor):
    serve(sandbox, 4321)
    made = private(client, sandbox, 4321)
    where = f"{sandbox.path}/previews/{made['id']}"
    checked(client.patch(where, {"visibility": "public"}))
    visitor.page(made["url"])
    checked(client.patch(where, {"visibility": "private"}))
    assert visitor.refused(made["url"]) == "PREVIEW_TOKEN_REQUIRED"


def test_paused_and_destroyed(client, sandbox, visitor):
    serve(sandbox, 3000)
    url = expose(client, sandbox, 3000)
    sandbox.pause()
    reply = visitor.get(url)
    assert reply.status_code == 503 and reply.json()["error"]["code"] == "SANDBOX_NOT_RUNNING"
    sandbox.resume()
    visitor.page(url)
    sandbox.destroy()
    assert visitor.refused(url) == "NOT_FOUND"


def test_a_request_wakes_a_sandbox_that_may_be_woken(client, make_sandbox, visitor):
    sandbox = make_sandbox(auto_resume=True)
    serve(sandbox, 3000)
    url = expose(client, sandbox, 3000)
    sandbox.pause()
    visitor.page(url)
    assert sandbox.state == "running"


def test_a_new_slug_is_a_new_name(client, sandbox, visitor):
    serve(sandbox, 3000)
    old = expose(client, sandbox, 3000)
    slug = sandbox.object["slug"]
    checked(client.patch(sandbox.path, {"slug": f"{slug}x"}))
    assert visitor.refused(old) == "NOT_FOUND"
    visitor.page(old.replace(slug, f"{slug}x"))
    reply = client.patch(sandbox.path, {"slug": f"3000-{slug}"})
    assert reply.status_code == 422 and reply.json()["error"]["details"]["field"] == "slug"


def test_previews_survive_restarts_of_both_daemons(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    client, visitor = instance.client(), Visitor(instance)
    sandbox = client.create()
    serve(sandbox, 3000)
    serve(sandbox, 4321)
    public = expose(client, sandbox, 3000)
    made = private(client, sandbox, 4321)
    instance.api.kill9()
    instance.host.kill9()
    instance.start()
    visitor.page(public)
    assert visitor.refused(made["url"]) == "PREVIEW_TOKEN_REQUIRED"
    visitor.page(made["share_url"])
