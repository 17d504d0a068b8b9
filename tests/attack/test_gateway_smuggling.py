"""Requests that the gateway and a server behind it could read differently: refused, and nothing behind them is served."""

import json

import pytest

from harness import gateway

HIDDEN = "GET /hidden HTTP/1.1\r\nHost: {host}\r\n\r\n"

MALFORMED = {
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": "Content-Length: 5, 6\r\n\r\nhello",
    "length and chunked": "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "negative length": "Content-Length: -5\r\n\r\n",
    "signed length": "Content-Length: +5\r\n\r\nhello",
    "hex length": "Content-Length: 0x5\r\n\r\nhello",
    "empty length": "Content-Length:\r\n\r\n",
    "length with a space": "Content-Length: 1 0\r\n\r\nhellohello",
    "length that overflows": "Content-Length: 18446744073709551621\r\n\r\nhello",
    "unknown encoding": "Transfer-Encoding: cow\r\n\r\n",
    "chunked not last": "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked not alone": "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding with a vertical tab": "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted encoding": 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "space before the colon": "Content-Length : 5\r\n\r\nhello",
    "space before a name": " X: y\r\n\r\n",
    "folded header": "X: a\r\n b\r\n\r\n",
    "folded encoding": "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare CR in a value": "X: a\rContent-Length: 5\r\n\r\n",
    "bare LF ends a line": "X: a\nY: b\r\n\r\n",
    "bare LF ends the head": "X: a\r\n\n",
    "NUL in a value": "X: a\0b\r\n\r\n",
    "NUL in a name": "X\0Y: a\r\n\r\n",
    "control character": "X: a\x01b\r\n\r\n",
    "no colon": "nonsense\r\n\r\n",
    "empty name": ": x\r\n\r\n",
    "name with a slash": "X/Y: a\r\n\r\n",
    "name above ASCII": "X\xe4: a\r\n\r\n",
    "second Host": "Host: other.sandbox.localhost\r\n\r\n",
    "same Host twice": "Host: {host}\r\n\r\n",
    "odd expectation": "Expect: 200-ok\r\n\r\n",
    "too many headers": "".join(f"X-{n}: y\r\n" for n in range(200)) + "\r\n",
    "a large header": "X: " + "y" * 40000 + "\r\n\r\n",
}

REQUEST_LINES = {
    "NUL in the target": "GET /a\0b HTTP/1.1",
    "space in the target": "GET /a b HTTP/1.1",
    "tab for a space": "GET\t/ HTTP/1.1",
    "two spaces": "GET  / HTTP/1.1",
    "fragment": "GET /#x HTTP/1.1",
    "no version": "GET /",
    "odd version": "GET / HTTP/1.2",
    "HTTP/2": "GET / HTTP/2.0",
    "HTTP/0.9": "GET / HTTP/0.9",
    "lower case version": "GET / http/1.1",
    "leading zero": "GET / HTTP/01.1",
    "method with a bracket": "GE(T / HTTP/1.1",
    "CONNECT": "CONNECT {host}:80 HTTP/1.1",
    "asterisk": "GET * HTTP/1.1",
    "relative": "GET a/b HTTP/1.1",
    "another host": "GET http://other.sandbox.localhost/ HTTP/1.1",
    "userinfo": "GET http://{host}@other/ HTTP/1.1",
    "userinfo before": "GET http://user@{host}/ HTTP/1.1",
    "another scheme": "GET ftp://{host}/ HTTP/1.1",
    "empty line before": "\r\nGET / HTTP/1.1",
}

HOSTS = {
    "none": "",
    "empty": "Host:\r\n",
    "with a path": "Host: {host}/x\r\n",
    "with a space": "Host: {host} other\r\n",
    "a list": "Host: {host}, other\r\n",
    "userinfo": "Host: x@{host}\r\n",
    "odd port": "Host: {host}:x\r\n",
    "long port": "Host: {host}:123456\r\n",
    "colon twice": "Host: {host}:80:80\r\n",
    "percent": "Host: %61{host}\r\n",
}


@pytest.fixture(scope="module")
def preview(instance, shared_sandbox):
    return gateway.exposed_upstream(instance, shared_sandbox)


def hidden_count(preview):
    return preview.echo()["counts"]["requests"]


def refuse(preview, data, name):
    """Refused, or cut without a word; and the server behind saw none of it."""
    before = hidden_count(preview)
    with preview.connect() as connection:
        try:
            connection.send(data + HIDDEN.format(host=preview.host))
        except ConnectionError:
            pass
        first = connection.reply()
        assert first is None or 400 <= first.status < 500, (name, first)
        assert connection.reply() is None, name
        assert connection.closed(), name
    assert hidden_count(preview) == before + 1, name


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_refused(preview, name):
    refuse(preview, f"POST /x HTTP/1.1\r\nHost: {preview.host}\r\n" + MALFORMED[name].format(host=preview.host), name)


@pytest.mark.parametrize("name", REQUEST_LINES)
def test_a_malformed_request_line_is_refused(preview, name):
    line = REQUEST_LINES[name].format(host=preview.host)
    with preview.connect() as connection:
        connection.send(f"{line}\r\nHost: {preview.host}\r\n\r\n")
        reply = connection.reply()
        assert reply is None or 400 <= reply.status < 500, (name, reply)
    if name != "CONNECT":
        refuse(preview, f"{line}\r\nHost: {preview.host}\r\n\r\n", name)


@pytest.mark.parametrize("name", HOSTS)
def test_a_malformed_host_is_refused(preview, name):
    refuse(preview, "GET / HTTP/1.1\r\n" + HOSTS[name].format(host=preview.host) + "\r\n", name)


CHUNKS = {
    "size with a sign": "+5\r\nhello\r\n0\r\n\r\n",
    "size 0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "size that overflows": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of minus one": "-1\r\nhello\r\n0\r\n\r\n",
    "space before the size": " 5\r\nhello\r\n0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "letters": "zz\r\nhello\r\n0\r\n\r\n",
    "longer than said": "3\r\nhello\r\n0\r\n\r\n",
    "bare LF behind the size": "5\nhello\r\n0\r\n\r\n",
    "bare LF behind the data": "5\r\nhello\n0\r\n\r\n",
    "bare LF at the end": "5\r\nhello\r\n0\r\n\n",
    "CR in an extension": "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a long extension": "5;" + "x" * 100_000 + "\r\nhello\r\n0\r\n\r\n",
    "long trailers": "0\r\n" + "X: y\r\n" * 10_000 + "\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_bad_chunks_are_refused(preview, name):
    with preview.connect() as connection:
        head = preview.head("/x", "POST", "Transfer-Encoding: chunked")
        try:
            connection.send(head + CHUNKS[name] + HIDDEN.format(host=preview.host))
        except ConnectionError:
            pass
        first = connection.reply()
        assert first is None or first.status >= 400, (name, first)
        assert connection.reply() is None
    assert preview.echo()["target"] == "/echo"


@pytest.mark.parametrize("line", [
    "Content_Length: 50", "Transfer_Encoding: chunked", "X_Forwarded_For: 6.6.6.6", "X_Miosa_Preview_Token: x",
    "Host_: x",
])
def test_underscores_are_no_way_around(preview, line):
    """Applications often read X_Y as X-Y."""
    with preview.connect() as connection:
        connection.send(preview.head("/echo", "GET", line))
        seen = json.loads(connection.reply().body)
    name = line.split(":")[0]
    assert name == "Host_" or name.lower() not in seen["headers"]
    assert seen["length"] == 0


def test_connection_cannot_take_away_what_we_say(preview):
    named = "Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Host, Transfer-Encoding"
    with preview.connect() as connection:
        connection.send(preview.head("/echo", "POST", named, "Content-Length: 5") + "hello")
        seen = json.loads(connection.reply().body)
    assert seen["length"] == 5
    assert seen["headers"]["host"] == preview.host and seen["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_tiny_chunks_and_their_number(preview):
    with preview.connect(timeout=30) as connection:
        connection.send(preview.head("/echo", "POST", "Transfer-Encoding: chunked"))
        connection.send("1\r\nx\r\n" * 50_000 + "0\r\n\r\n")
        assert json.loads(connection.reply().body)["length"] == 50_000


def test_a_body_that_nobody_read_is_not_the_next_request(preview, instance):
    nobody = gateway.Preview(instance, preview.sandbox, 4999)
    hidden = HIDDEN.format(host=preview.host)
    with nobody.connect() as connection:
        connection.send(nobody.head("/", "POST", f"Content-Length: {len(hidden)}") + hidden)
        assert connection.reply().status == 404
        assert connection.reply() is None and connection.closed()


def test_a_second_name_on_a_kept_connection_is_its_own_request(preview):
    """Each request is led by its own Host, whatever the connection led to before."""
    with preview.connect() as connection:
        connection.send(preview.head())
        assert connection.reply().status == 200
        connection.send(preview.head().replace(preview.host, "other.sandbox.localhost"))
        assert connection.reply().status == 404
        connection.send(preview.head())
        assert connection.reply().status == 200
