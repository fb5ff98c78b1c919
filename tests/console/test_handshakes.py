from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent

from sse_twisted.console.connections import ConsoleFactory
from sse_twisted.console.handshakes import BURST, MAX_KNOWN, MAX_OF_CLIENT, MAX_RATE, Handshakes


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handshakes(clock: Clock) -> Handshakes:
    return Handshakes(clock)


def begun(handshakes: Handshakes, *clients: str, times: int = 1000) -> int:
    """How many connections begin, if each of the clients tries so often."""
    return sum(handshakes.allow(client) for _ in range(times) for client in clients)


def test_one_client_has_only_so_many_a_second(handshakes: Handshakes, clock: Clock) -> None:
    assert begun(handshakes, "192.168.0.7") == MAX_OF_CLIENT * BURST
    clock.advance(1)
    assert begun(handshakes, "192.168.0.7") == MAX_OF_CLIENT


def test_one_client_keeps_no_other_out(handshakes: Handshakes, clock: Clock) -> None:
    for _ in range(100):
        begun(handshakes, "192.168.0.7")
        assert handshakes.allow("192.168.0.8")
        clock.advance(1)


def test_many_clients_keep_this_machine_not_out(handshakes: Handshakes) -> None:
    many = [f"192.168.0.{number}" for number in range(1, 200)]
    assert begun(handshakes, *many, times=10) == MAX_RATE * BURST
    assert handshakes.allow("127.0.0.1")
    assert handshakes.allow("local")


def test_a_rest_is_worth_only_so_much(handshakes: Handshakes, clock: Clock) -> None:
    clock.advance(1000)
    assert begun(handshakes, "127.0.0.1") == MAX_RATE * BURST


def test_only_so_many_clients_are_remembered(handshakes: Handshakes, clock: Clock) -> None:
    for number in range(2 * MAX_KNOWN):
        clock.advance(1)
        handshakes.allow(f"10.0.{number // 250}.{number % 250}")
    assert len(handshakes._clients) == MAX_KNOWN


def test_a_connection_too_many_is_closed_at_once_and_told_once(clock: Clock) -> None:
    lines: list[str] = []
    log = Logger(observer=lambda event: lines.append(formatEvent(event)))  # type: ignore[arg-type]
    factory = ConsoleFactory(Factory.forProtocol(Protocol), clock, log, Handshakes(clock))
    attempts = [factory.buildProtocol(IPv4Address("TCP", "192.168.0.7", 40_000 + port)) for port in range(20)]
    assert sum(attempt is not None for attempt in attempts) == MAX_OF_CLIENT * BURST
    assert factory.buildProtocol(IPv4Address("TCP", "192.168.0.8", 40_000)) is not None
    assert lines == ["Console connection refused: too many SSH connections in a second"]
