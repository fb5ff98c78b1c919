from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from sse_twisted.runtime.turns import in_turns


def work(clock: Clock, done: list[int]) -> Deferred[None]:
    """On ten things that take 1.5 ms each."""

    async def do_all() -> None:
        async for item in in_turns(range(10), clock):
            clock.rightNow += 0.0015  # time passes while nobody else is called
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
