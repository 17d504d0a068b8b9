"""The atoll program against a real server: what people and scripts type."""

import json
import os
import pty
import signal
import subprocess
import threading

import pytest

EXIT_API_ERROR, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_UNREACHABLE, EXIT_TIMED_OUT = 1, 2, 3, 4, 124


@pytest.fixture(scope="module")
def environment(instance, client):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}
    return plain | {"ATOLL_URL": client.url, "ATOLL_API_KEY": client.key}


@pytest.fixture(scope="module")
def atoll(instance, environment):
    """atoll("ls", "-q"): the completed process, output as bytes."""

    def run(*words, data=b"", **variables):
        command = [str(instance.programs / "atoll"), *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=120,
                              env=environment | variables, check=False)

    return run


@pytest.fixture
def start(instance, environment):
    """start("exec", …): the running process; it is gone after the test."""
    started = []

    def run(*words):
        command = [str(instance.programs / "atoll"), *words]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # A line that never comes ends the test, not the run.
        watchdog = threading.Timer(90, process.kill)
        watchdog.start()
        started.append((process, watchdog))
        return process

    yield run
    for process, watchdog in started:
        watchdog.cancel()
        process.kill()
        process.communicate()


def succeed(done):
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


# --- without a server ---


def test_help_of_the_program_names_every_command(atoll):
    text = succeed(atoll("--help"))
    for name in ("create", "ls", "run", "exec", "cp", "pause", "resume", "rm", "templates", "key"):
        assert f"\n  {name} " in text
    assert "Exit codes" in text


def test_help_of_each_command_has_an_example_or_says_what_it_does(atoll):
    for name in ("create", "run", "exec", "cp", "ls", "get", "pause", "resume", "stop", "extend", "rm", "key"):
        text = succeed(atoll(name, "--help"))
        assert text.startswith(f"Usage: atoll {name}") and "Example" in text


@pytest.mark.parametrize("words", [
    (), ("bogus",), ("exec",), ("exec", "one"), ("ls", "--bogus"), ("ls", "extra"), ("get",),
    ("create", "--cpu", "many"), ("create", "--env", "NAME"), ("exec", "-t", "soon", "a", "b"),
    ("create", "--name"), ("completion", "csh"), ("key", "lose"), ("extend", "a", "later"),
])
def test_wrong_usage_exits_2_and_says_why(atoll, words):
    done = atoll(*words)
    assert done.returncode == EXIT_USAGE
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_know_the_commands(atoll, shell):
    text = succeed(atoll("completion", shell))
    assert "exec" in text and "--no-stdin" in text or "-l no-stdin" in text


def test_bash_accepts_its_completion(atoll):
    subprocess.run(["bash", "-n"], input=atoll("completion", "bash").stdout, check=True)


def test_a_server_that_is_not_there_exits_4(atoll):
    done = atoll("ls", ATOLL_URL="http://127.0.0.1:1")
    assert done.returncode == EXIT_UNREACHABLE
    assert b"hint:" in done.stderr


def test_without_a_key_it_says_how_to_get_one(atoll, tmp_path):
    done = atoll("ls", ATOLL_API_KEY="", ATOLL_CLIENT_ENV=str(tmp_path / "none"))
    assert done.returncode == EXIT_API_ERROR
    assert b"ATOLL_API_KEY" in done.stderr


# --- configuration ---


def test_server_and_key_come_from_the_client_file(atoll, client, tmp_path):
    file = tmp_path / "client.env"
    file.write_text(f"export ATOLL_URL='{client.url}/'\nATOLL_API_KEY={client.key}\n")
    succeed(atoll("ls", ATOLL_URL="", ATOLL_API_KEY="", ATOLL_CLIENT_ENV=str(file)))


def test_the_files_key_is_not_sent_to_another_server(atoll, client, tmp_path):
    file = tmp_path / "client.env"
    file.write_text(f"ATOLL_URL=http://127.0.0.1:2\nATOLL_API_KEY={client.key}\n")
    done = atoll("ls", ATOLL_API_KEY="", ATOLL_CLIENT_ENV=str(file))
    assert done.returncode == EXIT_API_ERROR and b"no API key" in done.stderr


def test_a_bad_key_is_an_error_with_a_hint(atoll):
    done = atoll("ls", ATOLL_API_KEY="msk_wrong")
    assert done.returncode == EXIT_API_ERROR and b"hint:" in done.stderr


def test_errors_are_json_when_asked(atoll):
    error = json.loads(atoll("get", "no-such-sandbox", "--json").stderr)["error"]
    assert error["code"] == "NOT_FOUND" and error["message"] and error["details"]["hint"]


# --- life of a sandbox ---


def test_a_sandbox_from_create_to_rm(atoll):
    sandbox_id = succeed(atoll("create", "--name", "cli-life", "--timeout", "10m", "--memory", "512")).strip()
    assert sandbox_id.startswith("sbx_")
    shown = json.loads(succeed(atoll("inspect", "cli-life")))
    assert (shown["id"], shown["state"], shown["memory_mb"]) == (sandbox_id, "running", 512)
    assert sandbox_id in succeed(atoll("ls", "-q")).split()
    assert f"{sandbox_id}\tcli-life\trunning\t" in succeed(atoll("ls"))
    assert "paused" in succeed(atoll("pause", "cli-life"))
    assert sandbox_id in succeed(atoll("ls", "-q", "--state", "paused")).split()
    assert "running" in succeed(atoll("resume", sandbox_id))
    assert json.loads(succeed(atoll("extend", "cli-life", "20m", "--json")))["timeout_sec"] == 1200
    assert "destroyed" in succeed(atoll("rm", "cli-life"))
    assert atoll("get", "cli-life").returncode == EXIT_NOT_FOUND


def test_rm_goes_on_after_one_that_is_not_there(atoll, sandbox):
    done = atoll("rm", "no-such-sandbox", sandbox.id)
    assert done.returncode == EXIT_NOT_FOUND
    assert sandbox.id.encode() in done.stdout


def test_a_table_with_a_heading_on_a_terminal(instance, environment, sandbox):
    master, slave = pty.openpty()
    subprocess.run([str(instance.programs / "atoll"), "ls"], env=environment, stdout=slave, check=True)
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    assert text.startswith("ID ") and "TIME LEFT" in text and sandbox.id in text


def test_templates_lists_the_default(atoll):
    assert "miosa-sandbox\t" in succeed(atoll("templates"))


def test_health_and_url(atoll, client):
    assert client.url in succeed(atoll("health"))
    assert succeed(atoll("url")).strip() == client.url


def test_a_key_made_works_until_it_is_removed(atoll):
    made = json.loads(succeed(atoll("key", "create", "cli-test", "--json")))
    succeed(atoll("ls", ATOLL_API_KEY=made["key"]))
    assert made["id"] in succeed(atoll("key", "ls"))
    assert made["key"] not in succeed(atoll("key", "ls"))
    succeed(atoll("key", "rm", made["id"]))
    assert atoll("ls", ATOLL_API_KEY=made["key"]).returncode == EXIT_API_ERROR


# --- exec ---


def test_exec_keeps_streams_and_exit_code_apart(atoll, shared_sandbox):
    done = atoll("exec", shared_sandbox.id, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)


def test_exec_passes_several_words_as_they_are(atoll, shared_sandbox):
    done = atoll("exec", shared_sandbox.id, "--", "printf", "%s|", "a b", "$HOME", "-n")
    assert done.stdout == b"a b|$HOME|-n|"


def test_exec_takes_directory_user_and_variables(atoll, shared_sandbox):
    done = atoll("exec", shared_sandbox.id, "-w", "/tmp", "-u", "sandbox", "-e", "A=1=2", "pwd; id -un; echo $A")
    assert done.stdout == b"/tmp\nsandbox\n1=2\n"


def test_exec_forwards_standard_input_byte_for_byte(atoll, shared_sandbox):
    data = os.urandom(3_000_000)
    done = atoll("exec", shared_sandbox.id, "cat", data=data)
    assert done.returncode == 0 and done.stdout == data


def test_exec_without_standard_input(atoll, shared_sandbox):
    assert atoll("exec", "-n", shared_sandbox.id, "cat", data=b"unread").stdout == b""


def test_exec_ends_although_its_input_stays_open(start, shared_sandbox):
    assert start("exec", shared_sandbox.id, "exit 3").wait(timeout=60) == 3


def test_exec_output_arrives_while_the_command_runs(start, shared_sandbox):
    process = start("exec", shared_sandbox.id, "echo first; read line; echo got $line")
    assert process.stdout.readline() == b"first\n"
    process.stdin.write(b"this\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"got this\n"
    assert process.wait(timeout=60) == 0


def test_exec_that_runs_out_of_time_exits_124(atoll, shared_sandbox):
    done = atoll("exec", shared_sandbox.id, "-t", "1", "sleep 60")
    assert done.returncode == EXIT_TIMED_OUT


def test_exec_ended_by_a_signal_inside(atoll, shared_sandbox):
    assert atoll("exec", shared_sandbox.id, "kill -KILL $$").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_reaches_the_command(start, shared_sandbox, number):
    name = number.name[3:]
    process = start("exec", shared_sandbox.id,
                    f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do read -t 1 line; done")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"got {name}\n".encode()
    assert process.wait(timeout=60) == 5


def test_ctrl_c_ends_a_plain_command_with_130(start, shared_sandbox):
    process = start("exec", shared_sandbox.id, "echo ready; exec sleep 100")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130


def test_exec_json_is_the_captured_result(atoll, shared_sandbox):
    done = atoll("exec", "--json", shared_sandbox.id, "echo out; exit 4")
    assert done.returncode == 4
    result = json.loads(done.stdout)
    assert (result["stdout"], result["exit_code"]) == ("out\n", 4)


def test_exec_in_no_sandbox_exits_3(atoll):
    assert atoll("exec", "no-such-sandbox", "true").returncode == EXIT_NOT_FOUND


def test_exec_of_a_missing_program_says_so(atoll, shared_sandbox):
    done = atoll("exec", shared_sandbox.id, "--", "no-such-program", "x")
    assert done.returncode == EXIT_API_ERROR and b"hint:" in done.stderr


# --- run ---


def test_run_leaves_no_sandbox(atoll, tenant):
    own = tenant("cli-run")
    done = atoll("run", "-m", "512", "cat; exit 9", data=b"through\n", ATOLL_API_KEY=own.key)
    assert (done.stdout, done.returncode) == (b"through\n", 9)
    assert own.list() == []


def test_run_keeps_the_sandbox_when_asked(atoll, tenant):
    own = tenant("cli-keep")
    done = atoll("run", "--keep", "--name", "kept", "echo hi", ATOLL_API_KEY=own.key)
    assert done.stdout == b"hi\n" and b"kept: sbx_" in done.stderr
    succeed(atoll("rm", "kept", ATOLL_API_KEY=own.key))


def test_run_json_is_the_reply_of_the_api(atoll, tenant):
    own = tenant("cli-json")
    reply = json.loads(succeed(atoll("run", "--json", "echo hi", ATOLL_API_KEY=own.key)))
    assert reply["exec"]["stdout"] == "hi\n" and reply["data"]["id"].startswith("sbx_")
    assert own.list() == []


# --- cp ---


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "below" / "empty").mkdir(parents=True)
    (root / "script").write_bytes(b"#!/bin/sh\n")
    (root / "script").chmod(0o750)
    (root / "below" / "name with space, ü and %").write_bytes(os.urandom(100_000))
    return root


def same_tree(left, right):
    return subprocess.run(["diff", "-r", str(left), str(right)], check=False).returncode == 0


def test_cp_of_a_directory_there_and_back(atoll, shared_sandbox, tree, tmp_path):
    place = f"{shared_sandbox.id}:/workspace/copy"
    succeed(atoll("cp", "-r", str(tree), place))
    succeed(atoll("cp", "-r", place, str(tmp_path / "back")))
    assert same_tree(tree, tmp_path / "back")
    assert (tmp_path / "back" / "script").stat().st_mode & 0o777 == 0o750


def test_cp_into_a_directory_keeps_the_name(atoll, shared_sandbox, tree, tmp_path):
    succeed(atoll("cp", str(tree / "script"), f"{shared_sandbox.id}:/tmp"))
    succeed(atoll("cp", f"{shared_sandbox.id}:/tmp/script", str(tmp_path)))
    assert (tmp_path / "script").read_bytes() == b"#!/bin/sh\n"


def test_cp_through_standard_input_and_output(atoll, shared_sandbox):
    data = os.urandom(2_000_000)
    succeed(atoll("cp", "-", f"{shared_sandbox.id}:/tmp/piped", data=data))
    assert atoll("cp", f"{shared_sandbox.id}:/tmp/piped", "-").stdout == data


def test_cp_of_a_directory_needs_to_be_asked_for(atoll, shared_sandbox, tree):
    done = atoll("cp", str(tree), f"{shared_sandbox.id}:/workspace/refused")
    assert done.returncode == EXIT_API_ERROR and b"-r" in done.stderr


def test_cp_of_a_missing_file_leaves_nothing_behind(atoll, shared_sandbox, tmp_path):
    done = atoll("cp", f"{shared_sandbox.id}:/no/such/file", str(tmp_path / "target"))
    assert done.returncode == EXIT_NOT_FOUND
    assert list(tmp_path.iterdir()) == []


def test_cp_never_follows_a_link_out_of_the_source(atoll, shared_sandbox, tmp_path):
    shared_sandbox.output("mkdir -p /tmp/links && ln -sfn /etc/passwd /tmp/links/link && echo 1 >/tmp/links/file")
    done = atoll("cp", "-r", f"{shared_sandbox.id}:/tmp/links", str(tmp_path / "links"))
    assert done.returncode == 0 and b"left out" in done.stderr
    assert [entry.name for entry in (tmp_path / "links").iterdir()] == ["file"]


@pytest.mark.parametrize("ends", [("a", "b"), ("{id}:/a", "{id}:/b"), ("{id}:relative", "b")])
def test_cp_refuses_ends_that_make_no_sense(atoll, shared_sandbox, ends):
    done = atoll("cp", *(end.format(id=shared_sandbox.id) for end in ends))
    assert done.returncode == EXIT_API_ERROR and b"hint:" in done.stderr
