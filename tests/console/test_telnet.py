"""The login by telnet, and garbage, in memory; a real telnet is in test_console."""

from __future__ import annotations

import random
import re

import pytest
from twisted.logger import LogEvent

from tests.console.terminal import VirtualConsole, connected


def test_a_login_is_greeted_with_the_commands(console: VirtualConsole) -> None:
    caller = connected(console)
    assert caller.screen == "sse_twisted\r\nUsername: "
    screen = caller.types("sse", "right")
    assert "Reading: fleet, device" in screen
    assert "Acting:  rescan, retry" in screen
    assert screen.endswith(">>> ")
    assert console.lines == ["info sse logged in to the console"]


@pytest.mark.parametrize("user", ["sse", "sse:right"])
@pytest.mark.parametrize("password", ["right", "sse:right"])
def test_the_line_of_the_password_file_can_be_pasted_whole(console: VirtualConsole, user: str, password: str) -> None:
    caller = connected(console)
    caller.types(user)
    if ":" not in user:
        caller.types(password)
    assert caller.screen.endswith(">>> ")
    assert console.lines == ["info sse logged in to the console"]


@pytest.mark.parametrize("user", ["sse:wrong", "sse:", "root:right", ":right", "sse:sse:wrong"])
def test_a_wrong_line_is_refused_after_a_delay_and_not_logged(console: VirtualConsole, user: str) -> None:
    caller = connected(console)
    caller.types(user)
    console.clock.advance(1)
    assert caller.screen.endswith("Login incorrect\r\nUsername: ")
    assert "right" not in console.lines[0]
    assert "sse:" not in console.lines[0]


@pytest.mark.parametrize("user", ["other", "sse:wrong"])
def test_a_whole_line_as_password_must_be_that_of_its_user(console: VirtualConsole, user: str) -> None:
    caller = connected(console)
    caller.types(user, "sse:right")
    console.clock.advance(1)
    assert "Login incorrect" in caller.screen


@pytest.mark.parametrize("enter", [b"\r", b"\n", b"\r\n", b"\r\0"])
@pytest.mark.parametrize("in_pieces", [False, True])
def test_enter_is_sent_in_four_ways(console: VirtualConsole, enter: bytes, in_pieces: bool) -> None:
    caller = connected(console)
    for line in (b"sse", b"right", b"6*7", b"", b"6*8"):
        data = line + enter
        for piece in [data[n : n + 1] for n in range(len(data))] if in_pieces else [data]:
            caller.sends(piece)
    assert re.findall(r"6\*\d\r\n(\d+)\r\n>>> ", caller.screen) == ["42", "48"]
    assert caller.screen.count("\r\n>>> ") == 1 + 3  # after the greeting, and after each line


@pytest.mark.parametrize("enter", [b"\r", b"\n", b"\r\n", b"\r\0"])
def test_several_lines_can_come_at_once(console: VirtualConsole, enter: bytes) -> None:
    guest = console.guest()
    guest.sends(b"6*7" + enter + b"6*8" + enter)
    assert re.findall(r"6\*\d\r\n(\d+)\r\n>>> ", guest.screen) == ["42", "48"]


def test_a_window_of_13_lines_is_no_enter(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.sends(b"6*\xff\xfa\x1f\x00\x0d\x00\x0d")
    guest.sends(b"\xff\xf07\r")
    assert "6*7\r\n42" in guest.screen


def test_the_password_is_not_shown(console: VirtualConsole) -> None:
    caller = connected(console)
    caller.types("sse")
    assert b"\xff\xfb\x01" in caller.transport.value(), "the client was not told that we will echo"
    caller.types("right")
    assert "right" not in caller.screen


def test_a_wrong_password_is_asked_for_again_after_a_while(console: VirtualConsole) -> None:
    caller = connected(console)
    caller.types("sse", "wrong")
    assert "incorrect" not in caller.screen
    console.clock.advance(1)
    assert caller.screen.endswith("Login incorrect\r\nUsername: ")
    caller.types("root", "x")
    console.clock.advance(2)
    assert caller.types("sse", "right").endswith(">>> ")
    assert [line.partition(";")[0] for line in console.lines[:2]] == [
        "warn Console: wrong password for 'sse'",
        "warn Console: wrong password for 'root'",
    ]


def test_hanging_up_does_not_end_the_delay(console: VirtualConsole) -> None:
    caller = connected(console)
    caller.types("sse", "wrong")
    caller.hangs_up()
    again = connected(console)
    text = "Too many wrong passwords from this address: try again in 1 s\r\nUsername: "
    assert again.types("sse", "right").endswith(text)
    console.clock.advance(1)
    assert again.types("sse", "right").endswith(">>> ")


def test_who_stays_connected_is_not_kept_out_by_others_at_the_same_address(console: VirtualConsole) -> None:
    connected(console).types("sse", "wrong")
    owner = connected(console)
    assert "try again in 1 s" in owner.types("sse", "right")
    console.clock.advance(1)
    connected(console).types("sse", "wrong")
    assert "try again in 2 s" in connected(console).types("sse", "right")
    assert owner.types("sse", "right").endswith(">>> ")


def test_the_turn_of_a_connection_ends_with_it(console: VirtualConsole) -> None:
    connected(console).types("sse", "wrong")
    for _ in range(3):
        caller = connected(console)
        caller.types("sse", "right")
        caller.hangs_up()
    (failures,) = console.backoff._failures.values()
    assert len(failures.turns) == 1  # of the first, which waits


def test_passwords_that_are_refused_during_a_delay_are_not_counted(console: VirtualConsole) -> None:
    connected(console).types("sse", "wrong")
    for _ in range(50):
        caller = connected(console)
        caller.types("sse", "wrong")
        caller.hangs_up()
    console.clock.advance(1)
    assert len(console.lines) == 1
    caller = connected(console)
    assert caller.types("sse", "right").endswith(">>> ")


def test_another_address_can_log_in_during_a_delay(console: VirtualConsole) -> None:
    attacker, owner = connected(console, "192.168.0.7"), connected(console, "192.168.0.8")
    attacker.types("sse", "wrong")
    assert owner.types("sse", "right").endswith(">>> ")


def test_input_during_the_delay_is_discarded(console: VirtualConsole) -> None:
    caller = connected(console)
    caller.types("sse", "wrong", "sse", "right")
    console.clock.advance(1)
    assert caller.screen.endswith("Username: ")


def test_a_client_that_refuses_every_option_can_log_in(console: VirtualConsole) -> None:
    caller = connected(console)
    caller.types("sse")
    caller.sends(b"\xff\xfe\x01")  # don't echo
    caller.types("right")
    for option in b"\x22\x1f\x03":
        caller.sends(b"\xff\xfc" + bytes([option]))
    caller.sends(b"\xff\xfe\x01\xff\xfe\x03")
    assert caller.sees("6*7") == "42"


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
def test_garbage_leaves_no_connection_timer_or_failure(
    console: VirtualConsole, garbage: bytes, logged_in: bool, logged_failures: list[LogEvent]
) -> None:
    caller = console.guest() if logged_in else connected(console)
    caller.sends(garbage)
    caller.hangs_up()
    assert not console.factory.protocols
    assert not logged_failures
    assert all(line.startswith(("info", "debug", "warn Console: wrong")) for line in console.lines)
    console.backoff.close()
    assert not console.clock.getDelayedCalls()


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_end_at_worst_their_own_connection(console: VirtualConsole, seed: int) -> None:
    random_bytes = random.Random(seed).randbytes
    other, caller = console.guest(), console.guest()
    for _ in range(30):
        caller.sends(random_bytes(40))
    caller.hangs_up()
    assert other.sees("1+1") == "2"
    assert len(console.factory.protocols) == 1
