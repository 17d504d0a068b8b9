"""Fork: another sandbox with the same files and an identity of its own."""

import concurrent.futures

import pytest

from harness.client import Sandbox
from harness.expect import checked
from harness.snapshots import fork, take
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")


@pytest.fixture
def forks(client):
    """forks(sandbox, …): a fork that ends with the test."""
    made = []

    def make(sandbox, **fields):
        made.append(fork(sandbox, **fields))
        return made[-1]

    yield make
    for each in made:
        each.destroy(missing_ok=True)


IDENTITY = "cat /etc/machine-id /proc/sys/kernel/hostname /etc/hostname; python3 -c 'import uuid,random; print(uuid.uuid4(), random.random())'"


def test_a_fork_has_the_files_and_goes_its_own_way(make_sandbox, forks):
    source = make_sandbox(name="source", env={"A": "b"}, metadata={"team": "x"}, timeout_sec=777)
    source.output("echo shared > /workspace/a; echo shared > /etc/issue; chmod 600 /workspace/a")
    branch = forks(source)
    assert branch.id != source.id and branch.object["slug"] != source.object["slug"]
    assert branch.object["state"] == "running" and branch.object["name"] is None
    assert branch.object["metadata"] == {"team": "x"} and branch.object["timeout_sec"] == 777
    assert branch.object["preview_url"] != source.object["preview_url"]
    assert branch.output("cat /workspace/a /etc/issue; stat -c %a /workspace/a; echo $A") == "shared\nshared\n600\nb\n"
    branch.write("/workspace/a", "branch")
    source.write("/workspace/a", "source")
    assert (source.read("/workspace/a"), branch.read("/workspace/a")) == (b"source", b"branch")
    source.destroy()
    assert branch.output("echo alive") == "alive\n"


def test_ten_forks_differ_in_identity(make_sandbox, forks, engine):
    source = make_sandbox()
    source.output("tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        branches = list(pool.map(lambda _: forks(source), range(10)))
    all_of_them = [source, *branches]
    lines = [each.output(IDENTITY).splitlines() for each in all_of_them]
    for number, what in enumerate(("machine-id", "host name", "/etc/hostname", "random numbers")):
        assert len({each[number] for each in lines}) == len(all_of_them), what
    addresses = [each.output("ip -o addr show 2>/dev/null || cat /proc/net/fib_trie") for each in all_of_them]
    # Machines have the same address inside, each in a network of its own.
    assert len(set(addresses)) == (1 if engine == "vm" else len(all_of_them))
    assert len({each.object["slug"] for each in all_of_them}) == len(all_of_them)


def test_forks_of_forks_of_forks(make_sandbox, forks):
    sandbox = make_sandbox()
    for generation in range(4):
        sandbox.write(f"/workspace/{generation}", str(generation))
        sandbox = forks(sandbox)
    assert sandbox.output("cd /workspace; cat *") == "0123"


def test_nothing_is_left_of_the_snapshot_between(instance, client, make_sandbox, forks):
    source = make_sandbox()
    forks(source)
    assert checked(client.get(f"{source.path}/snapshots"))["data"] == []
    kept = {one["id"] for one in checked(client.get("/snapshots", params={"limit": 200}))["data"]}
    there = {file.name for file in (instance.state / "snapshots").iterdir() if file.name.startswith("snp_")}
    assert there <= kept


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_a_paused_one_can_be_forked(make_sandbox, forks, how):
    source = make_sandbox()
    source.write("/workspace/a", "kept")
    source.action(how)
    branch = forks(source)
    assert source.state == "paused" and branch.object["state"] == "running"
    assert branch.read("/workspace/a") == b"kept"


def test_of_a_snapshot(client, make_sandbox, forks):
    source = make_sandbox()
    source.write("/workspace/a", "then")
    taken = take(source)
    source.write("/workspace/a", "now")
    branch = forks(source, snapshot_id=taken["id"], name="branch", timeout_sec=50)
    assert branch.read("/workspace/a") == b"then"
    assert (branch.object["name"], branch.object["timeout_sec"]) == ("branch", 50)
    answer = checked(client.post(f"/snapshots/{taken['id']}/fork", {"name": "other"}), 201)
    assert answer["data"]["machine_type"] == "sandbox" and answer["snapshot"]["id"] == taken["id"]
    with Sandbox(client, answer) as other:
        assert other.object["name"] == "other" and other.read("/workspace/a") == b"then"


def test_services_go_with_it_and_previews_do_not(client, make_sandbox, forks):
    source = make_sandbox()
    source.action("services", {"name": "web", "command": "python3 -m http.server 8000"})
    checked(client.post(f"{source.path}/expose", {"port": 8000}))
    checked(client.post(f"{source.path}/preview-token", {}))
    branch = forks(source)
    services = lambda: checked(client.get(f"{branch.path}/services"))["data"]
    wait_until(lambda: [one["status"] for one in services()] == ["running"], 10, "the service of the fork")
    assert checked(client.get(f"{branch.path}/previews"))["data"] == []
    assert checked(client.get(f"{branch.path}/shares"))["data"] == []


def test_a_repeated_request_makes_one(client, make_sandbox):
    source = make_sandbox()
    headers = {"Idempotency-Key": "fork-once"}
    first = checked(client.post(f"{source.path}/fork", {}, headers=headers), 201)
    second = checked(client.post(f"{source.path}/fork", {}, headers=headers), 201)
    assert first["id"] == second["id"]
    Sandbox(client, first).destroy()


@pytest.mark.parametrize(
    "fields,field",
    [
        ({"nonsense": 1}, "nonsense"),
        ({"timeout_sec": 0}, "timeout_sec"),
        ({"snapshot_id": 5}, "snapshot_id"),
        ({"disk_mb": 999}, "disk_mb"),
        ({"name": "not a name"}, "name"),
    ],
)
def test_bad_requests_make_nothing(instance, client, make_sandbox, fields, field):
    source = make_sandbox()
    count = len(client.list(limit=100))
    reply = client.post(f"{source.path}/fork", fields)
    assert reply.status_code == 422, reply.text
    assert reply.json()["error"]["details"]["field"] == field
    assert len(client.list(limit=100)) == count and source.state == "running"


def test_forks_count_for_the_limit(fresh_instance):
    client = fresh_instance(max_sandboxes=1, spare_slots=1).client()
    with client.create() as source:
        reply = client.post(f"{source.path}/fork", {})
        assert reply.status_code == 409 and reply.json()["error"]["code"] == "SANDBOX_LIMIT_EXCEEDED"
        assert source.state == "running"
        assert source.output("echo alive") == "alive\n"


def test_an_app_of_the_source_runs_in_the_fork(client, make_sandbox, forks):
    source = make_sandbox()
    source.write("/workspace/serve.sh", "cd /workspace && exec python3 -m http.server 4000\n")
    source.action("template/start", {"start_command": "sh /workspace/serve.sh", "port": 4000})
    branch = forks(source)
    ask = "curl -s -o /dev/null -w %{http_code} http://127.0.0.1:4000/ || true"
    wait_until(lambda: branch.output(ask) == "200", 20, "the app of the fork")
