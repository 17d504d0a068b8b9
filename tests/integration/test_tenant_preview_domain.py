"""A tenant's own domain for its previews: claimed, proven by DNS, then in all URLs; for that tenant's sandboxes only."""

import socket
import ssl

import pytest

from harness.expect import checked, expect_error
from harness.served import serve
from harness.visitor import Visitor

WHERE = "/tenant/preview-domain"


@pytest.fixture(scope="module")
def shop(owner):
    """A sandbox with a public server on 3000 and another on 4321."""
    with owner.create() as sandbox:
        for port, name in ((3000, "shop"), (4321, "office")):
            serve(sandbox, port, name)
            checked(owner.post(f"{sandbox.path}/expose", {"port": port}))
        yield sandbox


@pytest.fixture(autouse=True)
def forget(request, names):
    yield
    names.records.clear()
    for client in {"owner", "rival"} & set(request.fixturenames):
        checked(request.getfixturevalue(client).delete(WHERE))


def claim(client, domain, **fields):
    return checked(client.put(WHERE, json={"preview_domain": domain, **fields}))["data"]


def prove(names, domain):
    txt = domain["dns_records"][0]
    names.records[txt["name"], txt["type"]] = [txt["value"]]


def configure(client, names, domain, **fields):
    prove(names, claim(client, domain, **fields))
    verified = checked(client.post(f"{WHERE}/verify"))["data"]
    assert verified["status"] == "configured" and verified["verified"] and verified["verified_at"]
    return verified


def status(client):
    return checked(client.get(WHERE))["data"]["status"]


def host(sandbox, domain, port=None):
    return f"http://{f'{port}-' if port else ''}{sandbox.object['slug']}.{domain}"


# --- claims ---


def test_without_one(owner):
    none = checked(owner.get(WHERE))["data"]
    assert none["status"] == "not_configured" and none["preview_domain"] is None and none["dns_instructions"] is None
    expect_error(owner.post(f"{WHERE}/verify"), 404, "NOT_FOUND")
    assert checked(owner.delete(WHERE))["data"] == none


def test_a_claim_says_what_to_do_and_changes_nothing(owner, home, shop):
    before = shop.refresh()["preview_url"]
    claimed = claim(owner, "Say.Example.ORG.")
    assert claimed["status"] == "pending_dns" and claimed["preview_domain"] == "say.example.org"
    alias = {"type": "CNAME", "name": "*.say.example.org", "value": "previews.sandbox.localhost"}
    txt, cname = claimed["dns_records"]
    assert claimed["dns_instructions"] == alias == cname
    assert (txt["type"], txt["name"]) == ("TXT", "_atoll.say.example.org") and txt["value"].startswith("atoll-verify-")
    assert checked(owner.get(WHERE))["data"] == claimed
    error = expect_error(owner.post(f"{WHERE}/verify"), 409, "DOMAIN_NOT_VERIFIED")
    assert "_atoll.say.example.org" in error["message"]
    assert shop.refresh()["preview_url"] == before
    assert Visitor(home).refused(host(shop, "say.example.org")) == "NOT_FOUND"


def test_domain_is_another_name_of_it(owner):
    assert checked(owner.put(WHERE, json={"domain": "x.example.org"}))["data"]["preview_domain"] == "x.example.org"
    both = {"domain": "x.example.org", "preview_domain": "x.example.org"}
    expect_error(owner.put(WHERE, json=both), 422, "VALIDATION_ERROR", "domain")


@pytest.mark.parametrize(
    "domain",
    ["", "localhost", "a_b.org", "*.a.org", "http://a.org", "a.org:80", "127.0.0.1", "sandbox.localhost", "x.localhost",
     "a.sandbox.localhost", "a." * 93 + "orgs"],
)
def test_names_that_cannot_be_claimed(owner, domain):
    expect_error(owner.put(WHERE, json={"preview_domain": domain}), 422, "VALIDATION_ERROR", "preview_domain")
    assert status(owner) == "not_configured"


def test_bad_requests(owner):
    expect_error(owner.put(WHERE, json={}), 400, "MISSING_PARAM", "preview_domain")
    expect_error(owner.put(WHERE, json={"preview_domain": 1}), 422, "VALIDATION_ERROR", "preview_domain")
    expect_error(owner.put(WHERE, json={"preview_domain": "x.org", "tls": 1}), 422, "VALIDATION_ERROR", "tls")


def test_it_needs_its_scope(home, owner):
    key = checked(owner.post("/api-keys", {"name": "previews", "scopes": ["previews:write"]}), 201)["data"]["key"]
    expect_error(home.client(key=key).get(WHERE), 403, "insufficient_scope")


# --- URLs and the gateway ---


def test_once_proven_it_is_in_every_url(owner, home, names, shop):
    visitor = Visitor(home)
    platform = shop.refresh()["preview_url"]
    configure(owner, names, "pages.example.org")
    base = host(shop, "pages.example.org")
    port = platform.rsplit(":", 1)[1]
    assert shop.refresh()["preview_url"] == f"{base}:{port}"
    listed = [one for one in checked(owner.get("/sandboxes"))["data"] if one["id"] == shop.id]
    assert listed[0]["preview_url"] == f"{base}:{port}"
    exposed = checked(owner.post(f"{shop.path}/expose", {"port": 3000}))
    assert exposed["url"] == exposed["url_info"]["url"] == f"{base}:{port}"
    other = checked(owner.post(f"{shop.path}/expose", {"port": 4321}))["url"]
    assert other == f"{host(shop, 'pages.example.org', 4321)}:{port}"
    assert '"server": "shop"' in visitor.page(exposed["url"])
    assert '"server": "office"' in visitor.page(other)
    for preview in checked(owner.get(f"{shop.path}/previews"))["data"]:
        assert ".pages.example.org:" in preview["url"]
    # the platform's names go on
    assert '"server": "shop"' in visitor.page(platform)
    assert '"server": "office"' in visitor.page(platform.replace("://", "://4321-"))


def test_private_previews_are_private_there_too(owner, home, names, shop):
    configure(owner, names, "closed.example.org")
    serve(shop, 5555, "closed")
    made = checked(owner.post(f"{shop.path}/previews", {"port": 5555}), 201)["data"]
    assert Visitor(home).refused(made["url"]) == "PREVIEW_TOKEN_REQUIRED"
    shared = checked(owner.post(f"{shop.path}/previews/{made['id']}/share"), 201)
    everything = checked(owner.post(f"{shop.path}/shares", {"port": 5555}), 201)
    token = checked(owner.post(f"{shop.path}/preview-token", {"port": 5555}))
    for url in (shared["share_url"], everything["share_url"], token["url"]):
        assert url.startswith(host(shop, "closed.example.org", 5555))
        assert '"server": "closed"' in Visitor(home).page(url)
    checked(owner.delete(f"{shop.path}/previews/{made['id']}"))
    assert Visitor(home).refused(everything["share_url"]) == "NOT_FOUND"


def test_only_one_label_below_it_leads_somewhere(owner, home, names, shop):
    visitor = Visitor(home)
    configure(owner, names, "narrow.example.org")
    slug = shop.object["slug"]
    visitor.page(f"http://{slug}.narrow.example.org/")
    for name in ("narrow.example.org", f"x.{slug}.narrow.example.org", f"{slug}.sandbox.narrow.example.org",
                 f"{slug}.example.org", f"{slug}.xnarrow.example.org", f"03000-{slug}.narrow.example.org",
                 f"5000-{slug}.narrow.example.org", "none.narrow.example.org"):
        assert visitor.refused(f"http://{name}/") == "NOT_FOUND", name


def test_it_outlives_kill_9_and_ends_when_deleted(owner, home, names, shop):
    visitor = Visitor(home)
    configure(owner, names, "lasting.example.org")
    home.api.kill9()
    home.start()
    assert status(owner) == "configured"
    url = shop.refresh()["preview_url"]
    assert url.startswith(host(shop, "lasting.example.org"))
    visitor.page(url)
    assert checked(owner.delete(WHERE))["data"]["status"] == "not_configured"
    assert visitor.refused(url) == "NOT_FOUND"
    assert ".sandbox.localhost" in shop.refresh()["preview_url"]
    visitor.page(shop.refresh()["preview_url"])


def test_the_same_again_keeps_the_proof_and_another_does_not(owner, home, names, shop):
    visitor = Visitor(home)
    first = configure(owner, names, "first.example.org")
    names.records.clear()
    again = claim(owner, "first.example.org")
    assert again["status"] == "configured" and again["dns_records"] == first["dns_records"]
    assert checked(owner.post(f"{WHERE}/verify"))["data"]["status"] == "configured"
    second = claim(owner, "second.example.org")
    assert second["status"] == "pending_dns" and second["dns_records"][0]["value"] != first["dns_records"][0]["value"]
    assert visitor.refused(host(shop, "first.example.org")) == "NOT_FOUND"
    assert ".sandbox.localhost" in shop.refresh()["preview_url"]


# --- tenants ---


def test_it_serves_no_other_tenant_s_sandboxes(owner, rival, home, names, shop):
    visitor = Visitor(home)
    configure(owner, names, "mine.example.org")
    with rival.create() as foreign:
        serve(foreign, 3000, "foreign")
        url = checked(rival.post(f"{foreign.path}/expose", {"port": 3000}))["url"]
        assert ".sandbox.localhost" in url and '"server": "foreign"' in visitor.page(url)
        assert visitor.refused(host(foreign, "mine.example.org")) == "NOT_FOUND"
        assert visitor.refused(host(foreign, "mine.example.org", 3000)) == "NOT_FOUND"
        assert status(rival) == "not_configured"
        configure(rival, names, "theirs.example.org")
        assert '"server": "foreign"' in visitor.page(host(foreign, "theirs.example.org"))
        assert visitor.refused(host(shop, "theirs.example.org")) == "NOT_FOUND"
        assert '"server": "shop"' in visitor.page(host(shop, "mine.example.org"))


def test_a_claim_blocks_nobody_and_one_has_it(owner, rival, names):
    theirs = claim(rival, "prize.example.org")
    mine = claim(owner, "prize.example.org")
    assert mine["dns_records"][0]["value"] != theirs["dns_records"][0]["value"]
    prove(names, mine)
    expect_error(rival.post(f"{WHERE}/verify"), 409, "DOMAIN_NOT_VERIFIED")
    assert checked(owner.post(f"{WHERE}/verify"))["data"]["verified"]
    prove(names, theirs)
    expect_error(rival.post(f"{WHERE}/verify"), 409, "NAME_TAKEN")
    checked(rival.delete(WHERE))
    expect_error(rival.put(WHERE, json={"domain": "prize.example.org"}), 409, "NAME_TAKEN")
    checked(owner.delete(WHERE))
    configure(rival, names, "prize.example.org")


def test_a_file_proves_nothing(owner, home, names):
    """Who has a web server of that name need not have the names below it."""
    claimed = claim(owner, "file.example.org")
    names.records["file.example.org", "A"] = ["127.0.0.1"]
    names.asked.clear()
    expect_error(owner.post(f"{WHERE}/verify"), 409, "DOMAIN_NOT_VERIFIED")
    assert names.asked == [("_atoll.file.example.org", "TXT")]
    token = claimed["dns_records"][0]["value"]
    assert Visitor(home).refused(f"http://file.example.org/.well-known/atoll-challenge/{token}") == "NOT_FOUND"


def test_the_wildcard_record_hands_out_no_names(owner, rival, home, names, shop):
    """All names below lead here: another tenant must not prove one of them with the gateway's own file."""
    visitor = Visitor(home)
    mine = claim(owner, "wild.example.org")
    claimed = {}
    for name in ("early.wild.example.org", "a.b.wild.example.org", "wild.example.org"):
        claimed[name] = checked(rival.post("/domains", {"hostname": name}), 201)["data"]
        path = claimed[name]["http_challenge"]["url"].split(name)[1]
        assert visitor.refused(f"http://{name}{path}") == "NOT_FOUND", name
    prove(names, mine)
    checked(owner.post(f"{WHERE}/verify"))
    for name, domain in claimed.items():
        prove(names, domain)
        expect_error(rival.post(f"/domains/{name}/verify"), 409, "NAME_TAKEN")
        checked(rival.delete(f"/domains/{name}"))
    expect_error(rival.post("/domains", {"hostname": "late.wild.example.org"}), 409, "NAME_TAKEN", "hostname")


def test_a_name_that_was_proven_before_gives_way_to_the_domain_s_owner(owner, rival, home, names, shop):
    visitor = Visitor(home)
    name = f"{shop.object['slug']}.way.example.org"
    with rival.create() as foreign:
        serve(foreign, 8000, "foreign")
        made = checked(rival.post(f"{foreign.path}/deploy", {"name": "x", "port": 8000, "domain": name}), 201)
        prove(names, made["domains"][0])
        checked(rival.post(f"/domains/{name}/verify"))
        assert '"server": "foreign"' in visitor.page(f"http://{name}/")
        configure(owner, names, "way.example.org")
        assert '"server": "shop"' in visitor.page(f"http://{name}/")
        checked(rival.delete(f"/deployments/{made['id']}"))
        checked(rival.delete(f"/domains/{name}"))


def test_an_own_custom_domain_below_goes_first(owner, home, names, shop):
    visitor = Visitor(home)
    configure(owner, names, "both.example.org")
    made = checked(owner.post(f"{shop.path}/deploy", {"name": "x", "port": 4321, "domain": "www.both.example.org"}), 201)
    path = made["domains"][0]["http_challenge"]["url"].split("example.org")[1]
    assert visitor.page(f"http://www.both.example.org{path}") == made["domains"][0]["http_challenge"]["content"]
    prove(names, made["domains"][0])
    checked(owner.post("/domains/www.both.example.org/verify"))
    assert '"server": "office"' in visitor.page("http://www.both.example.org/")
    assert '"server": "shop"' in visitor.page(host(shop, "both.example.org"))
    checked(owner.delete("/domains/www.both.example.org"))
    checked(owner.delete(f"/deployments/{made['id']}"))


# --- TLS ---


def shown(home, name):
    """The certificate that the gateway shows for the server name, and its answer to a GET."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address, port = home.environment["ATOLL_GATEWAY_TLS"].split(":")
    with socket.create_connection((address, int(port)), 20) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        text = b"".join(iter(lambda: tls.recv(65536), b""))
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)).strip(), text.decode()


def test_tls_with_the_wildcard_certificate_that_was_given(owner, home, names, shop, certificates):
    chain, key = certificates("*.tls.example.org")
    name = f"{shop.object['slug']}.tls.example.org"
    claimed = claim(owner, "tls.example.org", certificate=chain, private_key=key)
    assert claimed["tls"]["status"] == "certificate" and claimed["tls"]["expires_at"] and "PRIVATE" not in str(claimed)
    assert shown(home, name)[0] != chain.strip()  # not before it is proven
    prove(names, claimed)
    checked(owner.post(f"{WHERE}/verify"))
    certificate, text = shown(home, name)
    assert certificate == chain.strip() and '"server": "shop"' in text
    assert shown(home, f"4321-{name}")[0] == shown(home, "none.tls.example.org")[0] == chain.strip()
    assert shown(home, "tls.example.org")[0] != chain.strip()
    assert claim(owner, "tls.example.org")["tls"]["status"] == "certificate"
    renewed, new_key = certificates("*.tls.example.org")
    claim(owner, "tls.example.org", certificate=renewed, private_key=new_key)
    assert shown(home, name)[0] == renewed.strip()
    home.api.kill9()
    home.start()
    assert shown(home, name)[0] == renewed.strip()
    checked(owner.delete(WHERE))
    assert shown(home, name)[0] != renewed.strip()
    assert new_key.splitlines()[1] not in home.logs()


def test_certificates_that_do_not_fit(owner, certificates):
    chain, key = certificates("*.fits.example.org")
    single, single_key = certificates("fits.example.org")
    for certificate, private_key, field in ((single, single_key, "certificate"), (chain, single_key, "private_key")):
        body = {"domain": "fits.example.org", "certificate": certificate, "private_key": private_key}
        expect_error(owner.put(WHERE, json=body), 422, "VALIDATION_ERROR", field)
    body = {"domain": "fits.example.org", "certificate": chain}
    expect_error(owner.put(WHERE, json=body), 400, "MISSING_PARAM", "private_key")
    assert status(owner) == "not_configured"
