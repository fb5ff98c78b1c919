"""When the bytes of a response go, in virtual time."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from sse_twisted.simulator.response_producer import ResponseProducer
from sse_twisted.simulator.responses import Body, Ending, Response, make_response

ANSWER = make_response(200, b"OK", Body(b"x" * 100_000), b"text/plain")


class Wire(StringTransport):
    """A transport that is drained at once, and asks its producer whenever it has nothing left."""

    def __init__(self) -> None:
        super().__init__()
        self.body = 0

    def drain(self) -> int:
        """Take what was written, and ask for more; the number of bytes of the body so far."""
        while True:
            taken = self.value()
            self.clear()
            self.body += len(taken.partition(b"\r\n\r\n")[2] if taken.startswith(b"HTTP") else taken)
            if self.producer is not None:
                self.producer.resumeProducing()
            if not self.value():
                return self.body


def produce(response: Response) -> tuple[Clock, Wire, list[Ending], ResponseProducer]:
    clock, wire, endings = Clock(), Wire(), list[Ending]()
    producer = ResponseProducer(clock, wire, response, lambda over: endings.append(over.ending))
    producer.start()
    return clock, wire, endings, producer


def test_without_a_limit_everything_goes_at_once() -> None:
    _, wire, endings, _ = produce(ANSWER)
    assert wire.drain() == 100_000
    assert endings == [Ending.CLOSE]


def test_nothing_goes_before_the_latency_is_over() -> None:
    clock, wire, _, _ = produce(evolve(ANSWER, latency=2.0))
    clock.advance(1.9)
    assert wire.value() == b""
    clock.advance(0.1)
    assert wire.value().startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_rate_is_kept_to_the_last_byte() -> None:
    clock, wire, endings, _ = produce(evolve(ANSWER, bytes_per_second=50_000.0))
    for hundredth in range(1, 200):
        clock.advance(0.01)
        assert abs(wire.drain() - 500 * hundredth) <= 2500
        assert not endings
    clock.advance(0.01)
    assert wire.drain() == 100_000
    assert endings == [Ending.CLOSE]


def test_a_rate_takes_twenty_turns_a_second() -> None:
    clock, wire, _, _ = produce(evolve(ANSWER, bytes_per_second=1_000_000.0))
    wire.drain()
    turns = 0
    while clock.getDelayedCalls():
        clock.advance(clock.getDelayedCalls()[0].getTime() - clock.seconds())
        wire.drain()
        turns += 1
    assert turns == 2


def test_a_drip_is_a_byte_at_a_time() -> None:
    clock, wire, _, _ = produce(evolve(ANSWER, bytes_per_second=0.2))
    wire.drain()
    for dropped in range(1, 5):
        clock.advance(5.0)
        assert wire.drain() == dropped


def test_a_slow_reader_is_waited_for() -> None:
    _, wire, endings, _ = produce(ANSWER)
    assert wire.producer is not None
    wire.producer.resumeProducing()
    assert wire.value().endswith(b"x" * 65_536)
    assert not endings


def test_an_abort_at_byte_0_leaves_time_for_the_head() -> None:
    _, wire, endings, _ = produce(evolve(ANSWER, cut_at=0, ending=Ending.ABORT))
    assert wire.value() == ANSWER.head
    assert not endings
    wire.drain()
    assert endings == [Ending.ABORT]


def test_no_answer_is_neither_a_byte_nor_an_ending() -> None:
    clock, wire, endings, _ = produce(evolve(ANSWER, ending=Ending.NO_RESPONSE))
    clock.advance(1000)
    assert wire.drain() == 0
    assert not endings


def test_a_delivery_that_is_stopped_leaves_no_timer() -> None:
    for response in (evolve(ANSWER, latency=5.0), evolve(ANSWER, bytes_per_second=10.0)):
        clock, wire, _, producer = produce(response)
        wire.drain()
        producer.stopProducing()
        assert not clock.getDelayedCalls()
