"""Places: a limit at which slow ones give way to others, and starve neither."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from sse_twisted.runtime.places import Place, Places


class Queue:
    """Those who ask for places, by name, and the order in which they get one."""

    def __init__(self, limit: int) -> None:
        self.places = Places(limit)
        self.order: list[str] = []
        self.held: dict[str, Place] = {}

    def ask(self, *names: str) -> None:
        """Ask for a place; who is slow has a small letter."""
        for name in names:
            self.places.acquire(slow=name.islower()).addCallback(self._get, name)

    def leave(self, *names: str) -> None:
        for name in names:
            self.held.pop(name).leave()

    def _get(self, place: Place, name: str) -> None:
        self.order.append(name)
        self.held[name] = place


def test_no_more_than_the_limit_have_a_place() -> None:
    queue = Queue(2)
    queue.ask("A", "B", "C", "D")
    assert queue.order == ["A", "B"]
    assert (queue.places.limit, queue.places.tokens, len(queue.places.waiting)) == (2, 0, 2)
    queue.leave("B")
    assert queue.order == ["A", "B", "C"]
    queue.leave("A", "C")
    assert queue.order == ["A", "B", "C", "D"]
    queue.leave("D")
    assert queue.places.tokens == 2


def test_slow_ones_have_an_eighth_of_the_places_while_others_wait() -> None:
    queue = Queue(8)
    queue.ask(*"ABCDEFGH", *"abcdefgh", *"IJKLMNOP")
    queue.leave(*"ABCDEFGH")
    assert sorted(queue.order[8:]) == sorted("aIJKLMNO")


def test_slow_ones_have_all_places_when_no_other_waits() -> None:
    queue = Queue(4)
    queue.ask(*"abcdefgh")
    assert queue.order == [*"abcd"]
    queue.leave("a", "b")
    assert queue.order == [*"abcdef"]


def test_one_place_is_shared_in_turns() -> None:
    queue = Queue(1)
    queue.ask("a", "b", "A", "c", "B", "C")
    while queue.held:
        queue.leave(*queue.held)
    assert queue.order == ["a", "A", "b", "B", "c", "C"]


def test_only_a_slow_one_that_waits_is_not_in_the_way_of_the_slow() -> None:
    queue = Queue(1)
    queue.ask("a", "b")
    assert not queue.places.is_wanted(slow_too=False)
    assert queue.places.is_wanted(slow_too=True)
    queue.ask("A")
    assert queue.places.is_wanted(slow_too=False)


def test_who_leaves_twice_leaves_once() -> None:
    queue = Queue(1)
    queue.ask("A", "B", "C")
    place = queue.held["A"]
    place.leave()
    place.leave()
    assert queue.order == ["A", "B"]


def test_who_gives_up_waiting_gets_no_place() -> None:
    places = Places(1)
    first: list[Place] = []
    places.acquire().addCallback(first.append)
    waiting: Deferred[Place] = places.acquire()
    ended: list[Any] = []
    waiting.addErrback(lambda failure: ended.append(failure.check(CancelledError)))
    waiting.cancel()
    assert ended == [CancelledError]
    first[0].leave()
    assert places.tokens == 1


def test_what_takes_long_does_not_count_any_more() -> None:
    clock, places = Clock(), Places(1)
    ended: list[str] = []

    async def work(name: str, seconds: float) -> None:
        async with places.counted_for(clock, 5.0):
            await deferLater(clock, seconds)
        ended.append(name)

    for name, seconds in (("long", 20.0), ("short", 1.0), ("other", 1.0)):
        Deferred.fromCoroutine(work(name, seconds))
    clock.pump([0.5] * 16)
    assert ended == ["short", "other"]
    assert places.tokens == 1
    clock.pump([0.5] * 24)
    assert ended == ["short", "other", "long"]
    assert places.tokens == 1
    assert not clock.getDelayedCalls()
