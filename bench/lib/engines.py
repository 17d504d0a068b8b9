"""What each engine takes to make, save, copy and bring back sandboxes, and what one more of them costs."""
import http.client
import json
import math
import time
import urllib.parse

import memory
import scenarios

NAME = "engine"
SHAPES = {
    "container": {"engine": "container", "cpu_count": 1, "memory_mb": 512, "disk_mb": 1024},
    "vm": {"engine": "vm", "cpu_count": 1, "memory_mb": 512, "disk_mb": 1024},
}
WARM_AIM_MS = {"container": 2.5, "vm": 5}
COLD_AIM_MS = {"vm": 120}
CHANGED_MB = (1, 10, 50, 100)
FORKS = (1, 10, 100)
# Changes memory and file alike: what the process wrote stays in the page cache.
CHANGE = "import os; f, b = open('/workspace/changed', 'wb'), os.urandom(1 << 20); [f.write(b) for _ in range({megabytes})]"
TEMPLATE = "miosa-sandbox"


class Failure(Exception):
    pass


class Api:
    """One keep-alive connection."""

    def __init__(self, server):
        url = urllib.parse.urlsplit(server.client["ATOLL_URL"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {server.client['ATOLL_API_KEY']}", "Content-Type": "application/json"}

    def call(self, method, path, body=None):
        """The reply's JSON and how long it took in ms."""
        text = json.dumps(body) if body is not None else None
        started = time.perf_counter()
        self.connection.request(method, f"/api/v1{path}", text, self.headers)
        reply = self.connection.getresponse()
        data = reply.read()
        took = (time.perf_counter() - started) * 1000
        if reply.status >= 300:
            raise Failure(f"{method} {path}: {reply.status} {data[:300].decode(errors='replace')}")
        return json.loads(data) if data else None, took

    def made(self, path, body):
        """The id of the sandbox that a request made, and how long that took."""
        answer, took = self.call("POST", path, body)
        return answer.get("data", answer)["id"], took

    def exec(self, sandbox, *argv):
        answer, took = self.call("POST", f"/sandboxes/{sandbox}/exec", {"argv": list(argv), "timeout_seconds": 120})
        result = answer["data"]
        if result["exit_code"] != 0:
            raise Failure(f"{argv}: {result}")
        return result["stdout"], took

    def destroy(self, sandbox):
        self.call("DELETE", f"/sandboxes/{sandbox}")


def stats(values):
    values = sorted(values)
    if not values:
        return {"count": 0}
    rank = lambda part: round(values[max(math.ceil(part * len(values)), 1) - 1], 4)
    return {"count": len(values), "p50": rank(0.5), "p95": rank(0.95), "p99": rank(0.99), "min": round(values[0], 4),
            "max": round(values[-1], 4), "mean": round(sum(values) / len(values), 4)}


def row(name, values, **more):
    return {"name": f"{NAME}: {name}", "ms": stats(values), "failures": 0, **more}


def usable(api, engine, seconds=30):
    """The engine's description once it knows what it can do; Failure when it cannot run here."""
    deadline = time.monotonic() + seconds
    while True:
        engines = {one["id"]: one for one in api.call("GET", "/engines")[0]["data"]}
        told = engines.get(engine)
        if told and told["usable"]:
            return told
        if time.monotonic() > deadline:
            raise Failure(f"the engine {engine} cannot run here: {told}")
        time.sleep(0.2)


def set_pool(api, engine, size, seconds=120):
    """Makes the pool that large and waits until it is full."""
    path = f"/sandbox-templates/{TEMPLATE}/warm-pool"
    api.call("PUT", path, {**SHAPES[engine], "target": size})
    deadline = time.monotonic() + seconds
    while True:
        pools = [pool for pool in api.call("GET", path)[0]["data"]["pools"] if pool["engine"] == engine]
        ready = sum(pool["ready"] for pool in pools if pool["memory_mb"] == SHAPES[engine]["memory_mb"])
        if ready >= size:
            return
        if time.monotonic() > deadline:
            raise Failure(f"the pool of {engine} has {ready} of {size}: {pools}")
        time.sleep(0.1)


def creates(server, engine, how, quick, deadline):
    """create → first output with both requests on one connection."""
    count = {"warm": 16, "container": 100, "vm": 20}["warm" if how == "warm" else engine] // (2 if quick else 1)
    aim = WARM_AIM_MS[engine] if how == "warm" else COLD_AIM_MS.get(engine, 0)
    scenario = scenarios.Scenario(f"{NAME}: {engine}, create → first output, {how}", "lifecycle", count, count,
                                  aim_ms=aim, fields=json.dumps(SHAPES[engine]))
    return scenarios.measure(server, scenario, quick, deadline)


def sustained(server, engine, quick, deadline):
    scenario = scenarios.Scenario(f"{NAME}: {engine}, create + exec + destroy, sustained", "lifecycle", 4000, 4000,
                                  concurrency=2, seconds=2 if quick else 6, which="total_ms",
                                  fields=json.dumps(SHAPES[engine]))
    return scenarios.measure(server, scenario, False, deadline)


def first_create(api, engine):
    sandbox, took = api.made("/sandboxes", SHAPES[engine])
    api.destroy(sandbox)
    return row(f"{engine}, the first create of a shape", [took])


def snapshots(api, engine, quick):
    """Time and pause against what has changed since the last one."""
    sandbox, _ = api.made("/sandboxes", {**SHAPES[engine], "timeout_sec": 3600})
    for megabytes in CHANGED_MB:
        took, paused, stored = [], [], []
        for _ in range(2 if quick else 5):
            api.exec(sandbox, "python3", "-c", CHANGE.format(megabytes=megabytes))
            answer, ms = api.call("POST", f"/sandboxes/{sandbox}/snapshots", {})
            taken = answer["data"]
            took.append(ms)
            paused.append(taken["source_pause_us"] / 1000)
            stored.append(taken["size_bytes"])
            api.call("DELETE", f"/snapshots/{taken['id']}")
        yield row(f"{engine}, snapshot after {megabytes} MB changed", took, stored_mb=round(sum(stored) / len(stored) / 1e6, 1))
        yield row(f"{engine}, source's pause, {megabytes} MB changed", paused)
    api.destroy(sandbox)


def forks(api, engine, quick):
    """Until all of them have answered."""
    source, _ = api.made("/sandboxes", {**SHAPES[engine], "timeout_sec": 3600})
    api.exec(source, "python3", "-c", CHANGE.format(megabytes=10))
    for count in FORKS[:2] if quick else FORKS:
        each, made, started = [], [], time.perf_counter()
        for _ in range(count):
            begun = time.perf_counter()
            made.append(api.made(f"/sandboxes/{source}/fork", {})[0])
            api.exec(made[-1], "/bin/true")
            each.append((time.perf_counter() - begun) * 1000)
        total = (time.perf_counter() - started) * 1000
        yield row(f"{engine}, fork × {count}: each, with its first command", each, together_ms=round(total, 1))
        for sandbox in made:
            api.destroy(sandbox)
    api.destroy(source)


def pauses(api, engine, quick):
    sandbox, _ = api.made("/sandboxes", {**SHAPES[engine], "timeout_sec": 3600})
    api.exec(sandbox, "python3", "-c", CHANGE.format(megabytes=10))
    paused, resumed, first = [], [], []
    for _ in range(3 if quick else 10):
        paused.append(api.call("POST", f"/sandboxes/{sandbox}/pause", {})[1])
        resumed.append(api.call("POST", f"/sandboxes/{sandbox}/resume", {})[1])
        first.append(api.exec(sandbox, "/bin/true")[1])
    api.destroy(sandbox)
    yield row(f"{engine}, pause", paused)
    yield row(f"{engine}, resume", resumed)
    yield row(f"{engine}, first command after resume", first)


def weigh(server, api, engine, quick):
    """What one more idle sandbox, which has run one command, costs."""
    count = 4 if quick else 16
    host = server.pid("atoll-host")
    before, inside_before = memory.counters(), memory.descendants(host)
    pss_before = sum(map(memory.pss_kb, inside_before))
    made = []
    for _ in range(count):
        made.append(api.made("/sandboxes", {**SHAPES[engine], "timeout_sec": 3600})[0])
        api.exec(made[-1], "/bin/sh", "-c", "true")
    inside = memory.descendants(host)
    after, pss_after = memory.counters(), sum(map(memory.pss_kb, inside))
    cgroups = memory.cgroups_kb(inside - inside_before)
    result = {
        "name": f"{NAME}: {engine}, memory of one more", "failures": 0, "sandboxes": count,
        "pss_mib": round((pss_after - pss_before) / count / 1024, 2),
        "cgroup_mib": round(cgroups / count / 1024, 2),
        "machine_mib": round((before["MemAvailable"] - after["MemAvailable"]) / count / 1024, 2),
    }
    for sandbox in made:
        api.destroy(sandbox)
    return result


def parts(server, api, engine, quick, deadline):
    yield first_create(api, engine)
    set_pool(api, engine, 0)
    yield creates(server, engine, "from its seed" if engine == "vm" else "nothing made ahead", quick, deadline)
    yield sustained(server, engine, quick, deadline)
    set_pool(api, engine, 16)
    yield creates(server, engine, "warm", quick, deadline)
    set_pool(api, engine, 0)
    yield from snapshots(api, engine, quick)
    yield from pauses(api, engine, quick)
    yield weigh(server, api, engine, quick)
    yield from forks(api, engine, quick)


def measure(server, engine, quick, deadline):
    """Rows as they are known; the rest is left out when the time is up or something fails."""
    api = Api(server)
    try:
        accel = usable(api, engine)["accel"]
        for each in parts(server, api, engine, quick, deadline):
            yield {**each, "engine": engine, "accel": accel}
            if deadline - time.monotonic() < 10:
                yield {"name": f"{NAME}: {engine}", "skipped": "the time for the whole run is used up"}
                return
    except (Failure, OSError, http.client.HTTPException, KeyError) as failure:
        yield {"name": f"{NAME}: {engine}", "failures": 1, "skipped": f"{failure}", "first_failure": f"{failure}"}
