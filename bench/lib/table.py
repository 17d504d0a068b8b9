"""How results are shown."""

NAME_WIDTH = 50


def host_line(facts):
    return (f"{facts['cores']} cores ({facts['cpu']}), {facts['memory_mb']} MiB, Linux {facts['kernel']}, "
            f"cgroups {facts['cgroups']}, commit {facts['commit'] or '?'}, load {facts['load_before']:.1f}")


def heading():
    return (f"{'':{NAME_WIDTH}}{'p50':>9}{'p95':>9}{'p99':>9}  ms\n" + "-" * (NAME_WIDTH + 60))


def _verdict(aim, value, unit):
    return f"aim ≤ {aim:g} {unit}: {'met' if value <= aim else 'MISSED'}"


def _extras(row, stats):
    yield f"n={stats['count']}"
    if row.get("failures"):
        yield f"FAILURES {row['failures']}"
    if row.get("mb_per_second"):
        yield f"{row['mb_per_second']:.0f} MB/s"
    elif row.get("per_second", 0) > 0 and row.get("concurrency", 1) > 1 or row.get("scenario") == "get":
        yield f"{row['per_second']:.0f}/s"
    if row.get("per_core_second"):
        yield f"{row['per_core_second']:.0f}/s of a core"
    if "kib_per_connection" in row:
        yield f"{row['connections']} open, {row['kib_per_connection']:.1f} KiB each"
    if set(row.get("boot_paths", {})) - {"unknown"}:
        yield "boot " + ", ".join(f"{path} {count}" for path, count in row["boot_paths"].items())
    if "stored_mb" in row:
        yield f"{row['stored_mb']} MB stored"
    if "together_ms" in row:
        yield f"together {row['together_ms']:.0f} ms"
    if row.get("aim_ms"):
        yield _verdict(row["aim_ms"], stats["p50"], "ms")


def _memory(row):
    daemons = ", ".join(f"{name} {kib / 1024:.1f} MiB" for name, kib in row["daemon_pss_kib"].items())
    return (f"{row['mib_each']:9.2f} MiB each ({_verdict(row['aim_mib_each'], row['mib_each'], 'MiB')}); "
            f"machine {row['machine_mib_each']:.2f}, cgroup {row['cgroup_mib_each']:.2f}, "
            f"processes {row['process_pss_kib_each'] / 1024:.2f} MiB; "
            f"{daemons}")


def _one_more(row):
    return (f"{row['cgroup_mib']:9.2f} MiB by control group, {row['pss_mib']:.2f} by process, "
            f"{row['machine_mib']:.2f} by the machine; n={row['sandboxes']}")


def show(row):
    """Prints one row as soon as it is known; returns it."""
    name = f"{row['name']:{NAME_WIDTH}}"
    stats = row.get(row.get("which", "ms"))
    if "mib_each" in row:
        print(name + _memory(row), flush=True)
    elif "cgroup_mib" in row:
        print(name + _one_more(row), flush=True)
    elif not stats or not stats.get("count"):
        print(f"{name} no figure: {row.get('skipped') or row.get('first_failure') or '?'}", flush=True)
    else:
        figures = "".join(f"{stats[key]:9.2f}" for key in ("p50", "p95", "p99"))
        print(f"{name}{figures}  {', '.join(_extras(row, stats))}", flush=True)
        if row.get("failures"):
            print(f"    first failure: {row.get('first_failure', '?')}", flush=True)
    return row


def _p50(rows, name):
    for row in rows:
        if row["name"] == name:
            return row.get("ms", {}).get("p50")
    return None


def _steps(rows):
    """What the server says about its own steps, for the first row that has them."""
    for row in rows:
        steps = row.get("server_ms") or {}
        if steps:
            text = ", ".join(f"{name} {stats['p50']:.2f}" for name, stats in steps.items())
            yield f"{row['name']}: the server's own steps, p50 in ms: {text}"


def _ratio(rows, suffix):
    ours, theirs = _p50(rows, f"create → first output{suffix}"), _p50(rows, f"peer: runc run{suffix}")
    if ours and theirs:
        factor = theirs / ours
        yield (f"create → first output{suffix}: {factor:.1f} times faster than runc run "
               f"(aim ≥ 3: {'met' if factor >= 3 else 'MISSED'})")


def _row(rows, name):
    return next((row for row in rows if row["name"] == name), {})


def _gateway(rows):
    """The gateway beside other proxies: requests of a core, and what it adds to a request."""
    busy = "32 connections"
    ours = _row(rows, f"proxy: atoll, {busy}").get("per_core_second")
    for peer in ("nginx", "haproxy"):
        theirs = _row(rows, f"proxy: {peer}, {busy}").get("per_core_second")
        if ours and theirs:
            aim = f" (aim ≥ 1: {'met' if ours >= theirs else 'MISSED'})" if peer == "nginx" else ""
            yield f"gateway: {ours / theirs:.2f} times the requests a core of {peer}{aim}"
    direct = _row(rows, "proxy: no proxy, 1 connection").get("ms")
    for name in ("atoll", "nginx", "haproxy"):
        stats = _row(rows, f"proxy: {name}, 1 connection").get("ms")
        if direct and stats:
            added = ", ".join(f"{key} {(stats[key] - direct[key]) * 1000:.0f}" for key in ("p50", "p95", "p99"))
            yield f"latency that {name} adds to a request, µs: {added}"


def notes(rows):
    return [*_ratio(rows, ""), *_ratio(rows, ", after 1 s idle"), *_steps(rows), *_gateway(rows)]
