"""Checks of replies that every test needs."""

import base64


def describe(reply):
    return f"{reply.request.method} {reply.url}: {reply.status_code} {reply.text[:600]}"


def checked(reply, status=200):
    """The JSON of a reply that must have that status."""
    assert reply.status_code == status, describe(reply)
    return reply.json()


def expect_error(reply, status, code, field=None):
    """Checks the one error shape and returns the error."""
    assert reply.status_code == status, describe(reply)
    error = reply.json()["error"]
    assert error["code"] == code, describe(reply)
    assert error["message"], describe(reply)
    assert error["request_id"] == reply.headers["x-request-id"]
    assert isinstance(error["retryable"], bool)
    assert error["details"]["hint"]
    if field is not None:
        assert error["details"].get("field") == field, describe(reply)
    return error


def b64(content):
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()
