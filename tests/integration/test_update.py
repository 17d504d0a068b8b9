"""PATCH /sandboxes/{id}: what can be changed, what cannot, and that it lasts."""

import pytest

from harness.expect import checked, expect_error


def test_changes_come_back_and_stay(sandbox):
    changes = {
        "name": "renamed",
        "metadata": {"step": 2},
        "tags": ["new"],
        "agent_session_id": "session-9",
        "timeout_sec": 4000,
        "idle_timeout_sec": 600,
    }
    fields = checked(sandbox.client.patch(sandbox.path, json=changes))
    again = sandbox.refresh()
    for name, value in changes.items():
        assert fields[name] == value
        assert again[name] == value
    assert checked(sandbox.client.get("/sandboxes/by-name/renamed"))["id"] == sandbox.id


def test_an_absent_field_is_left_alone(make_sandbox):
    sandbox = make_sandbox(name="stays", metadata={"a": 1})
    checked(sandbox.client.patch(sandbox.path, json={"tags": ["t"]}))
    fields = sandbox.refresh()
    assert (fields["name"], fields["metadata"], fields["tags"]) == ("stays", {"a": 1}, ["t"])


def test_always_on_clears_the_idle_timeout(make_sandbox):
    sandbox = make_sandbox(idle_timeout_sec=500)
    fields = checked(sandbox.client.patch(sandbox.path, json={"always_on": True}))
    assert fields["always_on"] is True
    assert fields["idle_timeout_sec"] == 0
    assert fields["timeout_remaining_ms"] is None


def test_tags_have_a_route_of_their_own(sandbox):
    reply = sandbox.client.patch(f"{sandbox.path}/tags", json={"tags": {"k": "v"}})
    assert reply.status_code == 200
    assert sandbox.refresh()["tags"] == {"k": "v"}


@pytest.mark.parametrize(
    "field,value",
    [
        ("external_user_id", "other"),
        ("external_workspace_id", "other"),
        ("tenant_id", "tnt_x"),
        ("state", "destroyed"),
        ("memory_mb", 8192),
        ("unknown_thing", 1),
        ("name", "bad name"),
        ("metadata", []),
        ("tags", 3),
        ("timeout_sec", 0),
        ("idle_timeout_sec", 100000),
        ("always_on", "no"),
    ],
)
def test_a_bad_or_fixed_field_is_refused_by_name(shared_sandbox, field, value):
    before = shared_sandbox.refresh()
    reply = shared_sandbox.client.patch(shared_sandbox.path, json={field: value})
    expect_error(reply, 422, "VALIDATION_ERROR", field=field)
    after = shared_sandbox.refresh()
    assert {k: after[k] for k in ("name", "state", "tags")} == {
        k: before[k] for k in ("name", "state", "tags")
    }


def test_one_bad_field_spoils_the_whole_change(shared_sandbox):
    reply = shared_sandbox.client.patch(
        shared_sandbox.path, json={"metadata": {"half": True}, "timeout_sec": 0}
    )
    expect_error(reply, 422, "VALIDATION_ERROR", field="timeout_sec")
    assert "half" not in shared_sandbox.refresh()["metadata"]


def test_a_name_in_use_is_refused(make_sandbox):
    make_sandbox(name="taken")
    other = make_sandbox(name="free")
    expect_error(other.client.patch(other.path, json={"name": "taken"}), 409, "NAME_TAKEN")
    assert other.refresh()["name"] == "free"


def test_an_unknown_sandbox_is_not_found(client):
    reply = client.patch("/sandboxes/sbx_00000000000000000000000000", json={"name": "x"})
    expect_error(reply, 404, "NOT_FOUND")
