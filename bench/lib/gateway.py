"""The gateway against nginx and HAProxy: each before the same server on loopback, one worker on one core."""
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time

import memory

NAME = "proxy"
PROXY_CORE = "0"
OTHER_CORE = "1"
CONNECTIONS = 32

NGINX = """
worker_processes 1; daemon off; master_process off;
pid {directory}/nginx.pid; error_log stderr crit;
events {{ worker_connections 32768; }}
http {{
  access_log off; tcp_nodelay on; keepalive_timeout 600; keepalive_requests 1000000000;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  map $http_upgrade $connection_value {{ default upgrade; '' ''; }}
  upstream server {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://server; proxy_http_version 1.1; proxy_read_timeout 600; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Connection $connection_value;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 1
  maxconn {sockets}
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
frontend in
  bind 127.0.0.1:{port}
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  default_backend server
backend server
  server one 127.0.0.1:{upstream}
"""


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _program(core, command, port):
    run = subprocess.Popen(["taskset", "-c", core, *command], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if _answers(port) or run.poll() is not None:
                break
            time.sleep(0.02)
        yield run.pid
    finally:
        run.terminate()
        run.wait(10)


def _sockets_possible():
    """A proxy needs two descriptors for each."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return min(10000, limit // 2 - 250)


def _commands(build, directory, upstream):
    """name, port, command line of each proxy that is installed."""
    port = _free_port()
    yield "atoll", port, [f"{build}/bench/atoll-bench-gateway", f"127.0.0.1:{port}", str(upstream), "1"]
    for name, text, arguments in (("nginx", NGINX, ["-c"]), ("haproxy", HAPROXY, ["-db", "-f"])):
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program:
            port = _free_port()
            path = os.path.join(directory, f"{name}.conf")
            with open(path, "w", encoding="utf-8") as out:
                out.write(text.format(directory=directory, port=port, upstream=upstream,
                                      sockets=_sockets_possible() + 50))
            yield name, port, [program, *arguments, path]


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as text:
        fields = text.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(build, *arguments):
    command = ["taskset", "-c", OTHER_CORE, f"{build}/bench/atoll-bench-proxy", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    try:
        return json.loads(run.stdout)
    except json.JSONDecodeError:
        return {"failures": 1, "skipped": run.stderr.strip()[-300:] or "no result"}


def _requests(build, name, port, pid, connections, seconds):
    before = _cpu_seconds(pid) if pid else 0
    row = _load(build, "requests", port, connections, seconds)
    row["name"] = f"{NAME}: {name}, {connections} connection{'s' if connections > 1 else ''}"
    if pid and row.get("requests"):
        used = _cpu_seconds(pid) - before
        row["per_core_second"] = row["requests"] / used if used else 0
    return row


def _sockets(build, name, port, pid, count):
    """Opens many upgraded connections, weighs the proxy, and asks each of them for an echo."""
    before = memory.pss_kb(pid)
    load = subprocess.Popen([f"{build}/bench/atoll-bench-proxy", "sockets", str(port), str(count)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    opened = int(load.stdout.readline() or 0)
    grown = memory.pss_kb(pid) - before
    output, _ = load.communicate("go\n", timeout=60)
    row = json.loads(output or "{}")
    row.update(name=f"{NAME}: {name}, {count} idle WebSockets", connections=opened,
               kib_per_connection=grown / opened if opened else 0)
    row["failures"] = row.get("failures", 1)
    return row


def measure(build, quick, deadline):
    """Rows as they are known. Rounds take turns, so that what else the machine does hits all alike."""
    seconds, rounds, sockets = (1, 1, 1000) if quick else (3, 3, _sockets_possible())
    upstream = _free_port()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="atoll-bench-proxy."))
        stack.enter_context(_program(OTHER_CORE, [f"{build}/bench/atoll-bench-upstream", str(upstream)],
                                     upstream))
        running = [("no proxy", upstream, None)]
        for name, port, command in _commands(build, directory, upstream):
            running.append((name, port, stack.enter_context(_program(PROXY_CORE, command, port))))
        for connections in (1, CONNECTIONS):
            best = {}
            for _ in range(rounds):
                for name, port, pid in running:
                    if deadline - time.monotonic() < 30:
                        return
                    row = _requests(build, name, port, pid, connections, seconds)
                    key = row.get("per_core_second") or row.get("per_second", 0)
                    if key >= best.get(name, (-1, None))[0]:
                        best[name] = (key, row)
            yield from (row for _, row in best.values())
        for name, port, pid in running[1:]:
            if deadline - time.monotonic() > 20:
                yield _sockets(build, name, port, pid, sockets)
