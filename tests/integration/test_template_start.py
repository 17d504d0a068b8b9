"""Template apps: install, start, readiness, logs, stop; what fails says why."""

import concurrent.futures

import pytest

from harness.expect import checked, expect_error
from harness.wait import wait_until

LOGS, PID = "/tmp/miosa-run/template.log", "/tmp/miosa-run/template.pid"
SERVER = "python3 -m http.server $PORT --bind {}"


def start(sandbox, **fields):
    return checked(sandbox.client.post(f"{sandbox.path}/template/start", fields))["data"]


def start_reply(sandbox, **fields):
    return sandbox.client.post(f"{sandbox.path}/template/start", fields)


def status(sandbox):
    return checked(sandbox.client.get(f"{sandbox.path}/template"))["data"]


def stop(sandbox):
    return checked(sandbox.client.post(f"{sandbox.path}/template/stop"))["data"]


def await_status(sandbox, wanted):
    return wait_until(lambda: (seen := status(sandbox))["status"] == wanted and seen, 30, f"status {wanted}", 0.1)


def get_inside(sandbox, port, path="/"):
    return sandbox.output(f"curl -s --max-time 10 http://127.0.0.1:{port}{path}")


@pytest.fixture(scope="module")
def page(client):
    """A sandbox of static-html with a page."""
    with client.create(template_id="static-html", timeout_sec=1800) as made:
        made.write("/workspace/index.html", "<h1>hello</h1>")
        yield made


@pytest.fixture(scope="module")
def plain(client):
    """A sandbox whose template has no app."""
    with client.create(timeout_sec=1800) as made:
        yield made


# --- the documented way ---


def test_start_answers_when_the_app_does(page):
    app = start(page)
    assert app["status"] == "started" and app["ready"] is True
    assert app["template_id"] == "static-html"
    assert app["workdir"] == "/workspace"
    assert app["preview_port"] == 8080
    assert (app["logs_path"], app["pid_path"]) == (LOGS, PID)
    assert app["artifact_paths"] == ["/workspace"]
    assert app["preview_url"].startswith(f"http://{page.object['slug']}.sandbox.")
    assert app["process_id"].startswith("job_")
    assert get_inside(page, 8080) == "<h1>hello</h1>"


def test_log_and_pid_file_are_those_of_the_server(page):
    app = start(page)
    get_inside(page, 8080, "/asked-by-the-test")
    wait_until(lambda: "GET /asked-by-the-test" in page.read(LOGS).decode(), 10, "the request in the log")
    pid = page.read(PID).decode().strip()
    assert "http.server" in page.output(f"tr '\\0' ' ' </proc/{pid}/cmdline")
    job = checked(page.client.get(f"{page.path}/processes/{app['process_id']}"))["data"]
    assert str(job["pid"]) == pid and job["status"] == "running"


def test_start_exposes_the_port_unless_its_owner_decided_otherwise(make_sandbox):
    sandbox = make_sandbox(template_id="static-html")
    start(sandbox)

    def previews():
        return checked(sandbox.client.get(f"{sandbox.path}/previews"))["data"]

    [made] = previews()
    assert (made["port"], made["visibility"]) == (8080, "public")
    start(sandbox)
    assert [each["id"] for each in previews()] == [made["id"]]
    checked(sandbox.client.patch(f"{sandbox.path}/previews/{made['id']}", {"visibility": "private"}))
    start(sandbox)
    assert [each["visibility"] for each in previews()] == ["private"]


def test_a_second_start_takes_the_first_one_s_place(page):
    first, second = start(page), start(page)
    assert first["process_id"] != second["process_id"]
    assert second["ready"] is True
    assert page.output("pgrep -fc '^python3 -m http.server'").strip() == "1"


def test_stop_ends_the_whole_tree(page):
    start(page)
    assert stop(page)["status"] == "stopped"
    assert page.exec("pgrep -f http.server")["exit_code"] == 1
    assert status(page)["ready"] is False
    assert stop(page)["status"] == "stopped"


def test_before_any_start_the_template_is_described(make_sandbox):
    seen = status(make_sandbox(template_id="nextjs"))
    assert seen["status"] == "not_started" and seen["ready"] is False
    assert seen["start_command"].startswith("npm run dev")
    assert seen["preview_port"] == 3000
    assert seen["process_id"] is None


# --- own commands ---


def test_a_template_without_an_app_needs_a_command(plain):
    expect_error(start_reply(plain), 400, "MISSING_PARAM", "start_command")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_wherever_it_is_bound_it_is_found(plain, address):
    app = start(plain, start_command=SERVER.format(address), port=4100)
    assert app["ready"] is True and app["preview_port"] == 4100
    assert f"4100-{plain.object['slug']}.sandbox." in app["preview_url"]


def test_port_env_workdir_and_user(plain):
    plain.output("install -d -o sandbox /tmp/here")
    command = "{ pwd; echo $PORT $COLOUR; id -un; } > result; exec python3 -m http.server $PORT"
    start(plain, start_command=command, port=4200, workdir="/tmp/here", user="sandbox", env={"COLOUR": "green"})
    assert plain.output("cat /tmp/here/result") == "/tmp/here\n4200 green\nsandbox\n"


def test_without_a_port_running_is_ready(plain):
    app = start(plain, start_command="sleep 1000")
    assert app["status"] == "started" and app["ready"] is True
    assert app["preview_port"] is None and app["preview_url"] is None


def test_what_ends_well_has_done_its_work(plain):
    app = start(plain, start_command="echo done > /workspace/report.txt", port=4300)
    assert app["status"] == "exited" and app["exit_code"] == 0 and app["ready"] is False
    assert plain.output("cat /workspace/report.txt") == "done\n"


def test_python_template_runs_main(make_sandbox):
    sandbox = make_sandbox(template_id="python")
    sandbox.write("/workspace/requirements.txt", "")
    sandbox.write("/workspace/main.py", (
        "import http.server, os\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))\n"))
    app = start(sandbox, install=True)
    assert app["ready"] is True and app["preview_port"] == 8000


# --- installation ---


def test_install_runs_first_and_into_the_same_log(plain):
    app = start(plain, install_command="echo installing things; touch /workspace/installed",
                start_command="ls /workspace/installed; exec " + SERVER.format("127.0.0.1"), port=4400)
    assert app["ready"] is True
    log = plain.read(LOGS).decode()
    assert log.startswith("$ echo installing things; touch /workspace/installed\ninstalling things\n$ ls /workspace")
    assert "\n/workspace/installed\n" in log


def test_install_can_be_left_out(plain):
    app = start(plain, install=False, install_command="exit 7", start_command="sleep 1000")
    assert app["status"] == "started"


def test_a_failing_install_says_why(plain):
    reply = start_reply(plain, install_command="echo no such package >&2; exit 3", start_command="sleep 1000")
    error = expect_error(reply, 422, "APP_NOT_READY")
    assert "no such package" in error["message"]
    details = error["details"]
    assert (details["stage"], details["exit_code"], details["logs_path"]) == ("install", 3, LOGS)
    assert "no such package" in details["log_tail"]
    assert status(plain)["status"] == "failed"
    assert plain.exec("pgrep -x sleep")["exit_code"] == 1


def test_an_install_that_takes_too_long_is_ended(plain):
    reply = start_reply(plain, install_command="sleep 3456", install_timeout_sec=1, start_command="true")
    error = expect_error(reply, 422, "APP_NOT_READY")
    assert error["details"]["stage"] == "install" and error["details"]["exit_code"] == 124
    assert "install_timeout_sec" in error["message"]
    assert plain.exec("pgrep -f '^sleep 3456'")["exit_code"] == 1


def test_one_install_at_a_time(plain):
    plain.output("rm -f /tmp/go")
    app = start(plain, install_command="until [ -e /tmp/go ]; do sleep 0.05; done", start_command="sleep 1000",
                wait=False)
    assert app["status"] == "installing" and app["ready"] is False
    error = expect_error(start_reply(plain, start_command="sleep 1001"), 409, "CONFLICT")
    assert "template/stop" in error["details"]["hint"]
    plain.output("touch /tmp/go")
    assert await_status(plain, "started")["process_id"] == app["process_id"]


def test_stop_ends_an_install(plain):
    start(plain, install_command="sleep 3457", start_command="true", wait=False)
    assert stop(plain)["status"] == "stopped"
    assert plain.exec("pgrep -f '^sleep 3457'")["exit_code"] == 1
    start(plain, start_command="sleep 1000")


# --- readiness ---


def test_a_failing_start_says_why(plain):
    reply = start_reply(plain, start_command="printf '\\033[31mno module vite\\033[0m\\n' >&2; exit 1", port=4500)
    error = expect_error(reply, 422, "APP_NOT_READY")
    assert error["details"]["stage"] == "start" and error["details"]["exit_code"] == 1
    assert error["details"]["log_tail"] == "no module vite"


def test_not_ready_in_time_is_said_and_it_goes_on(plain):
    app = start(plain, start_command="sleep 1000", port=4600, start_timeout_sec=1)
    assert app["status"] == "started" and app["ready"] is False
    assert status(plain)["process_id"] == app["process_id"]


def test_an_error_page_is_not_ready(plain):
    server = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        import os\n"
        "        self.send_response(404 if os.path.exists('/tmp/well') else 503)\n"
        "        self.end_headers()\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', 4700), H).serve_forever()\n")
    plain.write("/tmp/server.py", server)
    probe = {"type": "http", "url": "http://127.0.0.1:4700/health?full=1"}
    app = start(plain, start_command="python3 /tmp/server.py", readiness_probe=probe, start_timeout_sec=2)
    assert app["ready"] is False
    assert app["readiness_probe"] == {"type": "http", "port": 4700, "path": "/health?full=1"}
    plain.output("touch /tmp/well")
    assert status(plain)["ready"] is True


def test_a_command_can_decide(plain):
    plain.output("rm -f /tmp/decided")
    probe = {"type": "exec", "command": "test -e /tmp/decided"}
    command = "while [ ! -e /tmp/miosa-run/template.pid ]; do sleep 0.05; done; touch /tmp/decided; sleep 1000"
    assert start(plain, start_command=command, readiness_probe=probe)["ready"] is True
    plain.output("rm /tmp/decided")
    assert status(plain)["ready"] is False


def test_a_server_that_speaks_no_http_is_found_by_tcp(plain):
    code = "import socket; s = socket.create_server(('127.0.0.1', 4800)); [c.close() for c, _ in iter(s.accept, None)]"
    app = start(plain, start_command=f'python3 -c "{code}"', readiness_probe={"type": "tcp", "port": 4800})
    assert app["ready"] is True


# --- several at once ---


def test_starts_at_the_same_time_leave_one_app(plain):
    def one(_):
        return start_reply(plain, start_command="exec sleep 2345", wait=True)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(one, range(6)))
    for reply in replies:
        assert reply.status_code in (200, 409), reply.text
        assert reply.ok or reply.json()["error"]["code"] == "CONFLICT"
    assert any(reply.ok for reply in replies)
    wait_until(lambda: plain.exec("pgrep -fc '^sleep 2345'")["stdout"] == "1\n", 10, "one app", 0.05)
    jobs = checked(plain.client.get(f"{plain.path}/processes"))["data"]
    assert [job["id"] for job in jobs if job["status"] == "running"] == [status(plain)["process_id"]]


def test_a_process_of_the_same_name_is_not_taken_for_the_app(make_sandbox):
    sandbox = make_sandbox()
    job = checked(sandbox.client.post(f"{sandbox.path}/processes", {"command": "sleep 1000", "name": "template"}), 201)
    error = expect_error(start_reply(sandbox, start_command="sleep 1000"), 409, "CONFLICT")
    assert "'template'" in error["message"]
    assert status(sandbox)["status"] == "not_started"
    checked(sandbox.client.delete(f"{sandbox.path}/processes/{job['data']['id']}"))
    assert start(sandbox, start_command="sleep 1000")["status"] == "started"


def test_a_start_ends_with_its_sandbox(make_sandbox):
    sandbox = make_sandbox()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(start_reply, sandbox, install_command="sleep 1000", start_command="true")
        await_status(sandbox, "installing")
        sandbox.destroy()
        reply = waiting.result(60)
    assert reply.json()["error"]["code"] in ("AGENT_UNAVAILABLE", "SANDBOX_NOT_RUNNING"), reply.text


# --- restart ---


def kill(sandbox):
    """Ends the app as a crash would."""
    sandbox.output(f"kill -9 $(cat {PID})")


def test_without_restart_a_failure_is_final(plain):
    app = start(plain, start_command=SERVER.format("127.0.0.1"), port=4700)
    assert app["restart"] is False and app["restarts"] == 0
    kill(plain)
    assert await_status(plain, "failed")["restarts"] == 0


def test_with_restart_it_runs_again_after_failures(plain):
    plain.output("rm -f /workspace/runs")
    app = start(plain, install_command="echo installed >> /workspace/runs", port=4701, restart=True,
                start_command="echo run >> /workspace/runs; echo run; " + SERVER.format("127.0.0.1"))
    assert app["restart"] is True and app["restarts"] == 0 and app["status"] == "started"
    for restarts in (1, 2):
        kill(plain)
        now = wait_until(lambda: (seen := status(plain))["restarts"] == restarts and seen["ready"] and seen, 30,
                         "the app answers again", 0.1)
        assert now["status"] == "started" and now["process_id"] == app["process_id"]
    # installed once; the log goes on
    assert plain.output("cat /workspace/runs") == "installed\nrun\nrun\nrun\n"
    assert plain.read(LOGS).decode().splitlines().count("run") == 3
    assert stop(plain)["status"] == "stopped"


def test_a_restart_can_be_stopped_and_replaced(plain):
    for end in (stop, lambda sandbox: start(sandbox, start_command="exec sleep 1000")):
        start(plain, start_command="exit 7", restart=True, wait=False)
        now = await_status(plain, "restarting")
        assert now["exit_code"] == 7 and now["ready"] is False
        app = end(plain)
        assert app["status"] in ("stopped", "started") and app["restarts"] == 0
    stop(plain)


def test_what_ends_well_is_not_restarted(plain):
    start(plain, start_command="exit 0", restart=True)
    assert await_status(plain, "exited")["restarts"] == 0


def test_who_waits_for_what_fails_is_told_and_it_is_not_restarted(plain):
    for which, command in (("install", {"install_command": "exit 9", "start_command": "true"}),
                           ("start", {"start_command": "exit 9"})):
        details = expect_error(start_reply(plain, port=4702, restart=True, **command), 422, "APP_NOT_READY")["details"]
        assert details["stage"] == which and details["exit_code"] == 9
        now = status(plain)
        assert now["status"] == "failed" and now["exit_code"] == 9 and now["restarts"] == 0


# --- it belongs to the sandbox ---


def test_it_outlives_the_client(plain):
    import requests

    plain.output("rm -f /tmp/go2")
    install = "until [ -e /tmp/go2 ]; do sleep 0.05; done"
    with pytest.raises(requests.exceptions.ReadTimeout):
        plain.client.post(f"{plain.path}/template/start", {"install_command": install, "start_command": "sleep 1000"},
                          timeout=1)
    assert await_status(plain, "installing")
    plain.output("touch /tmp/go2")
    assert await_status(plain, "started")


def test_it_outlives_atolld(fresh_instance):
    instance = fresh_instance()
    sandbox = instance.client().create()
    app = start(sandbox, install_command="until [ -e /tmp/go ]; do sleep 0.05; done",
                start_command=SERVER.format("127.0.0.1"), port=4900, wait=False)
    instance.api.kill9()
    instance.start_api()
    assert status(sandbox)["status"] == "installing"
    sandbox.output("touch /tmp/go")
    assert wait_until(lambda: status(sandbox)["ready"], 30, "the app answers", 0.1)
    assert status(sandbox)["process_id"] == app["process_id"]


def test_it_outlives_atoll_host(fresh_instance):
    instance = fresh_instance()
    sandbox = instance.client().create()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        command = "until [ -e /tmp/go ]; do sleep 0.05; done; exec " + SERVER.format("127.0.0.1")
        waiting = pool.submit(start_reply, sandbox, start_command=command, port=4900)
        await_status(sandbox, "started")
        instance.host.kill9()
        instance.start_host()
        wait_until(instance.connected, 30, "atolld to find atoll-host")
        sandbox.output("touch /tmp/go")
        assert checked(waiting.result(90))["data"]["ready"] is True


def test_who_waits_is_told_that_atolld_ends(fresh_instance):
    instance = fresh_instance()
    sandbox = instance.client().create()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(start_reply, sandbox, start_command="sleep 1000", port=4900)
        await_status(sandbox, "started")
        instance.api.stop()
        error = expect_error(waiting.result(30), 503, "SHUTTING_DOWN")
        assert "goes on" in error["message"]
    instance.start_api()
    assert status(sandbox)["status"] == "started"


def test_it_comes_back_with_the_sandbox_unless_it_was_stopped(make_sandbox):
    sandbox = make_sandbox(template_id="static-html", persistent=True)
    sandbox.write("/workspace/index.html", "kept")
    first = start(sandbox)
    sandbox.stop()
    sandbox.resume()
    seen = wait_until(lambda: (now := status(sandbox))["ready"] and now, 30, "the app answers again", 0.1)
    assert seen["process_id"] != first["process_id"]
    assert get_inside(sandbox, 8080) == "kept"
    stop(sandbox)
    sandbox.stop()
    sandbox.resume()
    assert status(sandbox)["status"] == "stopped"
    assert sandbox.exec("pgrep -f http.server")["exit_code"] == 1


def test_a_paused_sandbox_has_no_app_to_ask(make_sandbox):
    sandbox = make_sandbox(template_id="static-html")
    start(sandbox)
    sandbox.pause()
    expect_error(start_reply(sandbox), 409, "SANDBOX_NOT_RUNNING")
    expect_error(sandbox.client.get(f"{sandbox.path}/template"), 409, "SANDBOX_NOT_RUNNING")
    sandbox.resume()
    assert status(sandbox)["ready"] is True


# --- bad input ---


@pytest.mark.parametrize("fields,code,field", [
    ({"install": "yes"}, "VALIDATION_ERROR", "install"),
    ({"wait": 1}, "VALIDATION_ERROR", "wait"),
    ({"restart": "always"}, "VALIDATION_ERROR", "restart"),
    ({"start_command": ""}, "VALIDATION_ERROR", "start_command"),
    ({"start_command": ["a"]}, "VALIDATION_ERROR", "start_command"),
    ({"install_command": 1}, "VALIDATION_ERROR", "install_command"),
    ({"port": 0}, "INVALID_PORT", "port"),
    ({"port": "3000"}, "INVALID_PORT", "port"),
    ({"port": 65536}, "INVALID_PORT", "port"),
    ({"workdir": "relative"}, "VALIDATION_ERROR", "workdir"),
    ({"env": {"A": 1}}, "VALIDATION_ERROR", "env"),
    ({"env": {"A=B": "1"}}, "VALIDATION_ERROR", "env"),
    ({"user": ""}, "VALIDATION_ERROR", "user"),
    ({"install_timeout_sec": 0}, "VALIDATION_ERROR", "install_timeout_sec"),
    ({"start_timeout_sec": 601}, "VALIDATION_ERROR", "start_timeout_sec"),
    ({"start": "now"}, "VALIDATION_ERROR", "start"),
    ({"readiness_probe": "http://127.0.0.1"}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "udp", "port": 1}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "tcp"}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "exec", "command": ""}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "http", "port": 80, "path": "no-slash"}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "http", "port": 80, "path": "/a b"}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "http", "url": "http://169.254.169.254/"}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "http", "url": "file:///etc/passwd"}}, "VALIDATION_ERROR", "readiness_probe"),
    ({"readiness_probe": {"type": "http", "url": "http://127.0.0.1@example.org/"}}, "VALIDATION_ERROR",
     "readiness_probe"),
])
def test_what_makes_no_sense_is_refused_by_name(page, fields, code, field):
    before = status(page)["process_id"]
    expect_error(start_reply(page, **fields), 422, code, field)
    assert status(page)["process_id"] == before


def test_a_directory_or_user_that_is_not_there(plain):
    expect_error(start_reply(plain, start_command="true", workdir="/no/such"), 422, "COMMAND_NOT_STARTED")
    expect_error(start_reply(plain, start_command="true", user="nobody-here"), 422, "COMMAND_NOT_STARTED")


def test_stop_takes_no_fields(plain):
    reply = plain.client.post(f"{plain.path}/template/stop", {"force": True})
    expect_error(reply, 422, "VALIDATION_ERROR", "force")


def test_what_is_in_the_log_directory_s_place_is_named(plain):
    plain.output("rm -rf /tmp/miosa-run && ln -s /workspace/elsewhere /tmp/miosa-run")
    error = expect_error(start_reply(plain, start_command="echo hello"), 422, "COMMAND_NOT_STARTED")
    assert "/tmp/miosa-run" in error["message"]
    plain.output("rm -rf /tmp/miosa-run")
    assert start(plain, start_command="echo hello", port=4900)["status"] == "exited"
