"""Fixtures that several files of this directory share; a file may have its own of the same name."""

import os
import subprocess

import pytest

from harness.instance import free_port
from harness.name_server import NameServer


@pytest.fixture(scope="module")
def atoll(instance, client):
    """atoll("app", "status", …): the completed process, output as text."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
    environment = plain | {"ATOLL_URL": client.url, "ATOLL_API_KEY": client.key}

    def run(*words):
        command = [str(instance.programs / "atoll"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)

    return run


@pytest.fixture(scope="module")
def names():
    server = NameServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """certificates(name) → (certificate, key) in PEM, self-signed, for that host name, which may be a wildcard."""
    directory = tmp_path_factory.mktemp("certificates")

    def make(name, days=30, cipher=()):
        key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key,
             "-out", certificate, "-days", str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
             *(cipher or ("-nodes",))],
            check=True, capture_output=True,
        )
        return certificate.read_text(), key.read_text()

    return make


@pytest.fixture(scope="module")
def home(factory, names, certificates):
    """An instance that asks the test's name server, and serves TLS."""
    made = factory.make(dns_server=names.address, gateway_tls=f"127.0.0.1:{free_port()}", preview_scheme="http")
    pem = made.state / "gateway.pem"
    pem.write_text("".join(certificates("gateway.test")))
    pem.chmod(0o644)
    made.environment["ATOLL_GATEWAY_CERT"] = str(pem)
    yield made.start()
    factory.end(made)


@pytest.fixture(scope="module")
def owner(home):
    return home.client()


@pytest.fixture(scope="module")
def rival(home):
    return home.client(tenant="rival")
