"""What an app left behind."""

import pytest

from harness.expect import checked, expect_error


def artifacts(sandbox):
    return checked(sandbox.client.get(f"{sandbox.path}/artifacts"))["data"]


def paths(reply):
    return sorted(entry["path"] for entry in reply["artifacts"])


@pytest.fixture(scope="module")
def site(client):
    with client.create(template_id="static-html", timeout_sec=900) as made:
        made.write("/workspace/index.html", "<h1>x</h1>")
        made.write("/workspace/assets/deep/style.css", "h1 { }")
        made.write("/workspace/node_modules/left-pad/index.js", "0")
        made.write("/workspace/.git/HEAD", "ref: refs/heads/main")
        made.write("/outside.txt", "0")
        made.output("ln -s /outside.txt /workspace/link; ln -s / /workspace/root")
        yield made


def test_files_below_the_artifact_paths_without_those_of_tools(site):
    reply = artifacts(site)
    assert paths(reply) == ["/workspace/assets/deep/style.css", "/workspace/index.html"]
    page = next(entry for entry in reply["artifacts"] if entry["path"].endswith("html"))
    assert page["size"] == 10 and page["type"] == "file" and page["modified_at"].endswith("Z")
    assert reply["truncated"] is False


def test_the_contract_of_the_template(site):
    reply = artifacts(site)
    assert reply["template_id"] == "static-html" and reply["status"] == "not_started"
    assert reply["artifact_paths"] == ["/workspace"]
    assert reply["preview"]["port"] == 8080
    assert reply["preview"]["url"].startswith(f"http://{site.object['slug']}.sandbox.")
    assert reply["logs_path"] == "/tmp/miosa-run/template.log"
    assert reply["pid_path"] == "/tmp/miosa-run/template.pid"


def test_the_port_of_the_app_that_runs(make_sandbox):
    sandbox = make_sandbox()
    assert artifacts(sandbox)["preview"] == {"url": None, "port": None}
    body = {"start_command": "python3 -m http.server $PORT", "port": 4321}
    checked(sandbox.client.post(f"{sandbox.path}/template/start", body))
    reply = artifacts(sandbox)
    assert reply["preview"]["port"] == 4321 and "//4321-" in reply["preview"]["url"]
    assert reply["status"] == "started" and reply["ready"] is True


def test_too_many_are_cut_and_said(make_sandbox):
    sandbox = make_sandbox()
    sandbox.output("mkdir many && cd many && seq 1100 | xargs touch")
    reply = artifacts(sandbox)
    assert len(reply["artifacts"]) == 1000 and reply["truncated"] is True


def test_names_that_are_no_text_do_no_harm(make_sandbox):
    sandbox = make_sandbox()
    sandbox.output("touch good $'bad\\xff'; mkdir $'dir\\xff'; touch $'dir\\xff/in'")
    reply = artifacts(sandbox)
    assert paths(reply) == ["/workspace/good"] and reply["truncated"] is True


def test_a_missing_directory_has_no_files(make_sandbox):
    sandbox = make_sandbox()
    sandbox.output("cd / && rmdir /workspace")
    assert artifacts(sandbox)["artifacts"] == []


def test_a_paused_sandbox(make_sandbox):
    sandbox = make_sandbox()
    sandbox.pause()
    expect_error(sandbox.client.get(f"{sandbox.path}/artifacts"), 409, "SANDBOX_NOT_RUNNING")
