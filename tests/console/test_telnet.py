"""The way in: logins, garbage, hang-ups. Virtual: a real telnet is in test_console."""

from __future__ import annotations

import gc
import random
import weakref

import pytest
from twisted.logger import LogEvent

from sse_twisted.console.telnet import LOGIN_WITHIN, MOST_BEFORE_LOGIN, MOST_SESSIONS
from tests.console.terminal import Caller, House


def connected(house: House) -> Caller:
    caller = house.connect()
    assert caller is not None
    return caller


def test_whoever_logs_in_is_greeted_with_what_there_is(house: House) -> None:
    caller = connected(house)
    assert caller.screen == "sse_twisted\r\nUsername: "
    screen = caller.types("sse", "right")
    assert "Reading: fleet, device" in screen
    assert "Acting:  rescan, retry" in screen
    assert screen.endswith(">>> ")
    assert house.lines == ["info sse is at the console"]


def test_the_password_is_not_shown(house: House) -> None:
    caller = connected(house)
    caller.types("sse")
    assert b"\xff\xfb\x01" in caller.transport.value(), "the client was not told that we will echo"
    caller.types("right")
    assert "right" not in caller.screen


def test_a_wrong_password_is_asked_for_again_after_a_while(house: House) -> None:
    caller = connected(house)
    caller.types("sse", "wrong")
    assert "incorrect" not in caller.screen
    house.clock.advance(1)
    assert caller.screen.endswith("Login incorrect\r\nUsername: ")
    caller.types("root", "x")
    house.clock.advance(2)
    assert caller.types("sse", "right").endswith(">>> ")
    assert [line.partition(";")[0] for line in house.lines[:2]] == [
        "warn The console refuses the password of 'sse'",
        "warn The console refuses the password of 'root'",
    ]


def test_what_is_typed_while_the_answer_takes_its_time_is_no_password(house: House) -> None:
    caller = connected(house)
    caller.types("sse", "wrong", "sse", "right")
    house.clock.advance(1)
    assert caller.screen.endswith("Username: ")


def test_a_client_that_refuses_every_option_can_log_in(house: House) -> None:
    caller = connected(house)
    caller.types("sse")
    caller.sends(b"\xff\xfe\x01")  # don't echo
    caller.types("right")
    for option in b"\x22\x1f\x03":
        caller.sends(b"\xff\xfc" + bytes([option]))
    caller.sends(b"\xff\xfe\x01\xff\xfe\x03")
    assert caller.sees("6*7") == "42"


def test_one_who_never_logs_in_is_hung_up_on(house: House) -> None:
    silent, slow = connected(house), connected(house)
    house.clock.advance(LOGIN_WITHIN - 1)
    slow.types("sse")
    assert not silent.has_gone
    house.clock.advance(2)
    assert silent.has_gone
    assert slow.has_gone
    for caller in (silent, slow):
        caller.hangs_up()
    assert not house.factory.connections
    assert not house.clock.getDelayedCalls()


def test_one_who_is_in_may_stay(house: House) -> None:
    caller = house.guest()
    house.clock.advance(LOGIN_WITHIN * 100)
    assert caller.sees("1+1") == "2"


def test_one_who_says_too_much_before_the_login_is_hung_up_on(house: House) -> None:
    caller = connected(house)
    caller.sends(b"x" * (MOST_BEFORE_LOGIN + 1))
    assert caller.has_gone


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\x00",
        b"\xff\x05",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\xff\xfa" + b"\x00" * 3000,
        b"\xff\xfa\x1f\x00\xff\xf0",
        b"\xff\xfa" + b"\x00" * 70_000,
        b"\xff\xfd" * 50,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00" * 1000,
    ],
)
@pytest.mark.parametrize("logged_in", [False, True])
def test_garbage_leaves_nothing_that_worries_anyone(
    house: House, garbage: bytes, logged_in: bool, logged_failures: list[LogEvent]
) -> None:
    caller = house.guest() if logged_in else connected(house)
    caller.sends(garbage)
    if not caller.connection.gone:
        caller.hangs_up()
    assert not house.factory.connections
    assert not logged_failures
    assert all(line.startswith(("info", "debug", "warn The console refuses")) for line in house.lines)
    house.patience.close()
    assert not house.clock.getDelayedCalls()


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_end_at_worst_their_own_connection(house: House, seed: int) -> None:
    random_bytes = random.Random(seed).randbytes
    other, caller = house.guest(), house.guest()
    for _ in range(30):
        caller.sends(random_bytes(40))
    if not caller.connection.gone:
        caller.hangs_up()
    assert other.sees("1+1") == "2"
    assert len(house.factory.connections) == 1


@pytest.mark.parametrize("typed", [(), ("sse",), ("sse", "wrong"), ("sse", "right"), ("sse", "right", "def f():")])
def test_a_hang_up_leaves_nothing_at_any_moment(house: House, typed: tuple[str, ...]) -> None:
    caller = connected(house)
    caller.types(*typed)
    caller.hangs_up()
    house.clock.advance(100)
    assert not house.factory.connections
    assert not house.clock.getDelayedCalls()


def test_ten_sessions_at_once_do_not_see_each_other(house: House) -> None:
    guests = [house.guest() for _ in range(10)]
    for number, guest in enumerate(guests):
        guest.types(f"mine = {number}")
    assert [guest.sees("mine") for guest in guests] == [str(number) for number in range(10)]


def test_a_session_that_has_ended_is_not_kept(house: House) -> None:
    guest = house.guest()
    guest.types("fleet", "device(601)", "answer")
    session = weakref.ref(guest.connection.protocol.protocol.terminalProtocol)
    assert session() is not None
    guest.hangs_up()
    del guest
    gc.collect()
    assert session() is None


def test_sessions_are_bounded_in_number(house: House) -> None:
    callers = [connected(house) for _ in range(MOST_SESSIONS)]
    assert house.connect() is None
    callers[0].hangs_up()
    assert house.connect() is not None


def test_at_the_end_everybody_is_hung_up_on(house: House) -> None:
    guest, waiting = house.guest(), connected(house)
    waiting.types("sse", "wrong")
    house.patience.close()
    house.factory.hang_up()
    assert guest.has_gone
    assert waiting.has_gone
