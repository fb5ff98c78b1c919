"""The interpreter: Deferreds, mistakes, line editing, and leaving."""

from __future__ import annotations

import sys

import pytest
from twisted.logger import LogEvent

from tests.console.terminal import VirtualConsole
from tests.support.event import VirtualEvent


def test_deferreds_print_when_they_fire(console: VirtualConsole, event: VirtualEvent) -> None:
    guest = console.guest()
    assert guest.sees("retry 601") == "retry 601 is running; its outcome will be shown here"
    guest.clear()
    event.advance(2)
    assert "retry 601: motion-601 can be disconnected" in guest.screen
    assert guest.screen.endswith(">>> ")


MISTAKES = (
    "1/0",
    "nonsense",
    "(" * 500,
    "'",
    "# coding: nonsense",
    "0777",
    "1_",
    "raise KeyboardInterrupt",
    "raise BaseException",
    "raise GeneratorExit",
    "input()",
    "import sys; sys.stdin.read()",
    "import os; os.nonsense",
    "class X:\n",
    "\x00",
    "é",
    "fleet[",
    "print(open)",
    "lambda: (yield)",
    "def f(): return f()",
    "f = lambda: f(); f()",
    "help('nonsense')",
    "class R:\n  def __repr__(self): 1/0\n",
    "a" * 5000,
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_harms_neither_session_nor_daemon(
    console: VirtualConsole, mistake: str, logged_failures: list[LogEvent]
) -> None:
    guest = console.guest()
    before = sys.stdout, sys.stdin, sys.displayhook, sys.excepthook
    guest.types(*mistake.split("\n"))
    guest.sends(b"\x03")
    assert guest.sees("6*7") == "42"
    assert (sys.stdout, sys.stdin, sys.displayhook, sys.excepthook) == before
    assert not logged_failures
    assert not [line for line in console.lines if "invalid input" in line]


@pytest.mark.parametrize(
    "line", ["exit", "quit", " exit ", "exit()", "quit()", "exit(0)", "raise SystemExit", "import sys; sys.exit(1)"]
)
def test_leaving_ends_the_session_only(console: VirtualConsole, line: str) -> None:
    other, guest = console.guest(), console.guest()
    guest.types(line)
    assert guest.has_gone
    assert other.sees("6*7") == "42"
    assert console.lines[-1] == "info sse logged out of the console"


def test_control_d_leaves_and_control_c_discards_the_line(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("def f():")
    guest.sends(b"abc\x03")
    assert guest.screen.endswith("KeyboardInterrupt\r\n>>> ")
    assert guest.sees("6*7") == "42"
    guest.types("def f():")
    guest.sends(b"\xff\xf4")  # as some clients say it
    assert guest.sees("6*7") == "42"
    guest.sends(b"\x04")
    assert guest.has_gone


def test_lines_can_be_edited_and_recalled(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.sends(b"6*8\x7f7\r\n")
    assert "42" in guest.screen
    guest.clear()
    guest.sends(b"\x1b[A\r\n")
    assert "42" in guest.screen


def test_the_size_of_the_window_does_not_clear_the_greeting(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.sends(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x64\x00\x28\xff\xf0")
    assert "\x1b[2J" not in guest.transport.value().decode(errors="replace")
    assert guest.sees("6*7") == "42"


def test_a_deferred_that_fires_after_the_session_prints_nothing(
    console: VirtualConsole, event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    guest = console.guest()
    guest.types("retry(601)")
    guest.hangs_up()
    event.advance(3)
    assert not logged_failures


def test_a_failure_on_the_screen_is_not_logged_as_unhandled(
    console: VirtualConsole, event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    guest = console.guest()
    guest.types("retry(601)", "forget(601)")
    assert "retry(601) failed: motion-601 is no longer connected" in guest.screen
    guest.types("_ = None")
    event.advance(1)


def test_a_failure_without_words_is_shown_by_its_name(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("from twisted.internet.defer import Deferred", "d = Deferred()", "d", "d.cancel()")
    assert "d failed: CancelledError" in guest.screen


def test_a_deferred_made_in_the_session_prints_as_well(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("from twisted.internet.defer import Deferred", "d = Deferred()", "d")
    guest.types("d.callback(6*7)")
    assert "d: 42" in guest.screen


def test_an_outcome_of_several_lines_begins_on_a_line_of_its_own(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("from twisted.internet.defer import Deferred", "d, e = Deferred(), Deferred()", "d", "e")
    guest.types("class Table:\n  def __repr__(self): return 'a\\nb'\n", "d.callback(Table())", "e.callback(None)")
    assert "d:\r\na\r\nb" in guest.screen
    assert "e: done" in guest.screen


def test_a_name_that_was_given_another_meaning_does_not_leave(console: VirtualConsole) -> None:
    guest = console.guest()
    guest.types("exit = 6*7")
    assert guest.sees("exit") == "42"
