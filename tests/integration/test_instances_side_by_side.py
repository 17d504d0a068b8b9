"""Two instances on one machine do not see each other."""

import pytest

from harness.expect import expect_error
from harness.network import reach
from harness.wait import wait_until


@pytest.fixture
def pair(fresh_instance):
    return fresh_instance(spare_slots=2), fresh_instance(spare_slots=2)


def test_keys_names_and_lists_are_apart(pair):
    first, second = (instance.client() for instance in pair)
    with first.create(name="same") as one, second.create(name="same") as two:
        assert [entry["id"] for entry in first.list()] == [one.id]
        assert [entry["id"] for entry in second.list()] == [two.id]
        stranger = pair[1].client(key=first.key)
        expect_error(stranger.get("/sandboxes"), 401, "invalid_token")
        expect_error(first.get(two.path), 404, "NOT_FOUND")


def test_resources_are_apart(pair):
    first, second = pair
    with first.client().create() as one, second.client().create() as two:
        held = [instance.resources() for instance in pair]
        for kind in ("processes", "interfaces", "loops", "tables"):
            assert not set(held[0][kind]) & set(held[1][kind]), kind
        two.output("nohup python3 -m http.server 8000 --bind 0.0.0.0 >/dev/null 2>&1 & echo started")
        probe = "curl -sf -o /dev/null http://127.0.0.1:8000/ && echo up || true"
        wait_until(lambda: two.output(probe) == "up\n", 20, "the server inside answers")
        assert not reach(one, two.output("hostname -I").split()[0], 8000)


def test_ending_one_leaves_the_other_alone(pair):
    first, second = pair
    kept = second.client().create()
    first.client().create()
    first.stop()
    assert not first.leaks()
    assert kept.output("echo untouched") == "untouched\n"
    first.start()
    assert kept.output("echo untouched") == "untouched\n"
    with first.client().create() as fresh:
        assert fresh.output("echo new") == "new\n"


def test_one_state_has_one_pair_of_daemons(pair):
    first, _ = pair
    for daemon in (first.host, first.api):
        twin = type(daemon)(daemon.name, daemon.command, first.state / "log" / "twin.log", daemon.environment)
        twin.start()
        assert twin.wait(30) not in (0, None)
        assert twin.tail()
    with first.client().create() as made:
        assert made.output("echo fine") == "fine\n"
