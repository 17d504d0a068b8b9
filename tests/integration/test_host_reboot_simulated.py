"""The machine loses power: every process is gone, the state directory is what remains."""

from harness.expect import expect_error
from harness.power import lose_power
from harness.wait import wait_until


def test_persistent_sandboxes_are_paused_and_resume_with_their_files(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    client = instance.client()
    running, paused, stopped = (client.create(name=name) for name in ("running", "paused", "stopped"))
    for sandbox in (running, paused, stopped):
        sandbox.write("/workspace/kept", sandbox.id)
        sandbox.output("echo config > /etc/own.conf; sync")
    paused.pause()
    stopped.stop()

    lose_power(instance)
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")

    for sandbox in (running, paused, stopped):
        wait_until(lambda: sandbox.state == "paused", 30, f"{sandbox.object['name']} is paused")
    assert running.refresh()["metadata"]["last_pause"]["source"] == "host_restart"
    for sandbox in (running, paused, stopped):
        assert sandbox.resume()["boot_path"] == "cold"
        assert sandbox.read("/workspace/kept") == sandbox.id.encode()
        assert sandbox.output("cat /etc/own.conf") == "config\n"


def test_one_that_is_not_persistent_is_told_lost(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    sandbox = instance.client().create(persistent=False)
    lose_power(instance)
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    wait_until(lambda: sandbox.state in ("error", "destroyed"), 30, "it is not left running")
    if sandbox.object["state"] == "error":
        assert sandbox.object["metadata"]["last_error"]
        sandbox.destroy()
    reply = sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"})
    expect_error(reply, 404, "NOT_FOUND")


def test_nothing_is_left_of_the_time_before(fresh_instance):
    instance = fresh_instance(spare_slots=2)
    before = instance.settled()
    made = [instance.client().create() for _ in range(3)]
    lose_power(instance)
    instance.start()
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    for sandbox in made:
        wait_until(lambda: sandbox.state == "paused", 30, "it is paused")
        sandbox.destroy()
    instance.assert_no_leak(before)
