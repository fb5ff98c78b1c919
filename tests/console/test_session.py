"""What is typed: commands, mistakes, and what can't harm the daemon."""

from __future__ import annotations

import sys

import pytest
from twisted.logger import LogEvent

from tests.console.terminal import House
from tests.support.event import VirtualEvent


def test_the_fleet_is_a_table_that_needs_no_call(house: House) -> None:
    guest = house.guest()
    heading, first, second, total = guest.sees("fleet").splitlines()
    assert heading.split() == ["device", "sailor", "stage", "since", "battery", "tracks", "finding"]
    assert first.split()[:4] == ["motion-601", "Sailor", "601", "collected"]
    assert "1/1" in first
    assert second.split() == ["motion-602", "Sailor", "602", "absent"]
    assert total == "2 devices: 1 absent, 1 collected"
    assert guest.sees("fleet()") == guest.sees("fleet")


def test_deferreds_print_when_they_fire(house: House, event: VirtualEvent) -> None:
    guest = house.guest()
    assert guest.sees("retry(601)") == "<Deferred #0>"
    guest.clear()
    event.advance(2)
    assert "Deferred #0 called back: motion-601 can be disconnected" in guest.screen
    assert guest.screen.endswith(">>> ")


def test_a_device_is_told_with_its_tracks_and_events(house: House) -> None:
    answer = house.guest().sees("device(601)")
    assert "motion-601: Sailor 601, collected" in answer
    assert "waits for  nothing: it can be disconnected" in answer
    assert "ABC601XYZ_601_20221017_090000.oao  completed" in answer
    assert "outside the event; fetch(601, name) downloads them:" in answer
    assert "info      can be disconnected" in answer


def test_a_track_of_another_time_is_fetched(house: House, event: VirtualEvent) -> None:
    guest = house.guest()
    guest.types('fetch(601, "motion-601_20220917_090000.oao")')
    event.advance(3)
    local_file = "gpslogs/unassigned/20220917/motion-601_20220917_090000.oao"
    assert f"motion-601_20220917_090000.oao downloaded, verified: {local_file}" in guest.screen


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("why(602)", "not seen yet, looked for every 2 s"),
        ("missing()", "device      sailor      waits for\nmotion-602  Sailor 602  not seen yet, looked for every 2 s"),
        ("pause()", "downloads paused; resume() continues"),
        ("resume()", "downloads resumed"),
        ("rescan()", "looking for all absent devices"),
        ("forget(602)", "visit reset; the device is looked for again"),
        ("reload()", "configuration unchanged"),
        ('loglevel("debug")', "log level debug"),
        ("why(999)", "error: motion-999 is on no roster, and was not seen"),
        ("waive(601, 'why not')", "error: motion-601 did not leave early"),
        ("retry(602)", "error: motion-602 is not here (absent)"),
        ("answer", "42"),
        ("waive(601)", "error: usage: waive(device, reason) (missing a required argument: 'reason')"),
        ("waive()", "error: usage: waive(device, reason) (missing a required argument: 'device')"),
        ("waive(601, 'a', 'b')", "error: usage: waive(device, reason) (too many positional arguments)"),
        ("why(number=601)", "error: usage: why(device) (missing a required argument: 'device')"),
        ("missing(601)", "error: usage: missing() (too many positional arguments)"),
        ("tracks(1, 2)", "error: usage: tracks([day]) (too many positional arguments)"),
        ("help(1, 2)", "error: usage: help([thing]) (too many positional arguments)"),
        ("missing", "missing(): List the devices expected today that are not collected, and why."),
        ("waive", "waive(device, reason): Give up the missing tracks of a device that left too early."),
        ("tracks", "tracks([day]): List the tracks of a day (default: today) with their outcome."),
        ("help", "help([thing]): Explain a name; without one, list all names."),
        ("exit", "exit() or ^D ends the session, not the collector"),
    ],
)
def test_a_command_answers_in_words(house: House, line: str, answer: str) -> None:
    assert house.guest().sees(line) == answer


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("stats()", "requests"),
        ("stats()", "verified"),
        ("semaphores()", "downloads      16     0        0"),
        ("settings", "scan.interval = 2.0"),
        ('tracks("2022-10-17")', "1 track of 2022-10-17"),
        ("tracks()", "1 track of 2022-10-17"),
        ("help()", "Reading: fleet"),
        ("help(retry)", "retry(device)"),
        ("help(retry)", "show the verdict"),
        ("help(fleet)", "All devices"),
        ("help(settings)", "The current settings"),
        ("help(len)", "Return the number of items in a container"),
        ("help(fetch)", "must stay connected"),
    ],
)
def test_a_command_shows(house: House, line: str, part: str) -> None:
    assert part in house.guest().sees(line)


def test_tables_fit_the_screen(house: House) -> None:
    guest = house.guest()
    for line in ("fleet", "missing()", "stats()", "semaphores()", "settings", "device(601)", "tracks()", "help()"):
        assert max(map(len, guest.sees(line).splitlines())) <= 100 + len("Deferred #0 called back: "), line


def test_every_command_says_what_it_does_and_what_it_takes(house: House) -> None:
    from sse_twisted.console.namespace import ACTING, READING

    guest = house.guest()
    for name in {*READING, *ACTING, "help"} - {"fleet", "settings"}:
        assert guest.sees(name).startswith(f"{name}("), name
        assert guest.sees(f"{name}(1, 2, 3)").startswith(f"error: usage: {name}("), name
    for name in ("fleet", "settings"):
        assert guest.sees(f"{name}(601)") == guest.sees(name)


def test_every_command_has_a_help(house: House) -> None:
    from sse_twisted.console.namespace import ACTING, READING

    guest = house.guest()
    for name in (*READING, *ACTING):
        assert guest.sees(f"help({name})").strip(), name


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
    house: House, mistake: str, logged_failures: list[LogEvent]
) -> None:
    guest = house.guest()
    before = sys.stdout, sys.stdin, sys.displayhook, sys.excepthook
    guest.types(*mistake.split("\n"))
    guest.sends(b"\x03")
    assert guest.sees("6*7") == "42"
    assert (sys.stdout, sys.stdin, sys.displayhook, sys.excepthook) == before
    assert not logged_failures
    assert not [line for line in house.lines if "invalid input" in line]


@pytest.mark.parametrize("line", ["exit()", "quit()", "raise SystemExit", "import sys; sys.exit(1)"])
def test_leaving_ends_the_session_only(house: House, line: str) -> None:
    other, guest = house.guest(), house.guest()
    guest.types(line)
    assert guest.has_gone
    assert other.sees("6*7") == "42"
    assert house.lines[-1] == "info sse logged out of the console"


def test_control_d_leaves_and_control_c_forgets_the_line(house: House) -> None:
    guest = house.guest()
    guest.types("def f():")
    guest.sends(b"abc\x03")
    assert guest.screen.endswith("KeyboardInterrupt\r\n>>> ")
    assert guest.sees("6*7") == "42"
    guest.types("def f():")
    guest.sends(b"\xff\xf4")  # as some clients say it
    assert guest.sees("6*7") == "42"
    guest.sends(b"\x04")
    assert guest.has_gone


def test_lines_can_be_edited_and_come_back(house: House) -> None:
    guest = house.guest()
    guest.sends(b"6*8\x7f7\r\n")
    assert "42" in guest.screen
    guest.clear()
    guest.sends(b"\x1b[A\r\n")
    assert "42" in guest.screen


def test_the_size_of_the_window_does_not_clear_the_greeting(house: House) -> None:
    guest = house.guest()
    guest.sends(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x64\x00\x28\xff\xf0")
    assert "\x1b[2J" not in guest.transport.value().decode(errors="replace")
    assert guest.sees("6*7") == "42"


def test_what_fires_when_nobody_is_there_any_more_is_not_said_to_anybody(
    house: House, event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    guest = house.guest()
    guest.types("retry(601)")
    guest.hangs_up()
    event.advance(3)
    assert not logged_failures


def test_a_failure_that_was_shown_is_not_in_the_log_as_well(
    house: House, event: VirtualEvent, logged_failures: list[LogEvent]
) -> None:
    guest = house.guest()
    guest.types("retry(601)", "forget(601)")
    assert "Deferred #0 failed: 'motion-601 has gone'" in guest.screen
    guest.types("_ = None")
    event.advance(1)


def test_a_deferred_of_ones_own_prints_as_well(house: House) -> None:
    guest = house.guest()
    guest.types("from twisted.internet.defer import Deferred", "d = Deferred()", "d")
    guest.types("d.callback(6*7)")
    assert "Deferred #0 called back: 42" in guest.screen
