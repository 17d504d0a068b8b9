"""Detached commands: they outlive the request, are found again, stopped, fed and limited."""

import pytest

from harness import jobs
from harness.expect import checked, expect_error
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")

GONE = "pgrep -f '{}' >/dev/null || echo gone"


def is_gone(sandbox, pattern):
    """pattern must not match itself: '[s]leep 7'."""
    return sandbox.output(GONE.format(pattern)) == "gone\n"


def test_a_job_is_told_whole(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo hello; sleep 1000", name="told", cwd="/tmp")
    assert job["id"].startswith("job_") and job["job_id"] == job["id"]
    assert job["pid"] > 0
    assert (job["status"], job["state"]) == ("running", "running")
    assert job["command"] == "echo hello; sleep 1000"
    assert (job["cwd"], job["name"], job["sandbox_id"]) == ("/tmp", "told", shared_sandbox.id)
    assert job["started_at"].endswith("Z")
    assert (job["stopped_at"], job["exit_code"], job["signal"], job["log_path"]) == (None, None, None, None)
    assert jobs.get(shared_sandbox, job) == job
    jobs.stop(shared_sandbox, job)


def test_a_job_is_found_by_its_pid_too(shared_sandbox):
    job = jobs.start(shared_sandbox, "exec sleep 1000")
    assert jobs.get(shared_sandbox, str(job["pid"]))["id"] == job["id"]
    assert jobs.stop(shared_sandbox, str(job["pid"]))["id"] == job["id"]


def test_an_ended_job_says_how(shared_sandbox):
    job = jobs.ended(shared_sandbox, jobs.start(shared_sandbox, "exit 3"))
    assert (job["status"], job["exit_code"], job["timed_out"]) == ("exited", 3, False)
    assert job["stopped_at"] >= job["started_at"]
    job = jobs.ended(shared_sandbox, jobs.start(shared_sandbox, "kill -USR1 $$; sleep 1000"))
    assert (job["status"], job["exit_code"], job["signal"]) == ("killed", 138, "SIGUSR1")


def test_a_timeout_ends_the_whole_tree(shared_sandbox):
    job = jobs.start(shared_sandbox, "setsid sleep 7611 & sleep 7611", timeout=0.5)
    job = jobs.ended(shared_sandbox, job)
    assert (job["status"], job["exit_code"], job["timed_out"]) == ("timed_out", -1, True)
    wait_until(lambda: is_gone(shared_sandbox, "[s]leep 7611"), 10, "the tree is dead")


def test_the_list_is_oldest_first_and_has_ended_ones(sandbox):
    first = jobs.start(sandbox, "true")
    jobs.ended(sandbox, first)
    second = jobs.start(sandbox, "sleep 1000")
    for route in ("processes", "jobs"):
        reply = checked(sandbox.client.get(f"{sandbox.path}/{route}"))
        assert [job["id"] for job in reply["data"]] == [first["id"], second["id"]]
        assert [job["status"] for job in reply["data"]] == ["exited", "running"]
        assert reply["count"] == 2


@pytest.mark.parametrize("route,body", [
    ("exec", {"cmd": "sleep", "args": ["1000"], "cwd": "/workspace", "detached": True}),
    ("exec", {"command": "sleep 1000", "background": True}),
    ("commands", {"command": "sleep 1000", "detach": True}),
    ("commands", {"command": "sleep 1000", "name": "by-name"}),
    ("commands", {"command": "sleep 1000", "sudo": True}),
])
def test_a_detached_command_answers_with_its_job(shared_sandbox, route, body):
    reply = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/{route}", body), 201)
    assert reply["job_id"] == reply["id"] == reply["data"]["job_id"] == reply["data"]["id"]
    assert reply["pid"] == reply["data"]["pid"]
    alias = f"{shared_sandbox.path}/jobs/{reply['job_id']}"
    job = checked(shared_sandbox.client.get(alias))["data"]
    assert (job["status"], job["command"]) == ("running", "sleep 1000")
    assert checked(shared_sandbox.client.post(f"{alias}/stop"))["data"]["status"] == "stopped"
    assert checked(shared_sandbox.client.get(alias))["data"]["status"] == "stopped"


def test_detached_exec_has_no_timeout_unless_it_is_given(shared_sandbox):
    body = {"command": "sleep 1000", "detached": True, "timeout_ms": 300}
    job = checked(shared_sandbox.client.post(f"{shared_sandbox.path}/exec", body), 201)["data"]
    assert jobs.ended(shared_sandbox, job)["timed_out"] is True


def test_a_stream_or_a_run_cannot_be_detached(shared_sandbox):
    body = {"command": "true", "detached": True}
    for route in (f"{shared_sandbox.path}/exec/stream", "/sandboxes/run"):
        expect_error(shared_sandbox.client.post(route, body), 422, "VALIDATION_ERROR", field="detached")


def test_stop_ends_the_whole_tree(shared_sandbox):
    job = jobs.start(shared_sandbox, "setsid sh -c 'setsid sleep 7622 & sleep 7622' & sleep 7622")
    wait_until(lambda: shared_sandbox.output("pgrep -fc '[s]leep 7622' || :").strip() >= "3", 10, "the tree")
    stopped = jobs.stop(shared_sandbox, job)
    assert stopped["status"] == "stopped" and stopped["stopped_at"]
    assert is_gone(shared_sandbox, "[s]leep 7622")
    assert jobs.get(shared_sandbox, job)["status"] == "stopped"


def test_stop_asks_first_and_then_kills(shared_sandbox):
    polite = jobs.start(shared_sandbox, "trap 'echo bye; exit 0' TERM; echo on; while :; do sleep 0.05; done")
    jobs.wait_for_line(shared_sandbox, polite, "on")
    stopped = jobs.stop(shared_sandbox, polite, grace_ms=20000)
    assert (stopped["status"], stopped["exit_code"]) == ("stopped", 0)
    assert jobs.lines(shared_sandbox, polite)[-1] == "bye"
    deaf = jobs.start(shared_sandbox, "trap '' TERM; echo on; while :; do sleep 0.05; done")
    jobs.wait_for_line(shared_sandbox, deaf, "on")
    stopped = jobs.stop(shared_sandbox, deaf, grace_ms=100)
    assert (stopped["status"], stopped["signal"]) == ("stopped", "SIGKILL")


def test_delete_of_an_ended_job_forgets_it(shared_sandbox):
    job = jobs.start(shared_sandbox, "true")
    jobs.ended(shared_sandbox, job)
    deleted = jobs.stop(shared_sandbox, job)
    assert (deleted["status"], deleted["forgotten"]) == ("exited", True)
    expect_error(shared_sandbox.client.get(jobs.path(shared_sandbox, job)), 404, "PROCESS_NOT_FOUND")


def test_post_stop_forgets_nothing(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo kept; sleep 1000")
    jobs.wait_for_line(shared_sandbox, job, "kept")
    for _ in range(2):
        reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stop", {"grace_ms": 1000})
        assert checked(reply)["data"]["status"] == "stopped"
    assert jobs.lines(shared_sandbox, job) == ["kept"]


def test_signals_reach_the_job(shared_sandbox):
    job = jobs.start(shared_sandbox, "trap 'echo caught' USR1; echo on; while :; do sleep 0.05; done")
    jobs.wait_for_line(shared_sandbox, job, "on")
    for signal in ("SIGUSR1", "USR1", 10):
        reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/signal", {"signal": signal})
        assert checked(reply)["data"]["signal"] == 10
        count = len([line for line in jobs.lines(shared_sandbox, job) if line == "caught"])
        wait_until(lambda n=count: jobs.lines(shared_sandbox, job).count("caught") >= max(n, 1), 10, "the trap")
    reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/signal", {"signal": "SIGKILL"})
    assert reply.ok
    assert jobs.ended(shared_sandbox, job)["signal"] == "SIGKILL"
    reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/signal", {"signal": "SIGKILL"})
    expect_error(reply, 409, "PROCESS_ENDED")


def test_standard_input_goes_in_piece_by_piece(shared_sandbox):
    job = jobs.start(shared_sandbox, "cat; echo end", open_stdin=True)
    where = f"{jobs.path(shared_sandbox, job)}/stdin"
    assert checked(shared_sandbox.client.post(where, {"data": "one\n"}))["data"]["size"] == 4
    jobs.wait_for_line(shared_sandbox, job, "one")
    assert shared_sandbox.client.post(where, {"data_base64": "dHdvCg=="}).ok
    jobs.wait_for_line(shared_sandbox, job, "two")
    assert shared_sandbox.client.post(where, {"eof": True}).ok
    assert jobs.ended(shared_sandbox, job)["exit_code"] == 0
    assert jobs.lines(shared_sandbox, job) == ["one", "two", "end"]
    expect_error(shared_sandbox.client.post(where, {"data": "x"}), 409, "PROCESS_ENDED")


def test_standard_input_of_the_request_is_all_there_is(shared_sandbox):
    text = "x" * 500_000 + "\n"
    job = jobs.start(shared_sandbox, "sleep 0.2; wc -c", stdin=text)
    assert jobs.ended(shared_sandbox, job)["exit_code"] == 0
    assert jobs.lines(shared_sandbox, job)[0].strip() == str(len(text))


def test_without_open_stdin_there_is_none(shared_sandbox):
    job = jobs.start(shared_sandbox, "cat; echo end; sleep 1000")
    jobs.wait_for_line(shared_sandbox, job, "end")
    reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/stdin", {"data": "x"})
    expect_error(reply, 409, "PROCESS_ENDED")
    jobs.stop(shared_sandbox, job)


def test_input_that_nobody_reads_is_refused_whole(shared_sandbox):
    job = jobs.start(shared_sandbox, "echo on; sleep 1000", open_stdin=True)
    where = f"{jobs.path(shared_sandbox, job)}/stdin"
    replies = [shared_sandbox.client.post(where, {"data": "x" * 900_000}) for _ in range(3)]
    assert replies[0].ok
    error = expect_error(replies[-1], 503, "AGENT_BUSY")
    assert error["retryable"] is True
    jobs.stop(shared_sandbox, job)


def test_env_user_and_cwd(shared_sandbox):
    job = jobs.start(shared_sandbox, 'echo "$A $(whoami) $PWD"', env={"A": "b"}, user="sandbox", cwd="/tmp")
    jobs.ended(shared_sandbox, job)
    assert jobs.lines(shared_sandbox, job) == ["b sandbox /tmp"]
    job = jobs.start(shared_sandbox, ["sh", "-c", "whoami"], sudo=True)
    jobs.ended(shared_sandbox, job)
    assert jobs.lines(shared_sandbox, job) == ["root"]
    assert job["command"] == "sh -c whoami"


@pytest.mark.parametrize("body,status,code,field", [
    ({}, 400, "MISSING_PARAM", "command"),
    ({"command": ""}, 422, "VALIDATION_ERROR", "command"),
    ({"command": 1}, 422, "VALIDATION_ERROR", "command"),
    ({"command": "true", "nmae": "x"}, 422, "VALIDATION_ERROR", "nmae"),
    ({"command": "true", "name": "x" * 128}, 422, "VALIDATION_ERROR", "name"),
    ({"command": "true", "tty": True}, 422, "VALIDATION_ERROR", "tty"),
    ({"command": "true", "timeout": -1}, 422, "VALIDATION_ERROR", "timeout"),
    ({"command": "true", "timeout": 2073601}, 422, "TIMEOUT_TOO_LONG", "timeout"),
    ({"command": "true", "sudo": True, "user": "sandbox"}, 422, "VALIDATION_ERROR", "sudo"),
    ({"argv": ["no-such-program"]}, 422, "COMMAND_NOT_FOUND", None),
    ({"command": "true", "cwd": "/no/such"}, 422, "COMMAND_NOT_STARTED", None),
    ({"command": "true", "user": "nobody-knows"}, 422, "COMMAND_NOT_STARTED", None),
])
def test_bad_requests_are_refused_by_field(shared_sandbox, body, status, code, field):
    before = len(checked(shared_sandbox.client.get(f"{shared_sandbox.path}/processes"))["data"])
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/processes", body)
    expect_error(reply, status, code, field=field)
    assert len(checked(shared_sandbox.client.get(f"{shared_sandbox.path}/processes"))["data"]) == before


@pytest.mark.parametrize("route,body,field", [
    ("stdin", {}, "data"), ("stdin", {"data": "a", "data_base64": "YQ=="}, "data_base64"),
    ("stdin", {"data_base64": "*"}, "data_base64"), ("stdin", {"text": "a"}, "text"),
    ("signal", {}, "signal"), ("signal", {"signal": "NONSENSE"}, "signal"), ("signal", {"signal": 0}, "signal"),
    ("stop", {"grace_ms": -1}, "grace_ms"), ("stop", {"grace": 1}, "grace"),
])
def test_bad_control_is_refused_by_field(shared_sandbox, route, body, field):
    job = jobs.start(shared_sandbox, "sleep 1000", open_stdin=True)
    reply = shared_sandbox.client.post(f"{jobs.path(shared_sandbox, job)}/{route}", body)
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["details"]["field"] == field
    assert jobs.get(shared_sandbox, job)["status"] == "running"
    jobs.stop(shared_sandbox, job, grace_ms=0)


@pytest.mark.parametrize("reference", ["job_00000000000000000000000000", "999999", "%2e%2e%2f", "a%2Fb", "x" * 64])
def test_an_unknown_process_is_not_found(shared_sandbox, reference):
    for route in ("", "/logs", "/stream"):
        reply = shared_sandbox.client.get(f"{shared_sandbox.path}/processes/{reference}{route}")
        assert reply.status_code == 404, reply.text
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/processes/{reference}/signal", {"signal": 9})
    assert reply.status_code == 404, reply.text


def test_names_belong_to_one_running_job(shared_sandbox):
    job = jobs.start(shared_sandbox, "sleep 1000", name="only")
    reply = shared_sandbox.client.post(f"{shared_sandbox.path}/processes", {"command": "true", "name": "only"})
    expect_error(reply, 409, "NAME_TAKEN", field="name")
    jobs.stop(shared_sandbox, job)
    again = jobs.start(shared_sandbox, "sleep 1000", name="only")
    jobs.stop(shared_sandbox, again)


def test_jobs_end_with_the_sandbox_and_need_a_running_one(make_sandbox):
    sandbox = make_sandbox(persistent=True)
    job = jobs.start(sandbox, "sleep 1000")
    sandbox.stop()
    expect_error(sandbox.client.get(f"{sandbox.path}/processes"), 409, "SANDBOX_NOT_RUNNING")
    expect_error(sandbox.client.post(f"{sandbox.path}/processes", {"command": "true"}), 409, "SANDBOX_NOT_RUNNING")
    sandbox.resume()
    found = sandbox.client.get(jobs.path(sandbox, job))
    assert found.status_code == 404 or found.json()["data"]["status"] != "running"


def test_jobs_go_on_after_pause_and_resume(sandbox):
    job = jobs.start(sandbox, "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")
    jobs.wait_for_line(sandbox, job, "2")
    sandbox.pause()
    sandbox.resume()
    seen = int(jobs.lines(sandbox, job)[-1])
    wait_until(lambda: int(jobs.lines(sandbox, job)[-1]) > seen, 10, "it counts on")


def test_a_job_does_not_keep_the_sandbox_awake(make_sandbox):
    sandbox = make_sandbox(idle_timeout_sec=1)
    job = jobs.start(sandbox, "while :; do echo tick; sleep 0.1; done")
    with jobs.Follow(sandbox, job) as stream:
        stream.next("stdout")
        wait_until(lambda: sandbox.state == "paused", 20, "the idle timeout")


def test_hundred_jobs_at_once_and_no_more(fresh_instance):
    instance = fresh_instance(max_jobs=100, spare_slots=1)
    with instance.client().create() as sandbox:
        started = [jobs.start(sandbox, ["sleep", "1000"]) for _ in range(100)]
        reply = sandbox.client.post(f"{sandbox.path}/processes", {"command": "true"})
        error = expect_error(reply, 409, "JOB_LIMIT_EXCEEDED")
        assert "100" in error["message"] and "max_jobs" in error["details"]["hint"]
        assert sandbox.output("echo alive") == "alive\n"
        jobs.stop(sandbox, started[50], grace_ms=0)
        jobs.start(sandbox, "sleep 1000")


def test_ended_jobs_do_not_count_but_are_bounded(sandbox):
    started = [jobs.start(sandbox, ["true"]) for _ in range(210)]
    jobs.ended(sandbox, started[-1])
    wait_until(lambda: len(checked(sandbox.client.get(f"{sandbox.path}/processes"))["data"]) <= 200, 20, "forgetting")
    assert jobs.get(sandbox, started[-1])["status"] == "exited"


def test_scopes(client, shared_sandbox, instance):
    made = checked(client.post("/api-keys", {"name": "reader", "scopes": ["sandboxes:read"]}), 201)["data"]
    reader = instance.client(key=made["key"])
    job = jobs.start(shared_sandbox, "sleep 1000")
    assert reader.get(f"{shared_sandbox.path}/processes").ok
    for method, route, body in (
        ("POST", "", {"command": "true"}), ("DELETE", f"/{job['id']}", None),
        ("POST", f"/{job['id']}/signal", {"signal": 9}), ("POST", f"/{job['id']}/stdin", {"data": "x"}),
        ("POST", f"/{job['id']}/stop", {}),
    ):
        reply = reader.request(method, f"{shared_sandbox.path}/processes{route}", json=body)
        expect_error(reply, 403, "insufficient_scope")
    jobs.stop(shared_sandbox, job, grace_ms=0)


def test_a_repeated_request_starts_one(sandbox):
    headers = {"Idempotency-Key": "start-once"}
    ask = lambda command: sandbox.client.post(f"{sandbox.path}/processes", {"command": command}, headers=headers)
    first, second = ask("echo x >> /workspace/runs; sleep 1000"), ask("echo x >> /workspace/runs; sleep 1000")
    assert checked(first, 201) == checked(second, 201)
    assert second.headers["Idempotent-Replay"] == "true"
    expect_error(ask("sleep 1"), 422, "IDEMPOTENCY_KEY_REUSED")
    wait_until(lambda: sandbox.exec("cat /workspace/runs")["stdout"], 10, "the job to run")
    assert sandbox.output("cat /workspace/runs") == "x\n"
    assert checked(sandbox.client.get(f"{sandbox.path}/processes"))["count"] == 1
