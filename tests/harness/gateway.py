"""The gateway as its clients see it: names that lead to ports of sandboxes."""

import http.client
import json
import pathlib

from harness import jobs
from harness.raw import RawConnection, RawReply

UPSTREAM = pathlib.Path(__file__).with_name("upstream.py")
PORT = 4000


def port_of(instance):
    return int(instance.environment["ATOLL_GATEWAY"].rsplit(":", 1)[1])


class Preview:
    """A port of a sandbox, behind its name."""

    def __init__(self, instance, sandbox, port=PORT):
        self.sandbox = sandbox
        self.port = port
        self.gateway_port = port_of(instance)
        self.host = f"{port}-{sandbox.object['slug']}.sandbox.localhost"

    def expose(self, visibility="public"):
        body = {"port": self.port, "visibility": visibility}
        return self.sandbox.client.ok(self.sandbox.client.post(f"{self.sandbox.path}/previews", body))["data"]

    def connect(self, **options):
        """Bytes by hand."""
        return RawConnection(self.gateway_port, **options)

    def connection(self, timeout=20):
        """A kept-alive connection, see Preview.on."""
        return http.client.HTTPConnection("127.0.0.1", self.gateway_port, timeout=timeout)

    def on(self, connection, method="GET", path="/echo", body=None, headers=None, **options):
        """One request on that connection; its reply, whole."""
        fields = {"Host": self.host, **(headers or {})}
        connection.request(method, path, body=body, headers=fields, **options)
        reply = connection.getresponse()
        found = RawReply(reply.status, {name.lower(): value for name, value in reply.getheaders()})
        found.body = reply.read()
        return found

    def request(self, method="GET", path="/echo", body=None, headers=None, timeout=20, **options):
        connection = self.connection(timeout)
        try:
            return self.on(connection, method, path, body, headers, **options)
        finally:
            connection.close()

    def echo(self, method="GET", path="/echo", body=None, headers=None):
        """What the server saw."""
        reply = self.request(method, path, body, headers)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def head(self, path="/echo", method="GET", *headers, version="HTTP/1.1"):
        """A request's head as text."""
        return "\r\n".join([f"{method} {path} {version}", f"Host: {self.host}", *headers]) + "\r\n\r\n"


class Tunnel:
    """An upgraded connection that echoes."""

    def __init__(self, preview, token=None, host=None):
        lines = ("Connection: Upgrade", "Upgrade: echo") + ((f"x-miosa-preview-token: {token}",) if token else ())
        head = preview.head("/upgrade", "GET", *lines)
        self.connection = preview.connect()
        self.connection.send(head.replace(preview.host, host) if host else head)
        reply = self.connection._until(b"\r\n\r\n").decode()
        assert reply.startswith("HTTP/1.1 101 "), reply

    def lives(self):
        self.connection.send(b"x")
        assert self.connection._exactly(1) == b"x"
        return True

    def is_cut(self):
        """Waits for the end."""
        self.connection.socket.settimeout(20)
        try:
            return self.connection.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        finally:
            self.connection.socket.close()


def start_upstream(sandbox, address="127.0.0.1", port=PORT):
    """Starts harness/upstream.py inside; the job."""
    sandbox.upload("/workspace/upstream.py", UPSTREAM.read_bytes())
    job = jobs.start(sandbox, ["python3", "/workspace/upstream.py", address, str(port)])
    jobs.wait_for_line(sandbox, job, "ready")
    return job


def exposed_upstream(instance, sandbox):
    """harness/upstream.py running in the sandbox, behind a public preview."""
    start_upstream(sandbox)
    made = Preview(instance, sandbox)
    made.expose()
    return made


def error_of(reply):
    return json.loads(reply.body)["error"]
