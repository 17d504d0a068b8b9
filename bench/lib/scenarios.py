"""What is measured of atoll, how often, and what is aimed at."""
import dataclasses
import json
import subprocess
import time

import memory

MEGABYTES_100 = 100_000_000
IDLE_NAME = "idle sandboxes"


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    job: str
    count: int
    quick_count: int
    concurrency: int = 1
    pause_ms: int = 0
    seconds: int = 0
    size: int = 0
    aim_ms: float = 0  # of the p50
    which: str = "ms"  # "total_ms": with what follows the first output
    fields: str = "{}"  # of each create, JSON


SCENARIOS = [
    Scenario("create → first output", "run", 300, 40, aim_ms=6),
    Scenario("create → first output, after 1 s idle", "run", 20, 5, pause_ms=1000, aim_ms=6),
    Scenario("exec true", "exec", 2000, 300, aim_ms=1.5),
    Scenario("exec true, shell command", "exec-shell", 1000, 100),
    Scenario("exec true, after 1 s idle", "exec", 15, 3, pause_ms=1000),
    Scenario("100 at concurrency 10, run + destroy", "run-destroy", 100, 100, 10, aim_ms=40,
             which="total_ms"),
    Scenario("100 at concurrency 10, create + exec + destroy", "lifecycle", 100, 100, 10, aim_ms=40,
             which="total_ms"),
    Scenario("burst of 100 creates at once", "create", 100, 100, 100),
    Scenario("upload of 100 MB", "upload", 6, 3, size=MEGABYTES_100, aim_ms=200),
    Scenario("download of 100 MB", "download", 6, 3, size=MEGABYTES_100, aim_ms=200),
    Scenario("GET /sandboxes/{id}, 1 connection", "get", 1_000_000, 1_000_000, 1, seconds=3),
    Scenario("GET /sandboxes/{id}, 16 connections", "get", 1_000_000, 1_000_000, 16, seconds=3),
    Scenario("GET /sandboxes/{id}, 64 connections", "get", 1_000_000, 1_000_000, 64, seconds=3),
]


def _load(server, deadline, arguments):
    left = deadline - time.monotonic()
    if left < 5:
        return {"skipped": "the time for the whole run is used up"}
    try:
        output = server.load(arguments, timeout=left)
        return json.loads(output)
    except subprocess.TimeoutExpired:
        return {"skipped": "it did not end in the time for the whole run", "failures": 1}
    except json.JSONDecodeError:
        return {"skipped": "the load generator printed no result", "failures": 1}


def measure(server, scenario, quick, deadline):
    count = scenario.quick_count if quick else scenario.count
    seconds = 1 if quick and scenario.seconds else scenario.seconds
    result = _load(server, deadline, [
        scenario.job, "--count", count, "--concurrency", scenario.concurrency, "--pause-ms",
        scenario.pause_ms, "--seconds", seconds, "--bytes", scenario.size, "--fields", scenario.fields])
    result.update(name=scenario.name, aim_ms=scenario.aim_ms, which=scenario.which)
    if scenario.size and result.get("ms", {}).get("p50"):
        result["mb_per_second"] = scenario.size / 1e3 / result["ms"]["p50"]
    return result


def _daemons(server):
    return {name: memory.pss_kb(server.pid(name)) for name in ("atolld", "atoll-host")}


def measure_idle(server, quick, deadline):
    """Makes many sandboxes that do nothing, weighs them, and starts another one beside them."""
    count = 100 if quick else 1000
    counters_before, daemons_before = memory.counters(), _daemons(server)
    made = _load(server, deadline, ["create", "--count", count, "--concurrency", 4, "--keep", 1])
    ids = made.pop("ids", [])
    made.update(name=f"{IDLE_NAME}: create {count}, concurrency 4")
    rows = [made]
    if ids:
        counters_after, daemons_after = memory.counters(), _daemons(server)
        inside = memory.descendants(server.pid("atoll-host"))
        rows.append(_weigh(len(ids), counters_before, counters_after, daemons_before, daemons_after,
                           inside))
        beside = _load(server, deadline, ["run", "--count", 10 if quick else 100])
        beside.update(name=f"{IDLE_NAME}: create → first output beside {len(ids)}")
        rows.append(beside)
        started = time.monotonic()
        server.load(["destroy", "--concurrency", 4], timeout=120, text="\n".join(ids))
        rows[1]["destroy_seconds"] = time.monotonic() - started
    return rows


def _weigh(count, before, after, daemons_before, daemons_after, inside):
    grown = {name: (after[name] - before[name]) / count for name in before}
    # The machine's own count has everything in it, but also what else happened on the machine meanwhile;
    # the control groups' count is certain and incomplete. The larger one is the claim.
    machine_mib = -grown["MemAvailable"] / 1024
    cgroup_mib = memory.cgroups_kb(inside) / count / 1024
    return {
        "name": f"{IDLE_NAME}: memory of {count}",
        "sandboxes": count,
        "mib_each": max(machine_mib, cgroup_mib),
        "machine_mib_each": machine_mib,
        "cgroup_mib_each": cgroup_mib,
        "aim_mib_each": 1.5,
        "process_pss_kib_each": sum(map(memory.pss_kb, inside)) / count,
        "processes": len(inside),
        "kernel_kib_each": {name: value for name, value in grown.items() if name != "MemAvailable"},
        "daemon_pss_kib": daemons_after,
        "daemon_pss_kib_before": daemons_before,
    }
