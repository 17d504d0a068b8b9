"""Bounded polling: the only way in which tests wait for something that tells nobody."""

import time


class Timeout(AssertionError):
    pass


def wait_until(condition, seconds=10, what="the condition", interval=0.01):
    """Returns condition()'s first true value; a Timeout says what was waited for and the last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"{what} did not come true within {seconds} s (last: {value!r})")
        time.sleep(interval)
