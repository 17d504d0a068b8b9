"""atoll exec -d, ps, logs, kill and service."""

import json
import os
import subprocess
import threading

import pytest

from harness import jobs

EXIT_API_ERROR, EXIT_USAGE, EXIT_NOT_FOUND = 1, 2, 3


@pytest.fixture(scope="module")
def environment(client):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
    return plain | {"ATOLL_URL": client.url, "ATOLL_API_KEY": client.key}


@pytest.fixture(scope="module")
def atoll(instance, environment):
    """atoll("ps", "web"): the completed process, output as bytes."""

    def run(*words):
        command = [str(instance.programs / "atoll"), *words]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=environment,
                              check=False)

    return run


def succeed(done):
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_job_from_exec_to_kill(atoll, shared_sandbox):
    command = "echo out; echo err >&2; sleep 1000"
    job_id = succeed(atoll("exec", "-d", "--name", "dev", shared_sandbox.id, command)).strip()
    assert job_id.startswith("job_")
    assert jobs.get(shared_sandbox, job_id)["name"] == "dev"
    line = next(line for line in succeed(atoll("ps", shared_sandbox.id)).splitlines() if line.startswith(job_id))
    assert line.split("\t")[1:3] == ["dev", "running"] and line.endswith(command)
    jobs.wait_for_line(shared_sandbox, job_id, "err")
    done = atoll("logs", shared_sandbox.id, "dev")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")
    assert succeed(atoll("kill", shared_sandbox.id, "dev")) == "dev stopped\n"
    assert job_id not in succeed(atoll("ps", shared_sandbox.id))
    assert f"{job_id}\tdev\tstopped\t" in succeed(atoll("ps", "-a", shared_sandbox.id))


def test_arguments_and_options_reach_the_job(atoll, shared_sandbox):
    words = ("exec", "--detach", "-w", "/tmp", "-u", "sandbox", "-e", "A=b", "-t", "1h", shared_sandbox.id)
    job_id = succeed(atoll(*words, "--", "sh", "-c", 'echo "$A $(whoami) $PWD" "$0"', "x y")).strip()
    jobs.ended(shared_sandbox, job_id)
    assert succeed(atoll("logs", shared_sandbox.id)) == "b sandbox /tmp x y\n"


def test_follow_prints_everything_to_the_end(instance, environment, atoll, shared_sandbox):
    job = jobs.start(shared_sandbox, "seq 1 2000; cat; printf 'no newline'; exit 5", open_stdin=True)
    jobs.wait_for_line(shared_sandbox, job, "2000")
    command = [str(instance.programs / "atoll"), "logs", "-f", "-n", "3", shared_sandbox.id, job["id"]]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        first = [process.stdout.readline() for _ in range(3)]
        assert first == [b"1998\n", b"1999\n", b"2000\n"]
        where = f"{jobs.path(shared_sandbox, job)}/stdin"
        shared_sandbox.client.post(where, {"data": "typed\n", "eof": True})
        assert process.stdout.read() == b"typed\nno newline"
        assert process.wait() == 0
        watchdog.cancel()


def test_follow_survives_a_restart_of_the_server(fresh_instance):
    instance = fresh_instance(spare_slots=1)
    client = instance.client()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
    environment = plain | {"ATOLL_URL": client.url, "ATOLL_API_KEY": client.key}
    with client.create() as sandbox:
        job = jobs.start(sandbox, "echo before; cat; echo after", open_stdin=True)
        command = [str(instance.programs / "atoll"), "logs", "-f", sandbox.id, job["id"]]
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            watchdog = threading.Timer(90, process.kill)
            watchdog.start()
            assert process.stdout.readline() == b"before\n"
            instance.api.kill9()
            instance.start()
            assert client.post(f"{jobs.path(sandbox, job)}/stdin", {"eof": True}).ok
            assert process.stdout.read() == b"after\n"
            assert process.wait() == 0
            watchdog.cancel()


def test_a_signal_only(atoll, shared_sandbox):
    command = "trap 'echo caught' HUP; echo on; while :; do sleep 0.05; done"
    job = jobs.start(shared_sandbox, command)
    jobs.wait_for_line(shared_sandbox, job, "on")
    assert succeed(atoll("kill", "-s", "HUP", shared_sandbox.id, str(job["pid"]))) == f"{job['pid']} signalled\n"
    jobs.wait_for_line(shared_sandbox, job, "caught")
    succeed(atoll("kill", "-s", "9", shared_sandbox.id, job["id"]))
    assert jobs.ended(shared_sandbox, job)["signal"] == "SIGKILL"


def test_run_detached_keeps_the_sandbox(atoll, client):
    sandbox_id, job_id = succeed(atoll("run", "-d", "echo started; sleep 1000")).split()
    try:
        assert json.loads(succeed(atoll("get", sandbox_id, "--json")))["state"] == "running"
        assert job_id in succeed(atoll("ps", sandbox_id))
    finally:
        client.delete(f"/sandboxes/{sandbox_id}")


def test_services(atoll, sandbox):
    assert succeed(atoll("service", "add", "-e", "A=b", sandbox.id, "web", "echo $A; sleep 1000")) == "web running\n"
    succeed(atoll("service", "add", sandbox.id, "worker", "sleep", "1000"))
    listed = [line.split("\t") for line in succeed(atoll("service", "ls", sandbox.id)).splitlines()]
    assert [(row[0], row[1], row[4]) for row in listed] == [
        ("web", "running", "echo $A; sleep 1000"), ("worker", "running", "sleep 1000")]
    jobs.wait_for_line(sandbox, listed[0][2], "b")
    assert succeed(atoll("service", "logs", sandbox.id, "web")) == "b\n"
    assert succeed(atoll("service", "stop", sandbox.id, "web")) == "web stopped\n"
    assert succeed(atoll("service", "start", sandbox.id, "web")) == "web running\n"
    assert succeed(atoll("service", "restart", sandbox.id, "web")) == "web running\n"
    assert succeed(atoll("service", "rm", sandbox.id, "web")) == "web stopped\n"
    assert json.loads(succeed(atoll("service", "ls", sandbox.id, "--json")))[0]["name"] == "worker"
    assert atoll("service", "stop", sandbox.id, "web").returncode == EXIT_NOT_FOUND


@pytest.mark.parametrize("words", [
    ("ps",), ("logs",), ("kill", "a"), ("logs", "-n", "x", "a"), ("service", "ls"), ("service", "add", "a", "b"),
    ("service", "lose", "a"), ("service", "stop", "a"), ("service", "stop", "a", "b", "c"),
])
def test_wrong_usage_exits_2_and_says_why(atoll, words):
    done = atoll(*words)
    assert done.returncode == EXIT_USAGE
    assert done.stderr and not done.stdout


def test_what_is_not_there_exits_3(atoll, shared_sandbox):
    for words in (("logs", shared_sandbox.id, "no-such-job"), ("kill", shared_sandbox.id, "no-such-job"),
                  ("ps", "no-such-sandbox"), ("logs", shared_sandbox.id, "job_00000000000000000000000000")):
        done = atoll(*words)
        assert done.returncode == EXIT_NOT_FOUND, words
        assert b"hint:" in done.stderr
