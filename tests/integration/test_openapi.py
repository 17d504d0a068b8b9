"""The API's description: well-formed, complete, and what the daemon really routes."""

import re
import subprocess

import pytest

from harness.expect import checked
from harness.paths import SOURCE, built

METHODS = {"get", "put", "post", "delete", "patch", "head"}
ERROR_ROW = re.compile(r'X\(ERR_\w+,\s*"(\w+)",\s*(\d+),')


@pytest.fixture(scope="module")
def document(instance):
    return checked(instance.client(key="").get("/openapi.json"))


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS, (path, method)
            yield f"{method.upper()} {path}", operation


def resolve(document, node):
    while "$ref" in node:
        assert node["$ref"].startswith("#/"), node
        target = document
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def table():
    """The routes of the daemon's table, with {path...} written as OpenAPI writes it."""
    done = subprocess.run([built("atolld"), "--print-routes"], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        method, pattern = line.split()
        yield f"{method} {pattern.replace('...}', '}')}"


def error_codes():
    source = (SOURCE / "src/base/error.h").read_text().replace("\\\n", "")
    return {code: int(status) for code, status in ERROR_ROW.findall(source)}


def test_the_document_is_an_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] and document["info"]["version"]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_it_names_exactly_the_routes_of_the_daemon(document):
    assert sorted(name for name, _ in operations(document)) == sorted(table())


def test_every_reference_leads_somewhere(document):
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                resolve(document, node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document)


def test_nothing_is_defined_in_vain(document):
    text = str(document)
    for kind in ("schemas", "parameters", "responses", "headers"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}'" in text, (kind, name)


def test_operations_are_whole(document):
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        wanted = set(re.findall(r"\{(\w+)\}", name))
        given = [resolve(document, parameter) for parameter in operation.get("parameters", [])]
        assert {one["name"] for one in given if one["in"] == "path"} == wanted, name
        assert all(one.get("required") for one in given if one["in"] == "path"), name


def test_every_error_of_the_table_stands_under_its_status(document):
    codes = error_codes()
    used = set()
    for name, operation in operations(document):
        for status, reply in operation["responses"].items():
            reply = resolve(document, reply)
            assert reply["description"], (name, status)
            assert "x-request-id" in reply["headers"], (name, status)
            for code in reply.get("x-error-codes", []):
                assert codes[code] == int(status), (name, code)
                used.add(code)
            assert int(status) < 400 or reply["x-error-codes"], (name, status)
    # What no client gets from a documented route: wrong routes and methods, and what only the gateway answers.
    gateway = {"PREVIEW_TOKEN_REQUIRED", "PREVIEW_SCOPE", "UPSTREAM_FAILED", "UPSTREAM_TIMEOUT", "DEPLOYMENT_NOT_RUNNING"}
    assert set(codes) - used <= {"ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED", "INVALID_ID"} | gateway
    assert set(document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]) == set(codes)


def test_private_routes_say_what_they_may_refuse(document):
    for name, operation in operations(document):
        public = operation.get("security") == []
        assert ("401" in operation["responses"]) is not public, name
        assert ("429" in operation["responses"]) is not public, name


# --- replies are as described ---


def conforms(document, schema, value, where="reply"):
    """The part of JSON Schema that the document uses for replies."""
    schema = resolve(document, schema)
    for part in schema.get("allOf", []):
        conforms(document, part, value, where)
    if "oneOf" in schema:
        assert any(fits(document, part, value) for part in schema["oneOf"]), (where, value)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    assert not kinds or kind_of(value) & set(kinds), (where, kinds, value)
    assert "enum" not in schema or value in schema["enum"], (where, value)
    if isinstance(value, dict):
        missing = set(schema.get("required", [])) - set(value)
        assert not missing, (where, missing)
        known = schema.get("properties", {})
        for name, child in value.items():
            if name in known:
                conforms(document, known[name], child, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for number, child in enumerate(value):
            conforms(document, schema["items"], child, f"{where}[{number}]")


def fits(document, schema, value):
    try:
        conforms(document, schema, value)
    except AssertionError:
        return False
    return True


def kind_of(value):
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    return {{float: "number", str: "string", dict: "object", list: "array"}[type(value)]}


def test_examples_are_as_described(document):
    for name, operation in operations(document):
        for status, reply in operation["responses"].items():
            for media in resolve(document, reply).get("content", {}).values():
                if "example" in media:
                    conforms(document, media["schema"], media["example"], f"{name} {status}")


GET_ROUTES = [
    "{}", "{}/usage", "{}/metrics", "{}/readiness", "{}/files", "{}/files/list", "{}/files/tree", "{}/fs",
    "{}/template", "{}/artifacts", "{}/files/stat?path=/etc", "{}/files/exists?path=/etc", "{}/fs/read?path=/etc/debian_version",
    "{}/previews", "{}/shares", "/deployments", "/domains",
    "{}/snapshots", "/snapshots", "/sandboxes", "/sandbox-templates", "/sandbox-templates/nextjs", "/templates", "/api-keys",
    "/api-keys/presets", "/engines", "/health",
]


@pytest.mark.parametrize("route", GET_ROUTES)
def test_real_replies_are_as_described(document, client, shared_sandbox, route):
    reply = checked(client.get(route.format(shared_sandbox.path)))
    described = route.split("?")[0].replace("{}", "/sandboxes/{id}").replace("/nextjs", "/{id}")
    prefix = "" if described == "/health" else "/api/v1"
    operation = document["paths"][prefix + described]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    conforms(document, schema, reply)


def test_what_is_published_is_as_described(document, client, sandbox):
    def check(reply, method, path, status=200):
        operation = document["paths"][f"/api/v1{path}"][method]
        conforms(document, operation["responses"][str(status)]["content"]["application/json"]["schema"], checked(reply, status))

    exposed = client.post(f"{sandbox.path}/expose", {"port": 3000})
    check(exposed, "post", "/sandboxes/{id}/expose")
    one = f"{sandbox.path}/previews/{exposed.json()['preview_id']}"
    check(client.get(f"{one}/status"), "get", "/sandboxes/{id}/previews/{pid}/status")
    check(client.post(f"{one}/share"), "post", "/sandboxes/{id}/previews/{pid}/share", 201)
    check(client.post(f"{sandbox.path}/preview-token"), "post", "/sandboxes/{id}/preview-token")
    check(client.post(f"{sandbox.path}/shares"), "post", "/sandboxes/{id}/shares", 201)
    deployed = client.post(f"{sandbox.path}/deploy", {"name": "x", "domain": "described.example.org"})
    check(deployed, "post", "/sandboxes/{id}/deploy", 201)
    for path in ("/previews", "/shares"):
        check(client.get(f"{sandbox.path}{path}"), "get", f"/sandboxes/{{id}}{path}")
    check(client.get("/deployments"), "get", "/deployments")
    check(client.get("/domains"), "get", "/domains")
    check(client.delete("/domains/described.example.org"), "delete", "/domains/{hostname}")
    check(client.delete(f"/deployments/{deployed.json()['id']}"), "delete", "/deployments/{deployment_id}")


def test_snapshots_are_as_described(document, client, sandbox):
    def check(reply, method, path, status=200):
        operation = document["paths"][f"/api/v1{path}"][method]
        conforms(document, operation["responses"][str(status)]["content"]["application/json"]["schema"], checked(reply, status))

    taken = client.post(f"{sandbox.path}/snapshots", {"comment": "x"})
    check(taken, "post", "/sandboxes/{id}/snapshots", 201)
    check(client.post(f"{sandbox.path}/snapshot"), "post", "/sandboxes/{id}/snapshot", 201)
    one = taken.json()["data"]["id"]
    named = client.post("/named-snapshots", {"name": "described", "snapshot_id": one})
    check(named, "post", "/named-snapshots", 201)
    paths = (
        "/sandboxes/{id}/snapshots", "/sandboxes/{id}/snapshots/{snapshot_id}", "/snapshots", "/snapshots/{snapshot_id}",
        "/snapshots/groups", "/snapshots/{snapshot_id}/tree", "/named-snapshots", "/named-snapshots/{name}",
    )
    for path in paths:
        check(client.get(path.format(id=sandbox.id, snapshot_id=one, name="described")), "get", path)
    deployed = client.post("/named-snapshots/described/deploy", {})
    check(deployed, "post", "/named-snapshots/{name}/deploy", 201)
    client.delete(f"/sandboxes/{deployed.json()['data']['id']}")
    check(client.delete("/named-snapshots/described"), "delete", "/named-snapshots/{name}")
    check(client.post(f"{sandbox.path}/restore/{one}"), "post", "/sandboxes/{id}/restore/{snapshot_id}")
    forks = [client.post(f"{sandbox.path}/fork"), client.post(f"/snapshots/{one}/fork")]
    check(forks[0], "post", "/sandboxes/{id}/fork", 201)
    check(forks[1], "post", "/snapshots/{snapshot_id}/fork", 201)
    for made in (forks[0].json(), forks[1].json()["data"]):
        checked(client.delete(f"/sandboxes/{made['id']}"))
    check(client.delete(f"/snapshots/{one}"), "delete", "/snapshots/{snapshot_id}")
    check(client.post("/snapshots/delete", {"ids": [one]}), "post", "/snapshots/delete")


def test_a_real_error_is_as_described(document, client):
    schema = {"$ref": "#/components/schemas/Error"}
    conforms(document, schema, client.get("/sandboxes/none").json())
    conforms(document, schema, client.post("/sandboxes", {"cpu_count": 0}).json())
