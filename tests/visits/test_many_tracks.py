"""A device that lists hundreds of tracks that it does not send: texts are bounded, verdicts are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sse_twisted.devices.connections import Address
from sse_twisted.devices.drivers import KNOWN
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger
from sse_twisted.event_folder.space import MB
from sse_twisted.fleet import MAX_NAMES, Stage
from sse_twisted.simulator.faults import Fault
from sse_twisted.visits.visit import MAX_REMARKS, Visit
from tests.support.event import MORNING, VirtualEvent, log_of

LISTED = 400
MAX_LINE = 1_500  # characters


def crowded(event: VirtualEvent) -> Any:
    """A device whose listing has one real track, and hundreds that it does not serve."""
    device = event.device(601, log_of(601))
    device.add_fault(Fault("10000-entries", LISTED), path="logs.json")
    event.people[0]["Start Date"] = "2000-01-01"
    event.write_roster()
    event.arrive(601)
    return event.start()


def test_every_text_about_it_is_short_and_counts_what_is_left_out(event: VirtualEvent) -> None:
    collector = crowded(event)
    event.until("must stay connected - ")
    device = event.known(601)
    assert (len(device.missing), device.missing_count, device.wanted) == (MAX_NAMES, LISTED - 1, LISTED)
    event.leave(601)
    event.until("motion-601 left too early - ")
    assert "399 of 400 tracks missing (" in event.known(601).left_early
    assert event.known(601).left_early.endswith(" and 379 more)")
    event.advance(3)
    assert max(map(len, event.lines)) < MAX_LINE
    assert event.folder.state_file.stat().st_size < 100_000
    assert len(msgspec.json.encode(collector.history.of(601))) < 1_000_000


def test_it_is_never_let_go_while_tracks_are_missing_that_no_text_names(event: VirtualEvent) -> None:
    crowded(event)
    event.until("must stay connected - ")
    event.until("retry 2 in ", 600)
    assert event.known(601).stage is not Stage.COLLECTED
    assert event.said("downloaded")
    assert not event.said("can be disconnected")


def test_after_many_failures_it_is_listed_again_and_tracks_that_were_not_tried_come_next(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_twisted.visits.runner.MAX_FAILURES", 50)
    crowded(event)
    event.until("must stay connected - ")
    assert len(event.said(" failed - ")) == 50
    event.until("retry 2 in ", 300)
    failed = [line.split()[2] for line in event.said(" failed - ")]
    assert len(set(failed)) == len(failed)


def test_its_lines_do_not_grow_with_each_listing() -> None:
    visit = Visit(601, Address("10.0.0.1", 80), KNOWN[0])
    assert [visit.is_new("a"), visit.is_new("a"), visit.is_new("b")] == [True, False, True]
    logged = sum(visit.is_new(f"queued {number}") for number in range(3 * MAX_REMARKS))
    assert logged == MAX_REMARKS - 2
    assert len(visit.remarked) == MAX_REMARKS


def test_its_alarm_survives_a_restart_with_the_count(event: VirtualEvent) -> None:
    crowded(event)
    event.until("must stay connected - ")
    event.leave(601)
    event.until("motion-601 left too early - ")
    before = event.known(601).left_early
    event.stop()
    event.start()
    event.advance(30)
    assert event.known(601).left_early == before
    assert event.known(601).missing_count == LISTED - 1


class TestMoreThanADeviceCanRecord:
    """It lists ever new tracks of a day, which are valid."""

    HOUR = 3_600_000

    @pytest.fixture
    def day_of_three(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """The bytes of three tracks are the most for a day."""
        most = 3 * len(log_of(601).content)
        monkeypatch.setattr("sse_twisted.visits.comparison.MAX_OF_DAY", most)
        return most

    def test_is_not_fetched_and_the_device_stays(self, event: VirtualEvent, day_of_three: int) -> None:
        device = event.device(601, *(log_of(601, MORNING + number * self.HOUR) for number in range(2)))
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        device.logs += [log_of(601, MORNING + number * self.HOUR) for number in range(2, 5)]
        event.wake_all()
        event.until(
            "must stay connected - 2 of 5 tracks missing (more than 0 MB for 2022-10-17: no device records that"
        )
        event.advance(600)
        assert len(event.tracks()) == 3
        assert not event.said(" failed - ")

    def test_is_fetched_for_another_day(self, event: VirtualEvent, day_of_three: int) -> None:
        tomorrow = MORNING + 24 * self.HOUR
        event.device(601, *(log_of(601, start + n * self.HOUR) for start in (MORNING, tomorrow) for n in range(3)))
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        assert len(event.tracks()) == 6

    def test_is_fetched_if_an_operator_asks_for_it(self, event: VirtualEvent, day_of_three: int) -> None:
        device = event.device(601, *(log_of(601, MORNING + number * self.HOUR) for number in range(4)))
        event.arrive(601)
        collector = event.start()
        event.until("must stay connected - 1 of 4 tracks missing (more than ")
        collector.commands.fetch(601, device.logs[3].path)
        event.until("can be disconnected")
        assert len(event.tracks()) == 4


def test_that_its_tracks_do_not_fit_on_the_disk_is_told_once(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventFolder, "free", lambda _: event.settings.downloads.disk_reserve * MB + 5 * MB)
    device = event.device(601, log_of(601))
    device.add_fault(Fault("10TB"), path="logs.json")
    event.arrive(601)
    event.start()
    event.until("retry 2 in ", 300)
    assert len(event.said("WARN motion-601 lists tracks of 10,000,000 MB, and there is room for 5 MB: make room")) == 1


def test_what_is_not_in_its_ledger_yet_is_written_when_it_goes(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "is_due", False)
    event.device(601, *(log_of(601, MORNING + number * 3_600_000) for number in range(3)))
    event.arrive(601)
    event.start()
    event.until(" downloaded - ")
    assert {entry["status"] for entry in event.ledger(601).values()} == {"queued"}
    event.leave(601)
    event.until("left too early", 60)
    stored = [name for name, entry in event.ledger(601).items() if entry["status"] == "completed"]
    assert stored == [Path(name).name for name in event.tracks()]
