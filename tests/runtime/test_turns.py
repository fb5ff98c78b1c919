from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from sse_twisted.runtime.turns import TURN, Turns, in_turns

STEP = 0.4 * TURN  # s


def work(clock: Clock, done: list[int]) -> Deferred[None]:
    """On ten things that take a STEP each."""

    async def do_all() -> None:
        async for item in in_turns(range(10), clock):
            clock.rightNow += STEP  # time passes while nobody else is called
            done.append(item)

    return Deferred.fromCoroutine(do_all())


def test_others_have_their_turn_after_a_few_milliseconds() -> None:
    clock, done = Clock(), list[int]()
    seen: set[int] = set()

    def look() -> None:
        seen.add(len(done))
        if not working.called:
            clock.callLater(0, look)

    working = work(clock, done)
    look()
    clock.advance(0)
    assert seen == {3, 6, 9, 10}
    assert done == list(range(10))


def test_what_is_cancelled_ends_where_it_is() -> None:
    clock, done = Clock(), list[int]()
    working = work(clock, done)
    failures: list[object] = []
    working.addErrback(lambda failure: failures.append(failure.trap(CancelledError)))
    working.cancel()
    assert failures == [CancelledError]
    assert done == [0, 1, 2]
    assert not clock.getDelayedCalls()


class Turning(Clock):
    """A clock with turns: what is planned in one is due in the next at the soonest, as in a real reactor."""

    def turn(self) -> None:
        due, self.calls = self.calls, []
        for call in due:
            call.func(*call.args, **call.kw)


class Crowd:
    """Some for whom something is due in the same turn, and each of whom works for a STEP when it is theirs."""

    def __init__(self, count: int) -> None:
        self.clock = Turning()
        self.done: list[int] = []
        self._turns = Turns(self.clock)
        self.waiting = [self.come(number) for number in range(count)]

    def come(self, number: int) -> Deferred[None]:
        async def work() -> None:
            await self._turns.mine()
            self.clock.rightNow += STEP
            self.done.append(number)

        return Deferred.fromCoroutine(work())

    def next_turn(self) -> list[int]:
        """Return what is done in it."""
        before = len(self.done)
        self.clock.turn()
        return self.done[before:]


def test_what_is_due_at_once_is_spread_over_several_turns_in_order() -> None:
    crowd = Crowd(8)
    assert crowd.done == [0, 1, 2]
    assert crowd.next_turn() == [3, 4, 5]
    assert crowd.next_turn() == [6, 7]


def test_who_comes_later_waits_behind_those_who_wait() -> None:
    crowd = Crowd(4)
    crowd.come(4)
    assert crowd.next_turn() == [3, 4]


def test_alone_nobody_waits_and_no_timer_is_left() -> None:
    crowd = Crowd(1)
    assert crowd.done == [0]
    assert crowd.next_turn() == []
    assert not crowd.clock.getDelayedCalls()
    crowd.come(1)
    assert crowd.done == [0, 1]


def test_who_is_cancelled_leaves_the_queue() -> None:
    crowd = Crowd(5)
    failures: list[object] = []
    crowd.waiting[3].addErrback(lambda failure: failures.append(failure.trap(CancelledError)))
    crowd.waiting[3].cancel()
    assert failures == [CancelledError]
    assert crowd.next_turn() == [4]
