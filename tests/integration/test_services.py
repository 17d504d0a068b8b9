"""Services: named jobs that come back when they fail and when their sandbox does."""

import pytest

from harness import jobs
from harness.expect import checked, expect_error
from harness.wait import wait_until

FAILING = 'echo "run $(date +%s%N)" >> /tmp/runs; echo started; exit 3'
SERVING = "echo serving; exec sleep 1000"


def create(sandbox, name, command, **fields):
    body = {"name": name, "command": command, **fields}
    return checked(sandbox.client.post(f"{sandbox.path}/services", body), 201)["data"]


def get(sandbox, name):
    return checked(sandbox.client.get(f"{sandbox.path}/services/{name}"))["data"]


def act(sandbox, name, verb, **body):
    return checked(sandbox.client.post(f"{sandbox.path}/services/{name}/{verb}", body))["data"]


def delete(sandbox, name):
    return checked(sandbox.client.delete(f"{sandbox.path}/services/{name}"))["data"]


def test_a_service_from_create_to_delete(shared_sandbox):
    made = create(shared_sandbox, "web", SERVING, cwd="/tmp", env={"A": "b"})
    assert made["id"].startswith("job_")
    assert (made["name"], made["status"], made["command"], made["cwd"]) == ("web", "running", SERVING, "/tmp")
    assert (made["enabled"], made["restarts"]) == (True, 0)
    assert get(shared_sandbox, "web") == made
    assert [one["name"] for one in checked(shared_sandbox.client.get(f"{shared_sandbox.path}/services"))["data"]] == ["web"]
    assert jobs.get(shared_sandbox, made)["pid"] == made["pid"]
    jobs.wait_for_line(shared_sandbox, made, "serving")
    logs = checked(shared_sandbox.client.get(f"{shared_sandbox.path}/services/web/logs", params={"tail": 5}))
    assert (logs["data"]["service"], logs["data"]["lines"], logs["data"]["count"]) == ("web", ["serving"], 1)
    assert delete(shared_sandbox, "web") == {"name": "web", "status": "stopped", "deleted": True}
    expect_error(shared_sandbox.client.get(f"{shared_sandbox.path}/services/web"), 404, "PROCESS_NOT_FOUND")
    expect_error(shared_sandbox.client.get(jobs.path(shared_sandbox, made)), 404, "PROCESS_NOT_FOUND")


def test_a_service_that_fails_is_started_again(shared_sandbox):
    made = create(shared_sandbox, "failing", FAILING)
    again = wait_until(lambda: (now := get(shared_sandbox, "failing"))["restarts"] >= 2 and now, 30, "two restarts")
    assert again["id"] == made["id"]
    wait_until(lambda: int(shared_sandbox.output("wc -l < /tmp/runs")) >= 3, 10, "three runs")
    assert get(shared_sandbox, "failing")["status"] in ("running", "restarting")
    delete(shared_sandbox, "failing")
    count = shared_sandbox.output("wc -l < /tmp/runs")
    assert shared_sandbox.output("sleep 1.5; wc -l < /tmp/runs") == count


def test_a_service_that_is_killed_is_started_again(shared_sandbox):
    made = create(shared_sandbox, "killed", SERVING)
    shared_sandbox.output(f"kill -9 {made['pid']}")
    again = wait_until(lambda: (now := get(shared_sandbox, "killed"))["restarts"] == 1 and now["status"] == "running" and now,
                       30, "the restart")
    assert again["pid"] != made["pid"]
    delete(shared_sandbox, "killed")


def test_a_service_that_succeeds_is_left_alone(shared_sandbox):
    create(shared_sandbox, "once", "echo done")
    ended = wait_until(lambda: (now := get(shared_sandbox, "once"))["status"] == "exited" and now, 10, "its end")
    assert (ended["exit_code"], ended["restarts"]) == (0, 0)
    delete(shared_sandbox, "once")


def test_stop_keeps_the_definition_and_start_uses_it(shared_sandbox):
    made = create(shared_sandbox, "stoppable", SERVING)
    stopped = act(shared_sandbox, "stoppable", "stop", grace_ms=1000)
    assert (stopped["status"], stopped["enabled"]) == ("stopped", False)
    assert act(shared_sandbox, "stoppable", "stop")["status"] == "stopped"
    started = act(shared_sandbox, "stoppable", "start")
    assert (started["status"], started["enabled"]) == ("running", True)
    assert started["id"] != made["id"]
    assert act(shared_sandbox, "stoppable", "start")["id"] == started["id"]
    delete(shared_sandbox, "stoppable")


def test_restart_begins_anew(shared_sandbox):
    made = create(shared_sandbox, "anew", SERVING)
    again = act(shared_sandbox, "anew", "restart")
    assert again["status"] == "running" and again["pid"] != made["pid"]
    assert act(shared_sandbox, "anew", "stop")["status"] == "stopped"
    assert act(shared_sandbox, "anew", "restart")["status"] == "running"
    delete(shared_sandbox, "anew")


def test_stopping_its_process_stops_the_service(shared_sandbox):
    made = create(shared_sandbox, "by-process", SERVING)
    assert jobs.stop(shared_sandbox, made)["status"] == "stopped"
    now = get(shared_sandbox, "by-process")
    assert (now["status"], now["enabled"]) == ("stopped", False)
    delete(shared_sandbox, "by-process")


@pytest.mark.parametrize("body,status,code,field", [
    ({"command": "true"}, 400, "MISSING_PARAM", "name"),
    ({"name": "a"}, 400, "MISSING_PARAM", "command"),
    ({"name": "a/b", "command": "true"}, 422, "VALIDATION_ERROR", "name"),
    ({"name": ".a", "command": "true"}, 422, "VALIDATION_ERROR", "name"),
    ({"name": "x" * 65, "command": "true"}, 422, "VALIDATION_ERROR", "name"),
    ({"name": "a", "command": ""}, 422, "VALIDATION_ERROR", "command"),
    ({"name": "a", "command": []}, 422, "VALIDATION_ERROR", "command"),
    ({"name": "a", "command": ["a", 1]}, 422, "VALIDATION_ERROR", "command"),
    ({"name": "a", "command": "true", "cwd": "b"}, 422, "VALIDATION_ERROR", "cwd"),
    ({"name": "a", "command": "true", "env": {"A": 1}}, 422, "VALIDATION_ERROR", "env"),
    ({"name": "a", "command": "true", "port": 1}, 422, "VALIDATION_ERROR", "port"),
    ({"name": "a", "command": ["no-such-program"]}, 422, "COMMAND_NOT_FOUND", None),
    ({"name": "a", "command": "true", "user": "nobody-knows"}, 422, "COMMAND_NOT_STARTED", None),
])
def test_bad_services_are_refused_and_leave_nothing(shared_sandbox, body, status, code, field):
    expect_error(shared_sandbox.client.post(f"{shared_sandbox.path}/services", body), status, code, field=field)
    assert checked(shared_sandbox.client.get(f"{shared_sandbox.path}/services"))["data"] == []


def test_names_are_taken_once(shared_sandbox):
    create(shared_sandbox, "taken", SERVING)
    body = {"name": "taken", "command": "true"}
    expect_error(shared_sandbox.client.post(f"{shared_sandbox.path}/services", body), 409, "NAME_TAKEN", field="name")
    delete(shared_sandbox, "taken")


def test_they_come_back_with_their_sandbox_unless_stopped(make_sandbox):
    sandbox = make_sandbox(persistent=True)
    create(sandbox, "back", ["sh", "-c", "echo $GREETING; exec sleep 1000"], env={"GREETING": "hello"}, user="sandbox")
    create(sandbox, "not-back", SERVING)
    act(sandbox, "not-back", "stop")
    sandbox.stop()
    sandbox.resume()
    back = wait_until(lambda: (now := get(sandbox, "back"))["status"] == "running" and now, 30, "the service")
    jobs.wait_for_line(sandbox, back, "hello")
    assert sandbox.output(f"ps -o user= -p {back['pid']}").strip() == "sandbox"
    gone = get(sandbox, "not-back")
    assert (gone["status"], gone["enabled"]) == ("stopped", False)
    assert act(sandbox, "not-back", "start")["status"] == "running"


def test_they_survive_a_restart_of_the_daemon(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    with instance.client().create() as sandbox:
        made = create(sandbox, "steady", SERVING)
        instance.api.kill9()
        instance.start()
        wait_until(instance.connected, 30, "atolld to find atoll-host")
        now = get(sandbox, "steady")
        assert (now["id"], now["pid"], now["status"]) == (made["id"], made["pid"], "running")
        delete(sandbox, "steady")
