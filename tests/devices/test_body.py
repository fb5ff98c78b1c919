"""Bodies of answers that are too long, too slow, or end too early."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from sse_twisted.devices.body import PIECES_WINDOW, RATE_WINDOW, BodyReceiver
from sse_twisted.devices.errors import BadAnswer, Interrupted


@define
class Transport:
    """What a receiver asks of its connection."""

    asked: list[str] = field(factory=list)

    def pauseProducing(self) -> None:
        """Note the wish."""
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        """Note the wish."""
        self.asked.append("resume")

    def loseConnection(self) -> None:
        """Note the wish."""
        self.asked.append("hang up")


@define
class Kept:
    """A sink that keeps what comes, and answers as it is told to."""

    data: bytes = b""
    answer: Deferred[None] | None = None
    error: OSError | None = None

    def write(self, data: bytes) -> Deferred[None] | None:
        """Keep the bytes."""
        if self.error is not None:
            raise self.error
        self.data += data
        return self.answer


class Bench:
    """A receiver with a limit of 1,000 bytes and 10 s of silence."""

    def __init__(self, minimum_rate: float = 0.0) -> None:
        self.clock = Clock()
        self.sink = Kept()
        self.transport = Transport()
        self.receiver = BodyReceiver(self.clock, self.sink, limit=1000, silence=10.0, minimum_rate=minimum_rate)
        self.outcome: list[Any] = []
        self.receiver.done.addBoth(self.outcome.append)
        self.receiver.makeConnection(self.transport)

    def end(self, reason: type[Exception]) -> None:
        """End the body."""
        self.receiver.connectionLost(Failure(reason()))

    def raised(self) -> BaseException:
        """Return the error with which the transfer ended; no timer may be left."""
        (failure,) = self.outcome
        self.outcome.clear()
        assert not self.clock.getDelayedCalls()
        error = failure.value
        assert isinstance(error, BaseException)
        return error


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(("reason", "promised"), [(ResponseDone, True), (PotentialDataLoss, False)])
def test_a_whole_body_is_handed_on_and_it_is_known_whether_its_end_was_promised(
    bench: Bench, reason: type[Exception], promised: bool
) -> None:
    for piece in (b"a" * 600, b"b" * 400):
        bench.receiver.dataReceived(piece)
    bench.end(reason)
    assert bench.outcome == [promised]
    assert bench.sink.data == b"a" * 600 + b"b" * 400
    assert bench.receiver.received == 1000
    assert not bench.clock.getDelayedCalls()


def test_a_cut_is_an_error_that_says_how_far_it_came(bench: Bench) -> None:
    bench.receiver.dataReceived(b"abc")
    bench.end(ConnectionLost)
    error = bench.raised()
    assert isinstance(error, Interrupted)
    assert str(error) == "connection lost after 3 bytes"


def test_one_byte_too_many_hangs_up_and_is_not_handed_on(bench: Bench) -> None:
    bench.receiver.dataReceived(b"a" * 1000)
    bench.receiver.dataReceived(b"b")
    assert isinstance(bench.raised(), BadAnswer)
    assert bench.transport.asked == ["hang up"]
    assert b"b" not in bench.sink.data


def test_silence_hangs_up_and_each_byte_ends_it(bench: Bench) -> None:
    for _ in range(3):
        bench.clock.advance(9.9)
        bench.receiver.dataReceived(b"a")
    assert not bench.outcome
    bench.clock.advance(10.0)
    assert "10 s without a byte" in str(bench.raised())
    assert bench.transport.asked == ["hang up"]


def test_a_slow_body_is_given_its_time_and_then_hung_up_on() -> None:
    bench = Bench(minimum_rate=10.0)
    for _ in range(int(RATE_WINDOW) // 5):
        bench.clock.advance(5)
        bench.receiver.dataReceived(b"a")
    assert not bench.outcome
    bench.clock.advance(5)
    bench.receiver.dataReceived(b"a")
    assert "too slow: 7 bytes in 35 s" in str(bench.raised())


def test_the_time_that_the_disk_takes_does_not_count_as_slow() -> None:
    bench = Bench(minimum_rate=10.0)
    disk: Deferred[None] = Deferred()
    bench.sink.answer = disk
    bench.receiver.dataReceived(b"a" * 100)
    bench.clock.advance(1000)
    bench.sink.answer = None
    disk.callback(None)
    bench.clock.advance(5)
    bench.receiver.dataReceived(b"a")
    assert not bench.outcome
    assert bench.transport.asked == ["pause", "resume"]
    bench.end(ResponseDone)
    assert bench.outcome == [True]


def test_a_disk_that_fails_while_it_was_waited_for_ends_the_transfer(bench: Bench) -> None:
    disk: Deferred[None] = Deferred()
    bench.sink.answer = disk
    bench.receiver.dataReceived(b"a")
    disk.errback(OSError(28, "No space left on device"))
    assert isinstance(bench.raised(), OSError)
    assert bench.transport.asked == ["pause", "hang up"]


def test_a_disk_that_fails_at_once_ends_the_transfer(bench: Bench) -> None:
    bench.sink.error = OSError(28, "No space left on device")
    bench.receiver.dataReceived(b"a")
    assert bench.raised() is bench.sink.error


def test_cancelling_hangs_up_and_what_comes_afterwards_counts_for_nothing(bench: Bench) -> None:
    disk: Deferred[None] = Deferred()
    bench.sink.answer = disk
    bench.receiver.dataReceived(b"a")
    bench.receiver.done.cancel()
    assert isinstance(bench.raised(), CancelledError)
    disk.callback(None)
    bench.receiver.dataReceived(b"b")
    bench.end(ConnectionLost)
    assert bench.transport.asked == ["pause", "hang up"]
    assert bench.sink.data == b"a"
    assert not bench.clock.getDelayedCalls()


@pytest.mark.parametrize(("piece", "is_refused"), [(1, True), (15, True), (16, False), (1460, False)])
def test_a_body_of_tiny_pieces_is_hung_up_on(piece: int, is_refused: bool) -> None:
    sink = Mock(write=Mock(return_value=None))
    receiver = BodyReceiver(Clock(), sink, limit=100_000_000, silence=10.0, in_chunks=True)
    receiver.makeConnection(cast(Any, Transport()))
    failures: list[Failure] = []
    receiver.done.addErrback(failures.append)
    for _ in range(PIECES_WINDOW + 1):
        receiver.dataReceived(bytes(piece))
    assert [failure.getErrorMessage() for failure in failures] == (
        [f"pieces too small: {50_001 * piece:,} bytes in 50,001 pieces"] if is_refused else []
    )
    receiver.done.cancel()
