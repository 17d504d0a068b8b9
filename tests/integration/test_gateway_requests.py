"""Requests through the gateway: what the server in the sandbox sees, and what the client gets back."""

import hashlib
import json

import pytest

from harness import gateway
from harness.wait import wait_until

BLOCK = hashlib.sha256(b"block").digest() * 2048


@pytest.fixture(scope="module")
def preview(instance, shared_sandbox):
    return gateway.exposed_upstream(instance, shared_sandbox)


def test_what_the_server_sees(preview):
    seen = preview.echo("GET", "/echo?a=1&b=%20", headers={"X-Mine": "yes", "Accept-Language": "de"})
    headers = seen["headers"]
    assert seen["method"] == "GET"
    assert seen["target"] == "/echo?a=1&b=%20"
    assert headers["host"] == preview.host
    assert headers["x-mine"] == "yes" and headers["accept-language"] == "de"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == preview.host


def test_headers_of_the_connection_stay_on_it(preview):
    reply = preview.request(headers={
        "Connection": "keep-alive, X-Secret", "X-Secret": "1", "Keep-Alive": "timeout=5", "TE": "trailers",
        "Proxy-Authorization": "Basic eA==", "Proxy-Connection": "keep-alive", "Proxy": "evil", "Trailer": "X",
        "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Forwarded": "for=1.2.3.4",
        "X_Forwarded_For": "1.2.3.4", "X-Real-IP": "1.2.3.4",
    })
    headers = json.loads(reply.body)["headers"]
    kept = {"host", "accept-encoding", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
    assert set(headers) == kept
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert "x-private" not in reply.headers
    assert "connection" not in reply.headers


def test_every_value_of_a_repeated_header_comes_back(preview):
    with preview.connect() as connection:
        connection.send(preview.head())
        raw = connection._until(b"\r\n\r\n")
    assert raw.count(b"X-Twice: ") == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_go_in(preview, method):
    body = b"x" * 100_000
    seen = preview.echo(method, body=body)
    assert seen["length"] == len(body)
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()
    assert seen["headers"]["content-length"] == str(len(body))


def test_chunked_bodies_go_in(preview):
    pieces = [b"a" * size for size in (1, 2, 1000, 70_000, 3)]
    reply = preview.request("POST", body=iter(pieces), encode_chunked=True,
                            headers={"Transfer-Encoding": "chunked"})
    seen = json.loads(reply.body)
    assert seen["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert seen["headers"]["transfer-encoding"] == "chunked"
    assert "content-length" not in seen["headers"]


def test_chunked_answers_come_out_without_extensions_and_trailers(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/chunked?count=5"))
        reply = connection.reply()
        assert reply.headers["transfer-encoding"] == "chunked"
        assert "trailer" not in reply.headers
        assert reply.body == b"".join(b"piece %d\n" % number for number in range(5))
        connection.send(preview.head("/chunked?count=2000&repeat=50"))
        assert len(connection.reply().body) == sum(len(f"piece {n}\n") * 50 for n in range(2000))


def test_an_answer_until_the_connection_ends(preview):
    with preview.connect() as connection:
        for _ in range(2):
            connection.send(preview.head("/until-close"))
            reply = connection.reply()
            assert reply.headers["transfer-encoding"] == "chunked"
            assert reply.body == b"until the end\n" * 1000


@pytest.mark.parametrize("path", ["/until-close", "/chunked"])
def test_an_http_1_0_client_gets_the_end_of_the_connection(preview, path):
    with preview.connect() as connection:
        connection.send(preview.head(path, version="HTTP/1.0"))
        head = connection._until(b"\r\n\r\n")
        assert b"chunked" not in head and b"Connection: close" in head
        assert connection.closed()
        assert connection.pending.startswith((b"until the end\n", b"piece 0\npiece 1\n"))


def test_an_http_1_0_client_may_keep_its_connection(preview):
    with preview.connect() as connection:
        for _ in range(2):
            connection.send(preview.head("/echo", "GET", "Connection: keep-alive", version="HTTP/1.0"))
            reply = connection.reply()
            assert reply.status == 200 and reply.headers["connection"] == "keep-alive"


def test_large_answers_are_whole(preview):
    size = 100_000_000
    connection = preview.connection()
    connection.request("GET", f"/data?size={size}", headers={"Host": preview.host})
    reply = connection.getresponse()
    digest = hashlib.sha256()
    while piece := reply.read(1 << 20):
        digest.update(piece)
    connection.close()
    wanted = hashlib.sha256()
    for start in range(0, size, len(BLOCK)):
        wanted.update(BLOCK[: size - start])
    assert digest.hexdigest() == wanted.hexdigest()


def test_large_uploads_are_whole(preview):
    size = 100_000_000
    digest = hashlib.sha256()

    def pieces():
        for start in range(0, size, len(BLOCK)):
            piece = BLOCK[: size - start]
            digest.update(piece)
            yield piece

    seen = preview.echo("POST", body=pieces(), headers={"Content-Length": str(size)})
    assert seen["length"] == size and seen["sha256"] == digest.hexdigest()


@pytest.mark.parametrize("path,status,length", [
    ("/data?size=1000", 200, "1000"), ("/status?code=204", 204, None), ("/status?code=304", 304, "10"),
])
def test_answers_without_a_body(preview, path, status, length):
    with preview.connect() as connection:
        method = "HEAD" if status == 200 else "GET"
        if method == "HEAD":
            path = "/echo"
            length = "0"
        connection.send(preview.head(path, method) + preview.head("/echo?next"))
        head = connection._until(b"\r\n\r\n").decode().split("\r\n")
        assert head[0].split()[1] == str(status)
        lengths = [line.split(": ")[1] for line in head if line.lower().startswith("content-length")]
        assert lengths == ([length] if length else [])
        assert json.loads(connection.reply().body)["target"] == "/echo?next"


def test_connections_are_kept_on_both_sides(preview):
    connection = preview.connection()
    before = json.loads(preview.on(connection).body)["counts"]
    sock = connection.sock
    for _ in range(50):
        after = json.loads(preview.on(connection).body)["counts"]
    assert connection.sock is sock
    connection.close()
    assert after["requests"] == before["requests"] + 50
    # Others of this module may have come and gone meanwhile.
    assert after["connections"] - before["connections"] <= 5


def test_pipelined_requests_are_answered_in_order(preview):
    with preview.connect() as connection:
        paths = [f"/slow?seconds=0.{4 - n}&n={n}" if n < 3 else f"/echo?n={n}" for n in range(6)]
        connection.send("".join(preview.head(path) for path in paths))
        replies = [connection.reply() for _ in paths]
    assert [reply.body for reply in replies[:3]] == [b"at last"] * 3
    assert [json.loads(reply.body)["target"] for reply in replies[3:]] == paths[3:]


def test_a_body_is_asked_for_once_a_server_is_there(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/echo", "POST", "Content-Length: 5", "Expect: 100-continue"))
        assert connection.reply().status == 100
        connection.send("hello")
        seen = json.loads(connection.reply().body)
    assert seen["length"] == 5 and "expect" not in seen["headers"]


def test_no_body_is_asked_for_when_nobody_would_take_it(preview, instance):
    nobody = gateway.Preview(instance, preview.sandbox, 4999)
    with nobody.connect() as connection:
        connection.send(nobody.head("/", "POST", "Content-Length: 5", "Expect: 100-continue"))
        assert connection.reply().status == 404


def test_interim_answers_are_passed_on(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/interim"))
        hints = connection.reply()
        assert hints.status == 103 and hints.headers["link"] == "</x.css>"
        assert connection.reply().body == b"done"
        connection.send(preview.head("/interim", version="HTTP/1.0"))
        assert connection.reply().body == b"done"


def test_an_answer_before_the_upload_is_over(preview):
    """The client reads the 413 though it goes on sending for a while."""
    with preview.connect() as connection:
        connection.send(preview.head("/early", "POST", "Content-Length: 50000000"))
        try:
            connection.send(b"x" * 3_000_000)
        except ConnectionError:
            pass
        reply = connection.reply()
        assert reply.status == 413 and reply.body == b"too much"
        assert reply.headers["connection"] == "close"
        assert connection.closed()


def test_an_early_answer_of_a_server_that_reads_on(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/early?stay=1", "POST", "Content-Length: 1000000"))
        assert connection.reply().status == 413
        connection.send(b"x" * 1_000_000)
        assert connection.closed()
    assert preview.echo()["target"] == "/echo"


def test_events_are_not_held_back(preview):
    connection = preview.connection()
    connection.request("GET", "/events?count=3&pause=30", headers={"Host": preview.host})
    reply = connection.getresponse()
    assert reply.read1() == b"data: 0\n\n"
    connection.close()


def test_a_client_that_leaves_ends_its_stream(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/events"))
        connection._until(b"data: 2")
        opened = preview.echo()["counts"]["open"]
    wait_until(lambda: preview.echo()["counts"]["open"] < opened, 20, "the server's connection ends")


@pytest.mark.parametrize("what", ["length", "chunked", "chunk"])
def test_an_answer_that_is_cut_looks_cut(preview, what):
    with preview.connect() as connection:
        connection.send(preview.head(f"/cut?what={what}"))
        assert b" 200 " in connection._until(b"\r\n\r\n")
        connection.closed()
        assert b"0\r\n\r\n" not in connection.pending
        assert len(connection.pending) < 50


@pytest.mark.parametrize("what", ["head", "nothing", "folded", "bare", "both", "lengths", "noise", "switch", "huge"])
def test_what_is_no_answer_is_a_502(preview, what):
    with preview.connect() as connection:
        connection.send(preview.head(f"/cut?what={what}&stay=0.1"))
        reply = connection.reply()
        assert reply.status == 502 and gateway.error_of(reply)["code"] == "UPSTREAM_FAILED"
        connection.send(preview.head("/echo?next"))
        assert json.loads(connection.reply().body)["target"] == "/echo?next"


def test_what_comes_behind_an_answer_belongs_to_nobody(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/cut?what=more&stay=0.5"))
        assert connection.reply().body == b"ok"
        connection.send(preview.head("/echo?next"))
        assert json.loads(connection.reply().body)["target"] == "/echo?next"


def test_a_kept_connection_that_the_server_closed_is_replaced(preview):
    connection = preview.connection()
    for _ in range(30):
        assert preview.on(connection, path="/close").body == b"closing"
        assert preview.on(connection, "PUT").status == 200
    connection.close()


def test_tokens_of_ours_are_not_shown_to_the_server(preview):
    seen = preview.echo(path="/echo?a=1&preview_token=miosa_pv_x&mt=mp_x&ms=500&mt=5", headers={
        "X-Miosa-Preview-Token": "secret", "Cookie": "a=1; atoll_preview=secret; b=2"})
    assert seen["target"] == "/echo?a=1&ms=500&mt=5"
    assert "x-miosa-preview-token" not in seen["headers"]
    assert seen["headers"]["cookie"] == "a=1; b=2"


def test_a_server_cannot_set_our_cookie(preview):
    reply = preview.request(path="/cookies")
    assert reply.headers["set-cookie"] == "mine=1"


def test_bytes_above_ascii_in_a_target_are_percent_encoded(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/echo?\xc3\xa4\xa0"))
        assert json.loads(connection.reply().body)["target"] == "/echo?%C3%A4%A0"


def test_a_url_as_target(preview):
    with preview.connect() as connection:
        connection.send(preview.head(f"http://{preview.host}/echo?x"))
        assert json.loads(connection.reply().body)["target"] == "/echo?x"


def test_metrics_count(preview, client):
    def value(name):
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    before = value("atoll_gateway_requests_total")
    assert preview.request().status == 200
    assert value("atoll_gateway_requests_total") == before + 1
    assert value("atoll_gateway_responses_total") > 0
    wait_until(lambda: value("atoll_gateway_bytes_total") > 100_000_000, 5, "bytes are counted")
