from __future__ import annotations

import subprocess
import sys

from twisted.internet.task import Clock

from sse_twisted.runtime.monotonic import MonotonicClock

# The computer's clock is set back by an hour while a call is pending.
SET_BACK = """
import time
wall, back = time.time, []
time.time = lambda: wall() - 3600 * len(back)
from twisted.internet import reactor
from sse_twisted.runtime.monotonic import MonotonicClock
MonotonicClock(reactor).startService()
reactor.callLater(0.1, back.append, None)
reactor.callLater(0.2, reactor.stop)
reactor.run()
"""


def test_calls_come_in_time_though_the_computer_s_clock_is_set_back() -> None:
    subprocess.run([sys.executable, "-c", SET_BACK], timeout=60, check=True)


def test_the_clock_of_a_reactor_is_its_own_until_the_service_starts() -> None:
    clock = Clock()
    service = MonotonicClock(clock)
    assert clock.seconds() == 0.0
    service.startService()
    before = clock.seconds()
    assert before > 0.0
    assert clock.seconds() >= before


def test_the_privileged_start_sets_the_clock_as_well() -> None:
    clock = Clock()
    service = MonotonicClock(clock)
    service.privilegedStartService()
    before = clock.seconds()
    assert before > 0.0
    service.startService()
    assert clock.seconds() >= before
