"""A small web server inside a sandbox, which says what it was asked."""

from harness import jobs

SERVER = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        said = {"server": sys.argv[2], "method": self.command, "path": self.path, "headers": dict(self.headers.items()),
                "body": self.rfile.read(length).decode()}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def command(port, name):
    return f"exec python3 /workspace/server.py {port} {name}"


def install(sandbox):
    sandbox.write("/workspace/server.py", SERVER)


def serve(sandbox, port, name="one"):
    """Starts a server that says its name; returns its job once it listens."""
    install(sandbox)
    job = jobs.start(sandbox, command(port, name))
    await_port(sandbox, port)
    return job


def await_port(sandbox, port):
    sandbox.output(f"until (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done", timeout_seconds=30)
