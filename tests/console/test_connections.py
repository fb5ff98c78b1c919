"""How connections to the console end: on time, within their bounds, and without a trace."""

from __future__ import annotations

import gc
import weakref

import pytest

from sse_twisted.console.connections import LOGIN_TIMEOUT, MAX_CONNECTIONS, MAX_LOGIN_BYTES
from tests.console.terminal import House, connected


def test_one_who_never_logs_in_is_hung_up_on(house: House) -> None:
    silent, slow = connected(house), connected(house)
    house.clock.advance(LOGIN_TIMEOUT - 1)
    slow.types("sse")
    assert not silent.has_gone
    house.clock.advance(2)
    assert silent.has_gone
    assert slow.has_gone
    for caller in (silent, slow):
        caller.hangs_up()
    assert not house.factory.protocols
    assert not house.clock.getDelayedCalls()


def test_one_who_is_in_may_stay(house: House) -> None:
    caller = house.guest()
    house.clock.advance(LOGIN_TIMEOUT * 100)
    assert caller.sees("1+1") == "2"


def test_one_who_says_too_much_before_the_login_is_hung_up_on(house: House) -> None:
    caller = connected(house)
    for _ in range(MAX_LOGIN_BYTES // 1024):
        caller.sends(b"x" * 1022 + b"\r\n")
    assert not caller.has_gone
    caller.sends(b"x")
    assert caller.has_gone
    assert "65537 bytes without a login" in house.lines[-1]


@pytest.mark.parametrize("typed", [(), ("sse",), ("sse", "wrong"), ("sse", "right"), ("sse", "right", "def f():")])
def test_a_hang_up_leaves_nothing_at_any_moment(house: House, typed: tuple[str, ...]) -> None:
    caller = connected(house)
    caller.types(*typed)
    caller.hangs_up()
    house.clock.advance(100)
    assert not house.factory.protocols
    assert not house.clock.getDelayedCalls()


def test_ten_sessions_at_once_do_not_see_each_other(house: House) -> None:
    guests = [house.guest() for _ in range(10)]
    for number, guest in enumerate(guests):
        guest.types(f"mine = {number}")
    assert [guest.sees("mine") for guest in guests] == [str(number) for number in range(10)]


def test_a_session_that_has_ended_is_not_kept(house: House) -> None:
    guest = house.guest()
    guest.types("fleet", "device(601)", "answer")
    session = weakref.ref(guest.connection.wrappedProtocol.protocol.protocol.terminalProtocol)
    assert session() is not None
    guest.hangs_up()
    del guest
    gc.collect()
    assert session() is None


def test_sessions_are_bounded_in_number(house: House) -> None:
    callers = [connected(house) for _ in range(MAX_CONNECTIONS)]
    assert house.connect() is None
    callers[0].hangs_up()
    assert house.connect() is not None


def test_at_the_end_everybody_is_hung_up_on(house: House) -> None:
    guest, waiting = house.guest(), connected(house)
    waiting.types("sse", "wrong")
    house.backoff.close()
    house.factory.hang_up()
    assert guest.has_gone
    assert waiting.has_gone
