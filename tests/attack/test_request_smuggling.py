"""Requests that two parsers would read differently: refused, and the connection closed behind them."""

import pytest

from harness.raw import RawConnection

GET = "GET /health HTTP/1.1\r\nHost: x\r\n"
POST = "POST /api/v1/sandboxes/run HTTP/1.1\r\nHost: x\r\n"
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

MALFORMED = {
    "two lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + HIDDEN,
    "two equal lengths": POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a list of lengths": POST + "Content-Length: 5, 6\r\n\r\nhello" + HIDDEN,
    "length and chunked": POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and length": POST + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
    "negative length": POST + "Content-Length: -5\r\n\r\n" + HIDDEN,
    "signed length": POST + "Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "hex length": POST + "Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
    "length with a space": POST + "Content-Length: 1 0\r\n\r\nhellohello" + HIDDEN,
    "length that overflows": POST + "Content-Length: 18446744073709551621\r\n\r\nhello" + HIDDEN,
    "unknown encoding": POST + "Transfer-Encoding: cow\r\n\r\n" + HIDDEN,
    "chunked not last": POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": POST
    + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "two encodings": POST
    + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "encoding with a tab": POST + "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n" + HIDDEN,
    "space before the colon": POST + "Content-Length : 5\r\n\r\nhello" + HIDDEN,
    "space before a name": GET + " X: y\r\n\r\n",
    "folded header": GET + "X: a\r\n b\r\n\r\n",
    "folded encoding": POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "bare CR in a value": GET + "X: a\rContent-Length: 5\r\n\r\n",
    "bare CR ends a line": GET + "X: a\rY: b\r\n\r\n",
    "NUL in a value": GET + "X: a\0b\r\n\r\n",
    "NUL in a name": GET + "X\0Y: a\r\n\r\n",
    "no colon": GET + "nonsense\r\n\r\n",
    "empty name": GET + ": x\r\n\r\n",
    "NUL in the target": "GET /health\0x HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": "GET /health\r\nHost: x\r\n\r\n",
    "odd version": "GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    "spaces in the request line": "GET  /health  HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_refused_and_the_connection_closed(instance, name):
    with RawConnection(instance.port) as connection:
        connection.send(MALFORMED[name])
        first = connection.reply()
        # Refused, or cut without a word; what is behind it is never taken for a request.
        assert first is None or 400 <= first.status < 600, name
        second = connection.reply() if first else None
        assert second is None, f"{name}: a second reply {second.status}"
        assert connection.closed(), name


CHUNKS = {
    "size with a sign": "+5\r\nhello\r\n0\r\n\r\n",
    "size 0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "size that overflows": "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of minus one": "-1\r\nhello\r\n0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "letters": "zz\r\nhello\r\n0\r\n\r\n",
    "longer than said": "3\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_bad_chunks_are_refused(instance, client, shared_sandbox, name):
    head = (
        f"PUT /api/v1{shared_sandbox.path}/files/raw?path=/workspace/chunked HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {client.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with RawConnection(instance.port) as connection:
        connection.send(head + CHUNKS[name] + HIDDEN)
        first = connection.reply()
        assert first is None or first.status >= 400, name
        assert connection.reply() is None if first else True
    assert shared_sandbox.output("ls /workspace/chunked 2>/dev/null | wc -l") == "0\n"


def test_chunk_extensions_and_tiny_chunks_are_bounded(instance, client, shared_sandbox):
    """Chunk bombs: each byte costs a line. It must end in a reply or a cut, not in memory."""
    head = (
        f"PUT /api/v1{shared_sandbox.path}/files/raw?path=/workspace/tiny HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {client.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with RawConnection(instance.port, timeout=30) as connection:
        connection.send(head)
        connection.send("1\r\nx\r\n" * 50_000 + "0\r\n\r\n")
        assert connection.reply().status == 200
    with RawConnection(instance.port, timeout=30) as connection:
        try:
            connection.send(head + "1;" + "x" * 2_000_000 + "\r\ny\r\n0\r\n\r\n")
        except ConnectionError:
            pass
        reply = connection.reply()
        assert reply is None or reply.status in (200, 400, 413, 431)
    assert client.get("/health").status_code == 200


def test_pipelined_requests_are_answered_one_by_one(instance):
    with RawConnection(instance.port) as connection:
        connection.send((GET + "\r\n") * 5)
        assert [connection.reply().status for _ in range(5)] == [200] * 5


def test_a_body_that_was_not_wanted_is_not_the_next_request(instance, client):
    head = f"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}"
    with RawConnection(instance.port) as connection:
        connection.send(head + GET + "\r\n")
        assert connection.reply().status == 200
        second = connection.reply()
        assert second is None or second.status == 200
    assert client.get("/health").status_code == 200
