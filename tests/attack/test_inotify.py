"""The kernel's inotify instances are counted by user: what one sandbox takes, no other one misses."""

TAKE = """
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
count = 0
while count < 5000 and libc.inotify_init() >= 0:
    count += 1
print(count, flush=True)
time.sleep({})
"""


def take(sandbox, seconds):
    return sandbox.stream(["python3", "-c", TAKE.format(seconds)])


def test_taking_all_inotify_instances_leaves_those_of_others(client, other_client):
    with client.create() as greedy, other_client.create() as victim:
        with take(greedy, 600) as stream:
            taken = int(stream.next("stdout")["data"])
            assert taken > 0
            assert greedy.output("echo alive") == "alive\n"
            # all that one can have, beside those that it needs itself
            with take(victim, 0) as other:
                assert int(other.next("stdout")["data"]) == taken
