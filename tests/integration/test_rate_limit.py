"""Requests a minute per workspace: 429 with Retry-After, and nobody else is slowed down."""

from harness.expect import checked, expect_error


def test_over_the_limit_is_429_with_the_time_to_wait(fresh_instance):
    instance = fresh_instance(rate_limit=20)
    client, other = instance.client(), instance.client(tenant="other")
    replies = [client.get("/sandboxes") for _ in range(40)]
    assert replies[0].status_code == 200
    refused = [reply for reply in replies if reply.status_code == 429]
    assert 15 <= len(refused) <= 20
    error = expect_error(refused[-1], 429, "RATE_LIMITED")
    assert int(refused[-1].headers["Retry-After"]) >= 1
    assert error["retryable"] is True
    assert error["retry_after_ms"] >= 1
    # other tenants, and what monitoring asks, are not concerned
    assert checked(other.get("/sandboxes"))["data"] == []
    assert client.get("/health").status_code == 200


def test_a_refused_create_makes_nothing(fresh_instance):
    instance = fresh_instance(rate_limit=3)
    client = instance.client()
    statuses = [client.post("/sandboxes").status_code for _ in range(12)]
    assert 429 in statuses
    assert len(instance.resources()["disks"]) == statuses.count(201)


def test_zero_means_no_limit(client):
    assert {client.get("/sandboxes").status_code for _ in range(400)} == {200}
