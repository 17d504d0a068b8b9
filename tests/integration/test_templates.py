"""The catalogue of templates."""

import pytest

from harness.expect import checked, expect_error

BUILT_IN = {"miosa-sandbox", "nextjs", "vite-react", "python", "streamlit", "gradio", "static-html"}
ALIASES = [("python-3.12", "python"), ("react-vite", "vite-react"), ("static", "static-html")]


def test_the_documented_templates_are_there(client):
    reply = checked(client.get("/sandbox-templates"))
    assert reply["default_template_id"] == "miosa-sandbox"
    assert {entry["id"] for entry in reply["data"]} == BUILT_IN
    for entry in reply["data"]:
        for field in ("name", "image_id", "category", "cpu_count", "memory_mb", "disk_mb", "workdir"):
            assert entry[field], (entry["id"], field)


def test_aliases_on_request(client):
    reply = checked(client.get("/sandbox-templates", params={"include_aliases": "true"}))
    assert {alias for alias, _ in ALIASES} <= {entry["id"] for entry in reply["data"]}


def test_one_template(client):
    reply = checked(client.get("/sandbox-templates/nextjs"))
    entry = reply.get("data", reply)
    assert entry["id"] == "nextjs"
    assert entry["preview_port"] == 3000
    assert entry["install_command"] == "npm install"
    expect_error(client.get("/sandbox-templates/none"), 404, "NOT_FOUND")


@pytest.mark.parametrize("alias,template", ALIASES)
def test_a_sandbox_can_be_made_from_an_alias(make_sandbox, alias, template):
    assert make_sandbox(template_id=alias).object["template_id"] in (alias, template)


def test_templates_bring_their_shape(make_sandbox, client):
    reply = checked(client.get("/sandbox-templates/nextjs"))
    entry = reply.get("data", reply)
    fields = make_sandbox(template_id="nextjs").object
    assert (fields["cpu_count"], fields["memory_mb"]) == (entry["cpu_count"], entry["memory_mb"])


def test_the_template_cannot_be_changed_from_inside(make_sandbox):
    make_sandbox().output("echo changed > /etc/debian_version; rm /bin/ls; rm -rf /usr/share/perl5")
    fresh = make_sandbox()
    assert "changed" not in fresh.output("cat /etc/debian_version")
    assert fresh.output("ls -d /usr/share/perl5") == "/usr/share/perl5\n"
