"""Apps and services that start by themselves."""

from harness.expect import checked, expect_error
from harness.wait import wait_until


def app(sandbox):
    return checked(sandbox.client.get(f"{sandbox.path}/template"))["data"]


def await_app(sandbox, **wanted):
    def seen():
        now = app(sandbox)
        return all(now[name] == value for name, value in wanted.items()) and now

    return wait_until(seen, 30, f"an app with {wanted}", 0.1)


def service(sandbox, name):
    return checked(sandbox.client.get(f"{sandbox.path}/services/{name}"))["data"]


def test_auto_start_starts_the_template_s_app(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", auto_start=True)
    assert await_app(sandbox, ready=True)["status"] == "started"


def test_without_it_nothing_starts(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", auto_start=False)
    assert app(sandbox)["status"] == "not_started"


def test_what_cannot_start_says_so(make_sandbox):
    # an empty directory has no package.json
    sandbox = make_sandbox(template_id="vite-react", auto_start=True)
    seen = await_app(sandbox, status="failed")
    assert seen["exit_code"] != 0
    assert b"package.json" in sandbox.read(seen["logs_path"])


def test_it_comes_back_on_the_kept_files(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", auto_start=True, persistent=True)
    first = await_app(sandbox, ready=True)
    sandbox.stop()
    sandbox.resume()
    assert await_app(sandbox, ready=True)["process_id"] != first["process_id"]


def test_thawing_starts_nothing_anew(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", auto_start=True)
    first = await_app(sandbox, ready=True)
    sandbox.pause()
    sandbox.resume()
    assert app(sandbox)["process_id"] == first["process_id"] and app(sandbox)["ready"]


def test_services_of_the_request_run_and_come_back(make_sandbox):
    command = "echo run >> /workspace/runs; exec sleep 1000"
    sandbox = make_sandbox(services=[{"name": "worker", "command": command}], persistent=True)
    runs = lambda: sandbox.exec("cat /workspace/runs")["stdout"]
    wait_until(lambda: runs() == "run\n", 30, "the service runs", 0.1)
    sandbox.stop()
    sandbox.resume()
    wait_until(lambda: runs() == "run\nrun\n", 30, "the service runs again", 0.1)
    assert service(sandbox, "worker")["status"] == "running"


def test_app_and_services_side_by_side(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", auto_start=True,
                           services=[{"name": "worker", "command": "sleep 1000"}])
    await_app(sandbox, ready=True)
    wait_until(lambda: service(sandbox, "worker")["status"] == "running", 30, "the service runs", 0.1)


def test_auto_start_is_a_boolean(client):
    expect_error(client.post("/sandboxes", {"auto_start": "yes"}), 422, "VALIDATION_ERROR", "auto_start")
