"""How connections to the console end: on time, within their bounds, and without a trace."""

from __future__ import annotations

import gc
import weakref

import pytest

from sse_twisted.console.connections import LOGIN_TIMEOUT, MAX_CONNECTIONS, MAX_LOGIN_BYTES
from tests.console.terminal import VirtualConsole, connected


def test_a_connection_without_a_login_times_out(console: VirtualConsole) -> None:
    silent, slow = connected(console), connected(console)
    console.clock.advance(LOGIN_TIMEOUT - 1)
    slow.types("sse")
    assert not silent.has_gone
    console.clock.advance(2)
    assert silent.has_gone
    assert slow.has_gone
    for caller in (silent, slow):
        caller.hangs_up()
    assert not console.factory.protocols
    assert not console.clock.getDelayedCalls()


def test_a_session_never_times_out(console: VirtualConsole) -> None:
    caller = console.guest()
    console.clock.advance(LOGIN_TIMEOUT * 100)
    assert caller.sees("1+1") == "2"


def test_bytes_before_the_login_are_bounded(console: VirtualConsole) -> None:
    caller = connected(console)
    for _ in range(MAX_LOGIN_BYTES // 1024):
        caller.sends(b"x" * 1022 + b"\r\n")
    assert not caller.has_gone
    caller.sends(b"x")
    assert caller.has_gone
    assert "65537 bytes without a login" in console.lines[-1]


def test_garbage_does_not_fill_the_log(console: VirtualConsole) -> None:
    for _ in range(50):
        connected(console).sends(b"x" * (MAX_LOGIN_BYTES + 1))
    assert len(console.lines) == 1


@pytest.mark.parametrize("typed", [(), ("sse",), ("sse", "wrong"), ("sse", "right"), ("sse", "right", "def f():")])
def test_a_hang_up_leaves_nothing_at_any_moment(console: VirtualConsole, typed: tuple[str, ...]) -> None:
    caller = connected(console)
    caller.types(*typed)
    caller.hangs_up()
    console.clock.advance(100)
    assert not console.factory.protocols
    assert not console.clock.getDelayedCalls()


def test_ten_sessions_at_once_do_not_see_each_other(console: VirtualConsole) -> None:
    guests = [console.guest() for _ in range(10)]
    for number, guest in enumerate(guests):
        guest.types(f"mine = {number}")
    assert [guest.sees("mine") for guest in guests] == [str(number) for number in range(10)]


def test_a_session_that_has_ended_is_not_kept(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("fleet", "device(601)", "answer")
    session = weakref.ref(guest.connection.wrappedProtocol.protocol.protocol.terminalProtocol)
    assert session() is not None
    guest.hangs_up()
    del guest
    gc.collect()
    assert session() is None


def test_sessions_are_bounded_in_number(console: VirtualConsole) -> None:
    guests = [console.guest() for _ in range(MAX_CONNECTIONS)]
    assert console.connect() is None
    guests[0].hangs_up()
    assert console.connect() is not None


def test_the_oldest_connection_without_a_login_gives_way(console: VirtualConsole) -> None:
    guest = console.guest()
    idle = [connected(console) for _ in range(MAX_CONNECTIONS - 1)]
    assert console.guest().sees("answer") == "42"
    assert [caller.has_gone for caller in idle] == [True] + (MAX_CONNECTIONS - 2) * [False]
    assert guest.sees("answer") == "42"


def test_a_greedy_client_gives_way_first(console: VirtualConsole) -> None:
    early = connected(console, "192.168.0.8")
    greedy = [connected(console, "192.168.0.7") for _ in range(MAX_CONNECTIONS * 3)]
    assert not early.has_gone
    assert sum(not caller.has_gone for caller in greedy) == MAX_CONNECTIONS - 1


def test_hanging_up_ends_all_connections(console: VirtualConsole) -> None:
    guest, waiting = console.guest(), connected(console)
    waiting.types("sse", "wrong")
    console.backoff.close()
    console.factory.hang_up()
    assert guest.has_gone
    assert waiting.has_gone
