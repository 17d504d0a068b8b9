"""A server on loopback that takes webhooks and answers as it is told."""

import hashlib
import hmac
import http.server
import json
import threading

from harness.wait import wait_until


class Receiver:
    """answers: a list of (status, headers) for the first deliveries; 204 after them. Usable with "with"."""

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.requests = []  # (headers, body)
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers = receiver.take(self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        with self.lock:
            self.requests.append((headers, body))
            return self.answers.pop(0) if self.answers else (204, {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def payloads(self):
        with self.lock:
            return [json.loads(body) for _, body in self.requests]

    def types(self):
        return [payload["event"] for payload in self.payloads()]

    def await_count(self, count, seconds=30):
        wait_until(lambda: len(self.requests) >= count, seconds, f"{count} deliveries")
        return self.payloads()


def signature(secret, body):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
