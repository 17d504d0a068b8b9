"""GET /sandboxes: order, pages and every filter."""

import pytest

from harness.expect import checked, expect_error


@pytest.fixture(scope="module")
def fleet(tenant):
    client = tenant("fleet")
    made = {
        "red": client.create(name="red-one", tags={"team": "red", "tier": "a"}, external_user_id="u1"),
        "blue": client.create(name="blue-one", tags={"team": "blue"}, external_workspace_id="w1"),
        "list": client.create(name="list-one", tags=["x", "y"], external_project_id="p1"),
        "python": client.create(template_id="python", workspace_slug="lab", project_slug="mice"),
    }
    made["blue"].pause()
    yield client, made
    for sandbox in made.values():
        sandbox.destroy()


def ids(client, **query):
    return [entry["id"] for entry in checked(client.get("/sandboxes", params=query))["data"]]


def test_newest_come_first(fleet):
    client, made = fleet
    assert ids(client) == [made[name].id for name in ("python", "list", "blue", "red")]


@pytest.mark.parametrize(
    "query,expected",
    [
        ({"state": "paused"}, {"blue"}),
        ({"state": "running"}, {"red", "list", "python"}),
        ({"state": "destroyed"}, set()),
        ({"template_id": "python"}, {"python"}),
        ({"search": "red-"}, {"red"}),
        ({"search": "-one"}, {"red", "blue", "list"}),
        ({"search": "nothing-like-it"}, set()),
        ({"tags[team]": "red"}, {"red"}),
        ({"tags[team]": "red", "tags[tier]": "b"}, set()),
        ({"tags": "x,y"}, {"list"}),
        ({"tags": "x,z"}, set()),
        ({"external_user_id": "u1"}, {"red"}),
        ({"external_workspace_id": "w1"}, {"blue"}),
        ({"external_project_id": "p1"}, {"list"}),
        ({"state": "running", "search": "red"}, {"red"}),
    ],
)
def test_filters_select(fleet, query, expected):
    client, made = fleet
    assert set(ids(client, **query)) == {made[name].id for name in expected}


def test_search_finds_ids_and_slugs(fleet):
    client, made = fleet
    assert ids(client, search=made["red"].id) == [made["red"].id]
    assert made["red"].id in ids(client, search=made["red"].object["slug"])


def test_workspace_and_project_select(fleet):
    client, made = fleet
    fields = made["python"].object
    assert ids(client, workspace_id=fields["workspace_id"]) == [made["python"].id]
    assert ids(client, project_id=fields["project_id"]) == [made["python"].id]


def test_pages_join_without_gap_or_overlap(fleet):
    client, made = fleet
    first = checked(client.get("/sandboxes", params={"limit": 3}))
    second = checked(client.get("/sandboxes", params={"limit": 3, "page": 2}))
    assert [len(first["data"]), len(second["data"])] == [3, 1]
    assert {entry["id"] for entry in first["data"] + second["data"]} == {s.id for s in made.values()}
    meta = first["meta"]
    assert (meta["page"], meta["limit"], meta["total"]) == (1, 3, 4)
    assert (meta["total_pages"], meta["has_next_page"]) == (2, True)
    assert second["meta"]["has_next_page"] is False
    assert first["page"] == {"page": 1, "page_size": 3, "total": 4}


def test_page_size_is_an_alias_of_limit(fleet):
    client, _ = fleet
    assert len(checked(client.get("/sandboxes", params={"page_size": 2}))["data"]) == 2


def test_meta_counts_states_and_memory(fleet):
    client, _ = fleet
    meta = checked(client.get("/sandboxes"))["meta"]
    assert meta["state_counts"]["running"] == 3
    assert meta["state_counts"]["paused"] == 1
    assert meta["reserved_memory_mb"] >= 3 * 1024


@pytest.mark.parametrize("query", [{"page": 0}, {"page": "x"}, {"limit": -1}, {"limit": "many"}])
def test_bad_pages_are_refused(fleet, query):
    client, _ = fleet
    reply = client.get("/sandboxes", params=query)
    expect_error(reply, 422, "VALIDATION_ERROR", field=next(iter(query)))


def test_a_page_behind_the_last_is_empty(fleet):
    client, _ = fleet
    assert ids(client, page=99) == []


def test_destroyed_ones_are_listed_only_when_asked_for(fleet):
    client, _ = fleet
    gone = client.create(name="gone")
    gone.destroy()
    assert gone.id not in ids(client)
    assert gone.id in ids(client, state="destroyed")
