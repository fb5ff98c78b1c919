"""Commands and views: what they print, and how they explain themselves."""

from __future__ import annotations

import pytest

from tests.console.terminal import VirtualConsole
from tests.support.event import VirtualEvent


def test_the_fleet_is_a_table_that_needs_no_call(console: VirtualConsole) -> None:
    guest = console.guest()
    heading, first, second, total = guest.sees("fleet").splitlines()
    assert heading.split() == ["device", "sailor", "stage", "since", "battery", "tracks", "finding"]
    assert first.split()[:4] == ["motion-601", "Sailor", "601", "collected"]
    assert "1/1" in first
    assert second.split() == ["motion-602", "Sailor", "602", "absent"]
    assert total == "2 devices: 1 absent, 1 collected"
    assert guest.sees("fleet()") == guest.sees("fleet")


def test_a_device_is_shown_with_its_tracks_and_events(console: VirtualConsole) -> None:
    answer = console.guest().sees("device(601)")
    assert "motion-601: Sailor 601, collected" in answer
    assert "status     can be disconnected" in answer
    assert "ABC601XYZ_601_20221017_090000.oao  completed" in answer
    assert "outside the event; fetch(601, name) downloads them:" in answer
    assert "info      can be disconnected" in answer


def test_a_track_outside_the_event_can_be_fetched(console: VirtualConsole, event: VirtualEvent) -> None:
    guest = console.guest()
    guest.types('fetch(601, "motion-601_20220917_090000.oao")')
    event.advance(3)
    local_file = "gpslogs/unassigned/20220917/motion-601_20220917_090000.oao"
    assert f"motion-601_20220917_090000.oao downloaded, verified: {local_file}" in guest.screen


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("why(602)", "not seen yet, looked for every 1 s"),
        ("missing()", "device      sailor      status\nmotion-602  Sailor 602  not seen yet, looked for every 1 s"),
        ("pause()", "downloads paused until resume() or midnight"),
        ("resume()", "downloads resumed"),
        ("rescan()", "looking for all absent devices"),
        ("forget(602)", "visit reset; the device is looked for again"),
        ("reload()", "configuration unchanged"),
        ('loglevel("debug")', "log level debug"),
        ("why(999)", "error: motion-999 is not on the roster and was never seen"),
        ("waive(601, 'why not')", "error: motion-601 did not leave early"),
        ("retry(602)", "error: motion-602 is not connected (absent)"),
        ("answer", "42"),
        ("missing().value[0].identifier", "602"),
        ("waive(601)", "error: usage: waive(device, reason) (missing a required argument: 'reason')"),
        ("waive()", "error: usage: waive(device, reason) (missing a required argument: 'device')"),
        ("waive(601, 'a', 'b')", "error: usage: waive(device, reason) (too many positional arguments)"),
        ("why(number=601)", "error: usage: why(device) (missing a required argument: 'device')"),
        ("missing(601)", "error: usage: missing() (too many positional arguments)"),
        ("tracks(1, 2)", "error: usage: tracks([day]) (too many positional arguments)"),
        ("help(1, 2)", "error: usage: help([thing]) (too many positional arguments)"),
        ("roster()", "in force: 2 assignments of 2 devices, 2022-10-15 to 2022-10-21\nno change waits for a decision"),
        ("confirm()", "error: no change of the roster waits for a decision"),
        ("refuse()", "error: no change of the roster waits for a decision"),
        ("not_expected(601, 'ill')", "error: motion-601 is connected"),
        ("expect(602)", "error: motion-602 is not marked as not expected today"),
        ("missing", "missing(): List the devices expected today that are not collected, and why."),
        ("waive", "waive(device, reason): Give up the missing tracks of a device that left too early."),
        ("tracks", "tracks([day]): List the tracks of a day (default: today) with their outcome."),
        ("flet", "error: unknown command flet; did you mean fleet?"),
        ("flet(601)", "error: unknown command flet; did you mean fleet?"),
        ("flet 601", "error: unknown command flet; did you mean fleet?"),
        ("xyzzy", "error: unknown command xyzzy; help lists all commands"),
        ("fleet)", "error: unmatched ')'; help lists the commands"),
        ("1/0", "ZeroDivisionError: division by zero"),
        ("collector.flet", "error: unknown command collector; help lists all commands"),
        ("answer.flet", "AttributeError: 'int' object has no attribute 'flet'"),
        ("why 602", "not seen yet, looked for every 1 s"),
        ("explain(602)", "not seen yet, looked for every 1 s"),
        ("why", "why(device): Explain what a device is waiting for."),
        ("waive 601 'did not sail'", "error: motion-601 did not leave early"),
        ("waive 601 did not sail", "error: usage: waive(device, reason) (too many positional arguments)"),
        ("help(exit)", "exit([status]): End the session, not the collector; ^D does the same."),
    ],
)
def test_a_command_prints_its_result(console: VirtualConsole, line: str, answer: str) -> None:
    assert console.guest().sees(line) == answer


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("stats()", "requests"),
        ("stats()", "verified"),
        ("semaphores()", "downloads      16     0        0"),
        ("settings", "scan.interval = 1.0"),
        ('tracks("2022-10-17")', "1 track of 2022-10-17"),
        ("tracks()", "1 track of 2022-10-17"),
        ("help()", "  why(device)             Explain what a device is waiting for"),
        ("help", "  fleet                   All devices: stage and time in it"),
        ("help", "  tracks([day])"),
        ("help", "  answer                  the running int, for Python"),
        ("help('retry')", "show the verdict"),
        ("help help", "without one, list all commands"),
        ("settings", "event.first_day = not set"),
        ("settings", "names.search = not set"),
        ("help(help)", "without one, list all commands"),
        ("help(retry)", "retry(device)"),
        ("help(retry)", "show the verdict"),
        ("help(fleet)", "All devices"),
        ("help(settings)", "Settings in force"),
        ("help(len)", "Return the number of items in a container"),
        ("help(fetch)", "must stay connected"),
    ],
)
def test_a_command_shows(console: VirtualConsole, line: str, part: str) -> None:
    assert part in console.guest().sees(line)


def test_tables_fit_the_screen(console: VirtualConsole) -> None:
    guest = console.guest()
    for line in ("fleet", "missing()", "stats()", "semaphores()", "settings", "device(601)", "tracks()", "help()"):
        assert max(map(len, guest.sees(line).splitlines())) <= (125 if line == "help()" else 100), line


def test_every_command_shows_its_usage(console: VirtualConsole) -> None:
    from sse_twisted.console.namespace import ACTING, READING

    guest = console.guest()
    for name in {*READING, *ACTING} - {"fleet", "settings"}:
        assert f"  {name}(" in guest.sees("help")
        assert guest.sees(name).startswith(f"{name}("), name
        assert guest.sees(f"{name}(1, 2, 3, 4, 5, 6)").startswith(f"error: usage: {name}("), name
    for name in ("fleet", "settings"):
        assert guest.sees(f"{name}(601)") == guest.sees(name)


def test_every_command_has_a_help(console: VirtualConsole) -> None:
    from sse_twisted.console.namespace import ACTING, READING

    guest = console.guest()
    for name in (*READING, *ACTING, "help", "exit"):
        assert guest.sees(f"help({name})").strip(), name


def test_a_change_of_the_roster_that_waits_is_shown_and_decided(console: VirtualConsole, event: VirtualEvent) -> None:
    guest = console.guest()
    assert "not expected today" in guest.sees("not_expected(602, 'ill')")
    assert "602 is not expected today: ill" in guest.sees("roster()")
    assert "expected again" in guest.sees("expect(602)")
    event.people[0]["Motion ID"] = "699"
    event.write_roster()
    event.advance(5)
    shown = guest.sees("roster()")
    assert "waiting for confirm() or refuse(): the roster lacks 1 device of today (motion-601); 1 stored track" in shown
    assert "not in the new version: motion-601 ABC601XYZ Sailor 601, 2022-10-15 to 2022-10-21" in shown
    row = "ABC601XYZ_601_20221017_090000.oao  Sailor 601  unassigned   2022-10-17"
    assert row in shown
    assert "refused; correct the roster" in guest.sees("refuse()")
    assert "refused: the roster lacks 1 device" in guest.sees("roster()")
    assert "confirmed" in guest.sees("confirm()")
    assert guest.sees("roster()") == (
        "in force: 2 assignments of 2 devices, 2022-10-15 to 2022-10-21\nno change waits for a decision"
    )
