"""The gateway's TLS listener."""

import hashlib
import http.client
import json
import socket
import ssl
import subprocess

import pytest

from harness import gateway
from harness.instance import free_port


@pytest.fixture(scope="module")
def secure(factory, tmp_path_factory):
    """An instance with a certificate for *.sandbox.localhost."""
    directory = tmp_path_factory.mktemp("tls")
    for path in (directory, directory.parent, directory.parent.parent):
        path.chmod(0o755)
    pem, key = directory / "gateway.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=atoll test",
         "-addext", "subjectAltName=DNS:*.sandbox.localhost", "-keyout", key, "-out", pem],
        check=True, capture_output=True,
    )
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    pem.chmod(0o644)
    port = free_port()
    made = factory.make(gateway_tls=f"127.0.0.1:{port}", gateway_cert=pem, client_timeout_sec=3, spare_slots=2).start()
    made.tls_port, made.pem = port, pem
    yield made
    factory.end(made)


@pytest.fixture(scope="module")
def preview(secure):
    with secure.client().create() as sandbox:
        yield gateway.exposed_upstream(secure, sandbox)


def connect(secure, preview, version=ssl.TLSVersion.TLSv1_3, alpn=("http/1.1",)):
    context = ssl.create_default_context(cafile=secure.pem)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(list(alpn))
    raw = socket.create_connection(("127.0.0.1", secure.tls_port), 20)
    return context.wrap_socket(raw, server_hostname=preview.host)


def over(sock, preview, method="GET", path="/echo", **options):
    connection = http.client.HTTPConnection(preview.host)
    connection.sock = sock
    reply = preview.on(connection, method, path, **options)
    return reply


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_over_tls(secure, preview, version):
    with connect(secure, preview, version) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            seen = json.loads(over(sock, preview).body)
            assert seen["headers"]["x-forwarded-proto"] == "https"


def test_bodies_over_tls_are_whole(secure, preview):
    body = b"0123456789abcdef" * 1_000_000
    with connect(secure, preview) as sock:
        seen = json.loads(over(sock, preview, "POST", body=body).body)
        assert seen["sha256"] == hashlib.sha256(body).hexdigest()
        assert len(over(sock, preview, path="/data?size=30000000").body) == 30_000_000


def test_an_upgrade_over_tls(secure, preview):
    with connect(secure, preview) as sock:
        sock.sendall(preview.head("/upgrade", "GET", "Connection: Upgrade", "Upgrade: echo").encode())
        assert sock.recv(10000).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"


def test_old_versions_and_other_protocols_are_refused(secure, preview):
    with pytest.raises(OSError):
        connect(secure, preview, ssl.TLSVersion.TLSv1_1)
    with pytest.raises(OSError):
        connect(secure, preview, alpn=("h2",))


def test_noise_on_the_tls_port_harms_nobody(secure, preview):
    for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 1000, b"\0" * 100):
        with socket.create_connection(("127.0.0.1", secure.tls_port), 20) as raw:
            raw.sendall(noise)
            try:
                while raw.recv(1000):
                    pass
            except ConnectionError:
                pass
    with connect(secure, preview) as sock:
        assert over(sock, preview).status == 200


def test_a_cookie_over_tls_works_in_frames(secure, preview):
    sandbox = preview.sandbox
    private = gateway.Preview(secure, sandbox, 4001)
    gateway.start_upstream(sandbox, port=4001)
    private.expose("private")
    made = sandbox.client.ok(sandbox.client.post(f"{sandbox.path}/preview-token", {"scope": "interact"}))
    token = made.get("data", made)["token"]
    with connect(secure, private) as sock:
        cookie = over(sock, private, path=f"/echo?mt={token}").headers["set-cookie"]
    assert "Secure; SameSite=None; Partitioned" in cookie
