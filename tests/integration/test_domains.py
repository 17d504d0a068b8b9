"""Custom domains: claimed by name, proven by DNS or by a file, served with the certificate that came with them."""

import http.server
import socket
import ssl
import threading

import pytest

from harness import gateway
from harness.expect import checked, expect_error
from harness.served import serve
from harness.visitor import Visitor


@pytest.fixture(scope="module")
def shop(owner):
    """A deployment with a server behind it."""
    with owner.create() as sandbox:
        serve(sandbox, 8000, "shop")
        yield checked(owner.post(f"{sandbox.path}/deploy", {"name": "shop", "port": 8000}), 201)


def claim(client, hostname, **fields):
    return checked(client.post("/domains", {"hostname": hostname, **fields}), 201)["data"]


def prove(names, domain):
    record = domain["dns_records"][0]
    names.records[record["name"], record["type"]] = [record["value"]]


def verify(client, hostname):
    return checked(client.post(f"/domains/{hostname}/verify"))["data"]


def test_a_claim_says_what_to_do(owner, home, shop):
    domain = claim(owner, "Say.Example.ORG.", deployment_id=shop["id"])
    assert domain["hostname"] == "say.example.org" and domain["status"] == "pending_dns" and not domain["verified"]
    txt, alias = domain["dns_records"]
    assert txt["type"] == "TXT" and txt["name"] == "_atoll.say.example.org" and txt["value"].startswith("atoll-verify-")
    assert alias == {"type": "CNAME", "name": "say.example.org", "value": shop["url"].split("//")[1].split(":")[0]}
    assert domain["http_challenge"]["content"] == txt["value"]
    assert domain["tls"] == {"status": "none", "expires_at": None}
    assert checked(owner.get("/domains/say.example.org"))["data"] == domain
    assert domain in checked(owner.get("/domains"))["data"]
    expect_error(owner.post("/domains", {"hostname": "say.example.org"}), 409, "NAME_TAKEN", "hostname")
    assert checked(owner.delete("/domains/say.example.org"))["data"]["status"] == "deleted"
    expect_error(owner.get("/domains/say.example.org"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "hostname",
    ["", "localhost", "a", "a_b.org", "a..org", "-a.org", "a-.org", "a b.org", "http://a.org", "a.org:80", "a.org/x",
     "127.0.0.1", "[::1]", "*.a.org", "bücher.org", "x.sandbox.localhost", "app.default.localhost", "a.\u0000.org",
     "a" * 64 + ".org", "a." * 127 + "org"],
)
def test_names_that_cannot_be_claimed(owner, hostname):
    reply = owner.post("/domains", {"hostname": hostname})
    if "\0" in hostname:
        assert reply.status_code in (400, 422)
    else:
        expect_error(reply, 422, "VALIDATION_ERROR", "hostname")


def test_bad_requests(owner):
    expect_error(owner.post("/domains", {}), 400, "MISSING_PARAM", "hostname")
    for body, field in (
        ({"hostname": "x.org", "tls": True}, "tls"),
        ({"hostname": "x.org", "redirect_policy": "https"}, "redirect_policy"),
        ({"hostname": "x.org", "certificate": "x", "private_key": "y"}, "certificate"),
    ):
        expect_error(owner.post("/domains", body), 422, "VALIDATION_ERROR", field)
    body = {"hostname": "x.org", "deployment_id": "dep_00000000000000000000000000"}
    expect_error(owner.post("/domains", body), 404, "NOT_FOUND", "deployment_id")
    assert owner.get("/domains/x.org").status_code == 404
    for reply in (owner.delete("/domains/x.org"), owner.post("/domains/x.org/verify"), owner.patch("/domains/x.org", {}),
                  owner.post("/domains/x.org/assign", {"deployment_id": None})):
        expect_error(reply, 404, "NOT_FOUND")


def test_a_record_proves_it(owner, home, names, shop):
    visitor = Visitor(home)
    domain = claim(owner, "record.example.org", deployment_id=shop["id"])
    error = expect_error(owner.post("/domains/record.example.org/verify"), 409, "DOMAIN_NOT_VERIFIED")
    assert "_atoll.record.example.org" in error["message"]
    assert visitor.refused(domain["url"]) == "NOT_FOUND"
    names.records["_atoll.record.example.org", "TXT"] = ["something", domain["dns_records"][0]["value"] + "x"]
    expect_error(owner.post("/domains/record.example.org/verify"), 409, "DOMAIN_NOT_VERIFIED")
    value = domain["dns_records"][0]["value"]
    names.records["_atoll.record.example.org", "TXT"] = ["something", [value[:10], value[10:]]]
    verified = verify(owner, "record.example.org")
    assert verified["status"] == "verified" and verified["verified_at"]
    assert '"server": "shop"' in visitor.page(domain["url"])
    del names.records["_atoll.record.example.org", "TXT"]
    assert verify(owner, "record.example.org")["verified"]
    assert checked(owner.post("/domains/record.example.org/assign", {"deployment_id": None}))["data"]["deployment_id"] is None
    assert visitor.refused(domain["url"]) == "NOT_FOUND"
    checked(owner.post("/domains/record.example.org/assign", {"deployment_id": shop["id"], "redirect_policy": "none"}))
    visitor.page(domain["url"])
    expect_error(owner.post("/domains/record.example.org/assign", {}), 400, "MISSING_PARAM", "deployment_id")
    checked(owner.delete("/domains/record.example.org"))
    assert visitor.refused(domain["url"]) == "NOT_FOUND"


def test_connections_end_with_the_domain(owner, home, names):
    with owner.create() as sandbox:
        gateway.start_upstream(sandbox)
        preview = gateway.Preview(home, sandbox)
        made = checked(owner.post(f"{sandbox.path}/deploy", {"name": "live", "port": preview.port}), 201)
        prove(names, claim(owner, "live.example.org", deployment_id=made["id"]))
        verify(owner, "live.example.org")
        tunnel = gateway.Tunnel(preview, host="live.example.org")
        other = gateway.Tunnel(preview, host=made["url"].split("//")[1].split(":")[0])
        assert tunnel.lives()
        checked(owner.post("/domains/live.example.org/assign", {"deployment_id": None}))
        assert tunnel.is_cut()
        checked(owner.post("/domains/live.example.org/assign", {"deployment_id": made["id"]}))
        tunnel = gateway.Tunnel(preview, host="live.example.org")
        checked(owner.delete("/domains/live.example.org"))
        assert tunnel.is_cut()
        assert other.lives()


@pytest.fixture
def file_server():
    """files: what a web server at 127.0.0.77:80 has, by path; status of everything else: 404."""
    files = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = files.get((self.headers["Host"], self.path))
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.77", 80), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield files
        server.shutdown()


def test_a_file_proves_it(owner, names, file_server):
    domain = claim(owner, "file.example.org")
    token = domain["http_challenge"]["content"]
    where = ("file.example.org", f"/.well-known/atoll-challenge/{token}")
    names.records["file.example.org", "A"] = ["127.0.0.77"]
    for content in (None, "wrong", token + "x", "x" * 5000):
        file_server[where] = content
        expect_error(owner.post("/domains/file.example.org/verify"), 409, "DOMAIN_NOT_VERIFIED")
    file_server[where] = token + "\n"
    assert verify(owner, "file.example.org")["verified"]


def test_the_gateway_holds_the_file_of_a_single_claim(owner, rival, home):
    visitor = Visitor(home)
    domain = claim(owner, "single.example.org")
    path = domain["http_challenge"]["url"].split("example.org")[1]
    assert visitor.page(f"http://single.example.org{path}") == domain["http_challenge"]["content"]
    assert visitor.refused(f"http://single.example.org{path}x") == "NOT_FOUND"
    assert visitor.refused(f"http://double.example.org{path}") == "NOT_FOUND"
    theirs = claim(rival, "single.example.org")
    for claimed in (domain, theirs):
        path = claimed["http_challenge"]["url"].split("example.org")[1]
        assert visitor.refused(f"http://single.example.org{path}") == "NOT_FOUND"


def test_a_claim_blocks_nobody_and_one_has_it(owner, rival, home, names, shop):
    visitor = Visitor(home)
    claim(rival, "prize.example.org")
    mine = claim(owner, "prize.example.org", deployment_id=shop["id"])
    prove(names, mine)
    expect_error(rival.post("/domains/prize.example.org/verify"), 409, "DOMAIN_NOT_VERIFIED")
    assert verify(owner, "prize.example.org")["verified"]
    visitor.page(mine["url"])
    # what was claimed before stays a claim; new ones are refused
    theirs = checked(rival.get("/domains/prize.example.org"))["data"]
    prove(names, theirs)
    expect_error(rival.post("/domains/prize.example.org/verify"), 409, "NAME_TAKEN")
    third = home.client(tenant="third")
    expect_error(third.post("/domains", {"hostname": "prize.example.org"}), 409, "NAME_TAKEN", "hostname")
    checked(owner.delete("/domains/prize.example.org"))
    assert verify(rival, "prize.example.org")["verified"]
    # a deployment of another tenant is none
    expect_error(rival.post("/domains/prize.example.org/assign", {"deployment_id": shop["id"]}), 404, "NOT_FOUND",
                 "deployment_id")


def test_deploy_attaches_a_domain(owner, home, names):
    with owner.create() as sandbox:
        serve(sandbox, 8000, "attached")
        body = {"name": "attached", "port": 8000, "custom_domain": "attached.example.org"}
        made = checked(owner.post(f"{sandbox.path}/deploy", body), 201)
        (domain,) = made["domains"]
        assert domain["hostname"] == "attached.example.org" and domain["status"] == "pending_dns"
        prove(names, domain)
        verify(owner, "attached.example.org")
        assert '"server": "attached"' in Visitor(home).page(domain["url"])
        checked(owner.delete(f"/deployments/{made['id']}"))
        left = checked(owner.get("/domains/attached.example.org"))["data"]
        assert left["verified"] and left["deployment_id"] is None


def test_a_taken_domain_makes_no_deployment(owner, rival, names):
    prove(names, claim(rival, "taken.example.org"))
    verify(rival, "taken.example.org")
    with owner.create() as sandbox:
        body = {"name": "x", "domain": "taken.example.org"}
        expect_error(owner.post(f"{sandbox.path}/deploy", body), 409, "NAME_TAKEN")
        assert checked(owner.get("/deployments", params={"sandbox_id": sandbox.id}))["data"] == []


# --- TLS ---


def served_certificate(home, name):
    """What the gateway shows for the server name, in PEM, and the answer to a GET."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = home.environment["ATOLL_GATEWAY_TLS"].split(":")
    with socket.create_connection((host, int(port)), 20) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        text = b"".join(iter(lambda: tls.recv(65536), b""))
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)), text.decode()


def test_tls_with_the_certificate_that_was_given(owner, home, names, shop, certificates):
    chain, key = certificates("tls.example.org")
    domain = claim(owner, "tls.example.org", deployment_id=shop["id"], certificate=chain, private_key=key)
    assert domain["tls"]["status"] == "certificate" and domain["tls"]["expires_at"]
    assert key not in str(domain) and "PRIVATE" not in str(domain)
    assert served_certificate(home, "tls.example.org")[0].strip() != chain.strip()  # not before it is proven
    prove(names, domain)
    verify(owner, "tls.example.org")
    shown, text = served_certificate(home, "tls.example.org")
    assert shown.strip() == chain.strip() and '"server": "shop"' in text
    renewed, new_key = certificates("tls.example.org", days=60)
    checked(owner.patch("/domains/tls.example.org", {"certificate": renewed, "private_key": new_key}))
    assert served_certificate(home, "tls.example.org")[0].strip() == renewed.strip()
    home.api.kill9()
    home.start()
    assert served_certificate(home, "tls.example.org")[0].strip() == renewed.strip()
    assert "PRIVATE KEY" not in home.logs() and new_key.splitlines()[1] not in home.logs()


def test_certificates_that_do_not_fit(owner, certificates):
    chain, key = certificates("fits.example.org")
    other_chain, other_key = certificates("other.example.org")
    locked = certificates("fits.example.org", cipher=("-passout", "pass:secret"))
    body = {"hostname": "fits.example.org"}
    for certificate, private_key, field in (
        (chain, other_key, "private_key"),
        (other_chain, other_key, "certificate"),
        ("no PEM", key, "certificate"),
        (chain, "no PEM", "private_key"),
        (chain + "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n", key, "certificate"),
        (*locked, "private_key"),
        ("x" * 70000, key, "certificate"),
    ):
        reply = owner.post("/domains", {**body, "certificate": certificate, "private_key": private_key})
        error = expect_error(reply, 422, "VALIDATION_ERROR", field)
        assert private_key.splitlines()[-2:][0] not in error["message"]
    expect_error(owner.post("/domains", {**body, "certificate": chain}), 400, "MISSING_PARAM", "private_key")
    assert owner.get("/domains/fits.example.org").status_code == 404
