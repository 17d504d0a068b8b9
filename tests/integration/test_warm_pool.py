"""Sandboxes that are kept ready and claimed by create."""

import concurrent.futures
import os
import signal
import subprocess

import pytest

from harness import paths, resources
from harness.expect import expect_error
from harness.wait import wait_until
from harness.warm import Operator

ORDINARY = {"cpu_count": 1, "memory_mb": 1024, "disk_mb": 3072, "network": "egress"}
TINY = {"cpu_count": 1, "memory_mb": 256, "disk_mb": 1024, "network": "none"}


@pytest.fixture(scope="module")
def warm_instance(factory):
    instance = factory.make(warm_sandboxes=2).start()
    yield instance
    factory.end(instance)


@pytest.fixture(scope="module")
def operator(warm_instance):
    return Operator(warm_instance)


@pytest.fixture
def client(warm_instance):
    return warm_instance.client()


@pytest.fixture
def claimed(operator, client):
    operator.await_ready(2, **ORDINARY)
    with client.create() as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        yield sandbox


def test_the_settings_pool_is_kept_ready(operator):
    pool = operator.await_ready(2, **ORDINARY)
    assert (pool["engine"], pool["target"], pool["source"]) == ("container", 2, "settings")
    assert pool["refills"] >= 2 and pool["refill_ms"] > 0
    assert pool["problem"] is None


def test_a_claimed_one_knows_who_it_is(claimed):
    name = claimed.output("hostname").strip()
    assert claimed.output("cat /etc/hostname").strip() == name
    assert claimed.output("uname -n").strip() == name
    assert name != "sandbox"
    address = claimed.output(f"getent hosts {name}").split()[0]
    assert address in claimed.output("ip -4 addr show eth0 || cat /proc/net/fib_trie")
    assert "sandbox" not in claimed.output("cat /etc/hosts").split()


def test_two_claimed_ones_differ(operator, client):
    operator.await_ready(2, **ORDINARY)
    with client.create() as one, client.create() as other:
        assert {one.object["boot_path"], other.object["boot_path"]} == {"warm"}
        for command in ("hostname", "cat /proc/sys/kernel/random/uuid", "readlink /proc/self/ns/pid"):
            assert one.output(command) != other.output(command), command


def test_what_made_it_ready_leaves_no_trace(claimed, warm_instance):
    changed = "find / -xdev -newer /etc/resolv.conf -type f 2>/dev/null"
    assert set(claimed.output(changed).split()) <= {"/etc/hostname", "/etc/hosts"}
    processes = claimed.output("for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || echo ${p#/proc/}; done").split()
    assert processes == ["1"]
    assert claimed.client.ok(claimed.client.get(f"{claimed.path}/processes"))["data"] == []
    disks = os.listdir(warm_instance.state / "disks")
    assert f"{claimed.id}.img" in disks


def test_a_claimed_one_lives_like_any_other(claimed):
    claimed.write("/workspace/kept", "kept")
    claimed.pause()
    claimed.resume()
    assert claimed.read("/workspace/kept") == b"kept"
    claimed.stop()
    claimed.resume()
    assert claimed.object["boot_path"] in ("warm", "cold")
    assert claimed.refresh()["boot_path"] == "cold"
    assert claimed.read("/workspace/kept") == b"kept"


def test_a_claimed_one_has_the_limits_of_its_shape(operator, client):
    operator.set(target=1, **TINY)
    operator.await_ready(1, **TINY)
    with client.create(**TINY) as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        blocks = int(sandbox.output("df --output=size -m / | tail -1"))
        assert 900 < blocks <= 1024
        result = sandbox.exec("python3 -c 'x = bytearray(512 << 20)'")
        assert result["exit_code"] == 137 and result["oom_killed"]
        assert sandbox.exec("ls /sys/class/net")["stdout"].split() == ["lo"]
    assert operator.await_ready(1, **TINY)["hits"] == 1
    operator.set(target=0, **TINY)
    assert operator.pool(**TINY) is None


def test_what_a_create_asks_for_must_fit(operator, client):
    before = operator.await_ready(2, **ORDINARY)
    with client.create(memory_mb=2048) as other, client.create(network="none") as alone:
        assert {other.object["boot_path"], alone.object["boot_path"]} == {"cold"}
    after = operator.await_ready(2, **ORDINARY)
    assert (after["hits"], after["misses"]) == (before["hits"], before["misses"])


def test_an_empty_pool_fails_nobody(operator, client):
    before = operator.await_ready(2, **ORDINARY)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client.create(), range(8)))
    try:
        assert all(each.output("echo alive") == "alive\n" for each in made)
        paths = [each.object["boot_path"] for each in made]
        after = operator.pool(**ORDINARY)
        assert paths.count("warm") == after["hits"] - before["hits"] >= 2
        assert paths.count("cold") == after["misses"] - before["misses"]
        assert len(paths) == paths.count("warm") + paths.count("cold")
    finally:
        for each in made:
            each.destroy()
    operator.await_ready(2, **ORDINARY)


def test_metrics_tell_hits_and_misses(operator, client):
    labels = '{engine="container",template="miosa-sandbox"}'

    def value(name):
        page = client.get("/metrics").text
        return float(next(line for line in page.splitlines() if line.startswith(name + labels)).split()[-1])

    operator.await_ready(2, **ORDINARY)
    before = value("atoll_warm_pool_hits_total")
    with client.create():
        assert value("atoll_warm_pool_hits_total") == before + 1
    operator.await_ready(2, **ORDINARY)
    assert value("atoll_warm_pool_wanted") == value("atoll_warm_pool_ready") == 2
    assert value("atoll_warm_pool_refills_total") >= 3
    assert value("atoll_warm_pool_refill_seconds_total") > 0
    assert value("atoll_warm_pool_misses_total") >= 0


def test_one_that_died_is_replaced(operator, client, warm_instance):
    before = operator.await_ready(2, **ORDINARY)
    for pid, name in warm_instance.resources()["processes"].items():
        if resources.pid_inside(pid) == 1 and name.startswith("memfd:"):
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: operator.pool(**ORDINARY)["refills"] >= before["refills"] + 2, 60, "new ones")
    operator.await_ready(2, **ORDINARY)
    with client.create() as sandbox:
        assert sandbox.object["boot_path"] == "warm"
        assert sandbox.output("echo alive") == "alive\n"


# --- who may say what ---


def test_only_the_operator_sees_and_sets_pools(operator, client):
    expect_error(client.get(operator.path), 403, "insufficient_scope")
    expect_error(client.put(operator.path, json={"target": 1}), 403, "insufficient_scope")


def test_unknown_templates_have_no_pool(operator):
    for method in ("GET", "PUT"):
        reply = operator.client.request(method, "/sandbox-templates/nosuch/warm-pool", json={"target": 1})
        expect_error(reply, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body,field",
    [
        ({"target": -1}, "target"),
        ({"target": 65}, "target"),
        ({"target": "2"}, "target"),
        ({"target": 1, "size": "gigantic"}, "size"),
        ({"target": 1, "memory_mb": 1}, "memory_mb"),
        ({"target": 1, "engine": "jail"}, "engine"),
        ({"target": 1, "network": "all"}, "network"),
        ({"target": 1, "name": "x"}, "name"),
        ({"target": 1, "tenant_id": "x"}, "tenant_id"),
    ],
)
def test_what_makes_no_pool_is_refused(operator, body, field):
    before = operator.pools()
    expect_error(operator.client.put(operator.path, json=body), 422, "VALIDATION_ERROR", field)
    assert [each["target"] for each in operator.pools()] == [each["target"] for each in before]


def test_the_target_must_be_said(operator):
    expect_error(operator.client.put(operator.path, json={}), 400, "MISSING_PARAM", "target")


def test_the_settings_pool_can_be_switched_off(operator, client):
    operator.set(target=0)
    pool = operator.await_ready(0, **ORDINARY)
    assert (pool["target"], pool["source"]) == (0, "api")
    with client.create() as sandbox:
        assert sandbox.object["boot_path"] == "cold"
    operator.set(target=2)
    operator.await_ready(2, **ORDINARY)


# --- what survives what ---


def test_pools_outlive_both_daemons(operator, client, warm_instance):
    operator.set(target=1, size="xs")
    operator.await_ready(1, size="xs")
    operator.await_ready(2, **ORDINARY)
    before = warm_instance.resources()
    with client.create(persistent=True) as sandbox:
        warm_instance.api.kill9()
        warm_instance.host.kill9()
        warm_instance.start()
        wait_until(warm_instance.connected, 30, "atolld to find atoll-host")
        assert operator.await_ready(1, size="xs")["refills"] == 1
        operator.await_ready(2, **ORDINARY)
        assert sandbox.output("echo alive") == "alive\n"
    operator.await_ready(2, **ORDINARY)
    warm_instance.assert_no_leak(before)
    operator.set(target=0, size="xs")


def test_a_template_that_was_built_anew_is_what_the_next_one_has(factory):
    images = factory.root / "warm-images"
    made = images / "miosa-sandbox"
    made.mkdir(parents=True)
    copy_tree(paths.IMAGES / "miosa-sandbox" / "rootfs", made / "rootfs")
    instance = factory.make(warm_sandboxes=1, images=images).start()
    try:
        operator, client = Operator(instance), instance.client()
        operator.await_ready(1, **ORDINARY)
        copy_tree(made / "rootfs", made / "rootfs.new")
        (made / "rootfs.new" / "etc" / "built-anew").write_text("yes\n")
        (made / "rootfs").rename(made / "rootfs.old")
        (made / "rootfs.new").rename(made / "rootfs")
        with client.create() as sandbox:
            assert sandbox.object["boot_path"] == "cold"
            assert sandbox.output("cat /etc/built-anew") == "yes\n"
        wait_until(lambda: operator.pool(**ORDINARY)["refills"] >= 2, 30, "a new one")
        operator.await_ready(1, **ORDINARY)
        with client.create() as sandbox:
            assert sandbox.object["boot_path"] == "warm"
            assert sandbox.output("cat /etc/built-anew") == "yes\n"
    finally:
        factory.end(instance)


def copy_tree(source, target):
    """Hard links where they can be made: only names are written to."""
    for how in ("-al", "-a"):
        if subprocess.run(["cp", how, source, target], capture_output=True, check=False).returncode == 0:
            return
        subprocess.run(["rm", "-rf", target], check=True)
    raise AssertionError(f"cannot copy {source}")


def test_memory_that_is_set_aside_is_a_limit(fresh_instance):
    instance = fresh_instance(warm_sandboxes=4, warm_memory_mb=4)
    operator = Operator(instance)
    pool = wait_until(lambda: (p := operator.pool(**ORDINARY)) and p["problem"] and p, 30, "the limit")
    assert pool["ready"] == 2
    assert "warm_memory_mb" in pool["problem"]
    with instance.client().create() as sandbox:
        assert sandbox.object["boot_path"] == "warm"


def test_the_command_line_shows_and_sets_pools(operator, warm_instance):
    environment = {"PATH": os.environ["PATH"], "ATOLL_URL": warm_instance.url, "ATOLL_API_KEY": operator.client.key}

    def atoll(*words):
        command = [str(warm_instance.programs / "atoll"), "template", "warm-pool", "miosa-sandbox", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)

    done = atoll("--target", "1", "--memory", "256", "--disk", "1024", "--network", "none")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["container", "1 cpu, 256 MiB", "none", "1"] in [row[:4] for row in rows]
    assert atoll("--target", "0", "--memory", "256", "--disk", "1024", "--network", "none").returncode == 0
    assert "256 MiB" not in atoll().stdout
    refused = atoll("--target", "many")
    assert refused.returncode == 2 and "--target" in refused.stderr
