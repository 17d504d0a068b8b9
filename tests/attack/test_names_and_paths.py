"""Tricks with ids, names and paths (CWE-22 and kin)."""

import pytest

from harness.raw import raw_request

pytestmark = pytest.mark.engines("container", "vm")

IDS = [
    "..",
    "../..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "sbx_%00",
    "sbx_a%00b",
    "%ff%fe",
    "sbx_%F0%9F%92%A9",
    "sbx_" + "a" * 5000,
    "*",
    "sbx_*",
    "'; drop table sandboxes;--",
    "${HOME}",
    "%s%n%x",
    "%25s",
    "-1",
    "0",
    "null",
    "undefined",
    "sbx_00000000000000000000000000/../x",
    "CON",
    "sbx_..%2f..%2fx",
]


@pytest.mark.parametrize("identifier", IDS)
def test_odd_ids_are_not_found(client, identifier):
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("GET", "/files")):
        reply = client.request(method, f"/sandboxes/{identifier}{suffix}")
        assert 400 <= reply.status_code < 500, (method, reply.url, reply.status_code)
        reply = client.get(f"/sandboxes/by-name/{identifier}")
        assert 400 <= reply.status_code < 500, reply.url


RAW_TARGETS = [
    "/api/v1/../../etc/passwd",
    "/api/v1/sandboxes/../../../etc/passwd",
    "//api/v1/sandboxes",
    "/api/v1//sandboxes",
    "/api/v1/sandboxes/%",
    "/api/v1/sandboxes/%4",
    "/api/v1/sandboxes/%zz",
    "http://evil/api/v1/sandboxes",
    "*",
    "/api/v1/sandboxes?%",
    "/api/v1/sandboxes?a=%00",
    "/api/v1/%73andboxes/%2e%2e",
    "/api/v1/sandboxes#x",
    "/%2e%2e/%2e%2e/",
    "/api%2fv1%2fsandboxes",
    "/api/v1/sandboxes;x=y",
    "/\\..\\..\\",
    "/api/v1/sandboxes/\xff",
]


@pytest.mark.parametrize("target", RAW_TARGETS)
def test_odd_targets_without_a_key_tell_nothing(instance, target):
    reply = raw_request(instance.port, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert reply is None or 400 <= reply.status < 500, (target, reply.status)
    assert not reply or b"root:" not in reply.body


PATHS = [
    "/../../../../../../etc/shadow",
    "/workspace/../../../../../etc/hostname",
    "../../../../etc/hostname",
    "/workspace/./../../etc/hostname",
    "//etc//hostname",
    "/etc/hostname/",
    "/./etc/./hostname",
]


@pytest.mark.parametrize("path", PATHS)
def test_dots_stay_inside(shared_sandbox, path):
    """Whatever a path with dots means, it means it inside: the host name read is the sandbox's own."""
    with open("/etc/shadow") as shadow, open("/etc/hostname") as name:
        of_the_host = [shadow.read(), name.read()]
    for route in ("fs/download", "fs/read", "files/read"):
        reply = shared_sandbox.client.get(f"{shared_sandbox.path}/{route}", params={"path": path})
        assert reply.status_code < 500
        assert reply.text not in of_the_host, (route, path)


def test_names_of_sandboxes_cannot_be_paths(client):
    for name in ("../x", "a/b", "a\\b", ".", "..", "-x", "a\nb", "a\0b", "ünï", "a" * 64, " a", "a "):
        reply = client.post("/sandboxes", {"name": name})
        # JSON with a NUL in it is not taken at all
        assert reply.status_code == (400 if "\0" in name else 422), (name, reply.text)


def test_host_names_come_from_ids_not_from_users(make_sandbox):
    sandbox = make_sandbox(name="A.b_c-d")
    assert all(c.isalnum() or c == "-" for c in sandbox.output("hostname").strip())


@pytest.mark.parametrize(
    "template", ["../miosa-sandbox", "miosa-sandbox/../../..", "/etc", "miosa-sandbox\0", ".", ""]
)
def test_templates_cannot_be_paths(client, template):
    reply = client.post("/sandboxes", {"template_id": template})
    assert reply.status_code in (400, 422), reply.text


def test_a_deep_json_body_is_refused(client):
    deep = '{"metadata":' + '{"a":' * 5000 + "1" + "}" * 5001
    reply = client.post("/sandboxes", data=deep, headers={"Content-Type": "application/json"})
    assert 400 <= reply.status_code < 500


def test_numbers_that_overflow_are_refused(client):
    for text in ("1e400", "99999999999999999999", "-9223372036854775809", "1e308", "NaN"):
        body = '{"memory_mb":%s}' % text
        reply = client.post("/sandboxes", data=body, headers={"Content-Type": "application/json"})
        assert reply.status_code in (400, 422), (text, reply.text)


def test_unicode_that_is_none_is_refused(client):
    for raw in (b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\u0000"', b'"\xf4\x90\x80\x80"'):
        body = b'{"name":' + raw + b"}"
        reply = client.post("/sandboxes", data=body, headers={"Content-Type": "application/json"})
        assert reply.status_code in (400, 422), raw
