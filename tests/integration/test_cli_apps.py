"""The atoll program: apps, previews, deployments and domains."""

import json

import pytest

from harness.wait import wait_until

EXIT_API_ERROR, EXIT_USAGE, EXIT_NOT_FOUND = 1, 2, 3


@pytest.fixture(scope="module")
def site(client):
    with client.create(template_id="static-html", timeout_sec=1200, name="cli-site") as made:
        made.write("/workspace/index.html", "<h1>x</h1>")
        yield made


def succeed(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(text):
    return [line.split("\t") for line in text.splitlines()]


def test_an_app_from_start_to_stop(atoll, site):
    url = succeed(atoll("app", "start", "cli-site", "--install")).strip()
    assert url.startswith(f"http://{site.object['slug']}.sandbox.")
    [row] = rows(succeed(atoll("app", "status", "cli-site")))
    assert row[:4] == ["started", "yes", "8080", url]
    assert rows(succeed(atoll("app", "artifacts", "cli-site")))[0][:2] == ["/workspace/index.html", "10"]
    assert json.loads(succeed(atoll("app", "status", "cli-site", "--json")))["ready"] is True
    assert succeed(atoll("app", "stop", "cli-site")) == "stopped\n"


def test_create_with_an_app(atoll, client):
    made = succeed(atoll("create", "--template", "static-html", "--auto-start", "--auto-resume")).strip()
    try:
        assert client.get(f"/sandboxes/{made}").json()["auto_resume"] is True
        wait_until(lambda: rows(succeed(atoll("app", "status", made)))[0][:2] == ["started", "yes"], 30, "the app", 0.1)
    finally:
        succeed(atoll("rm", made))


def test_own_command_port_directory_and_variables(atoll, site):
    command = "pwd > /tmp/seen; echo $COLOUR >> /tmp/seen; exec python3 -m http.server $PORT"
    url = succeed(atoll("app", "start", site.id, "-c", command, "-p", "4100", "-w", "/srv", "-e", "COLOUR=green"))
    assert url.startswith("http://4100-")
    assert site.output("cat /tmp/seen") == "/srv\ngreen\n"


def test_not_waiting(atoll, site):
    done = atoll("app", "start", site.id, "--no-wait", "-c", "sleep 1000", "-p", "4101")
    assert done.returncode == 0 and "app status" in done.stderr


def test_restarting(atoll, site):
    succeed(atoll("app", "start", site.id, "--no-wait", "--restart", "-c", "exit 3", "-p", "4102"))

    def seen():
        [row] = rows(succeed(atoll("app", "status", site.id)))
        return row[0] == "restarting" and row[6] != "0" and row

    assert wait_until(seen, 30, "a restart", 0.1)[5] == "3"
    assert succeed(atoll("app", "stop", site.id)) == "stopped\n"


def test_a_failing_app_tells_its_last_words(atoll, site):
    done = atoll("app", "start", site.id, "-c", "echo broken config; exit 1")
    assert done.returncode == EXIT_API_ERROR
    assert "broken config" in done.stderr and "hint:" in done.stderr


def test_expose_prints_the_url(atoll, site):
    assert succeed(atoll("expose", site.id, "4200")).startswith(f"http://4200-{site.object['slug']}.")
    assert succeed(atoll("expose", site.id)).startswith("http://")


def test_previews(atoll, site):
    succeed(atoll("app", "start", site.id))
    url = succeed(atoll("preview", "create", site.id, "8080", "--ttl", "1h", "--name", "review")).strip()
    assert "preview_token=miosa_pv_" in url
    listed = [row for row in rows(succeed(atoll("preview", "ls", site.id))) if row[1] == "review"]
    assert len(listed) == 1 and listed[0][2:4] == ["8080", "private"]
    shared = succeed(atoll("preview", "share", site.id, listed[0][0], "--ttl", "5m")).strip()
    assert "preview_token=" in shared and shared != url
    assert succeed(atoll("preview", "rm", site.id, listed[0][0])) == "deleted\n"
    assert listed[0][0] not in succeed(atoll("preview", "ls", site.id))
    assert "preview_token" not in succeed(atoll("preview", "create", site.id, "8080", "--public"))


def test_deployments(atoll, site):
    succeed(atoll("app", "start", site.id))
    url = succeed(atoll("deploy", site.id, "my shop")).strip()
    assert url.startswith("http://my-shop-")
    [row] = [row for row in rows(succeed(atoll("deployments", "ls"))) if row[1] == "my shop"]
    assert row[3] == url and row[4] == site.id
    assert json.loads(succeed(atoll("deployments", "get", row[0])))["url"] == url
    succeed(atoll("deployments", "rm", row[0]))
    assert row[0] not in succeed(atoll("deployments", "ls"))


def test_domains(atoll):
    told = json.loads(succeed(atoll("domain", "add", "cli.example.org")))
    assert told["hostname"] == "cli.example.org" and told["dns_records"]
    assert [row[:2] for row in rows(succeed(atoll("domain", "ls")))] == [["cli.example.org", told["status"]]]
    succeed(atoll("domain", "rm", "cli.example.org"))
    assert succeed(atoll("domain", "ls")) == ""


def test_a_key_file_that_is_not_there(atoll):
    done = atoll("domain", "add", "cli2.example.org", "--certificate", "/no/such/file")
    assert done.returncode == EXIT_API_ERROR and "/no/such/file" in done.stderr


@pytest.mark.parametrize("words", [
    ("app",), ("app", "start"), ("app", "lose", "a"), ("app", "start", "a", "b"), ("app", "start", "a", "-p", "x"),
    ("app", "start", "a", "--port", "70000"), ("app", "start", "a", "-e", "NAME"), ("expose",),
    ("expose", "a", "port"), ("expose", "a", "0"), ("preview", "ls"), ("preview", "create", "a"),
    ("preview", "create", "a", "x"), ("preview", "rm", "a"), ("preview", "lose", "a"), ("deploy", "a"),
    ("deploy", "a", "b", "--port", "0"), ("deployments",), ("deployments", "rm"), ("deployments", "lose"),
    ("domain",), ("domain", "add"), ("domain", "verify"), ("domain", "lose"),
])
def test_wrong_usage(atoll, words):
    done = atoll(*words)
    assert done.returncode == EXIT_USAGE and "hint:" in done.stderr and done.stdout == ""


def test_what_is_not_there(atoll, site):
    assert atoll("app", "status", "no-such-sandbox").returncode == EXIT_NOT_FOUND
    assert atoll("expose", "no-such-sandbox", "80").returncode == EXIT_NOT_FOUND
    assert atoll("preview", "rm", site.id, "prv_none").returncode == EXIT_NOT_FOUND
    assert atoll("deployments", "rm", "dep_none").returncode == EXIT_NOT_FOUND
    assert atoll("domain", "rm", "none.example.org").returncode == EXIT_NOT_FOUND


@pytest.mark.parametrize("name", ["app", "expose", "preview", "deploy", "deployments", "domain"])
def test_help_has_an_example(atoll, name):
    text = succeed(atoll(name, "--help"))
    assert text.startswith(f"Usage: atoll {name}") and "Example" in text
