"""Which tracks count for course runs: those of the collector, and those of `sse-results` beside it."""

from __future__ import annotations

import datetime as dt

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.config.settings import Expected
from sse_twisted.results.backups import Counting
from sse_twisted.results.counting import CountingReader
from sse_twisted.results.courses.computation import Computation
from tests.support.courses import S1, write_courses
from tests.support.event import MORNING, VirtualEvent
from tests.tracks import written

DAY = dt.date(2022, 10, 17)
BACKUP = "ABC601XYZ_601_20221017_090500.sbp"
DEVICE = "ABC601XYZ_601_20221017_090000.oao"


@pytest.fixture
def handed_in(event: VirtualEvent) -> VirtualEvent:
    """An event in which 601 is collected, and a backup of its sailor was handed in."""
    event.collect(601)
    path = event.root / "hand-in/ABC601XYZ watch.sbp"
    path.write_bytes(written.sbp(written.points(300, start=MORNING + 300_000)))
    event.advance(8)
    return event


def counting(event: VirtualEvent) -> Counting:
    assert event.collector is not None
    people = event.collector.live.roster.people
    return CountingReader(event.folder, lambda: people, Expected).on(DAY)


def computed(event: VirtualEvent) -> list[str]:
    """The tracks whose runs are computed."""
    write_courses(event.root, S1=S1)
    computation = Computation(event.root, dt.timezone(dt.timedelta(hours=1)), counting=lambda _: counting(event))
    return [job.file.name for job in computation.plan(computation.sources(DAY)).jobs]


def test_the_device_counts_where_both_are_here(handed_in: VirtualEvent) -> None:
    assert {path.rpartition("/")[2] for path in handed_in.tracks()} == {BACKUP, DEVICE}
    assert computed(handed_in) == [DEVICE]


def test_a_decision_turns_it_round(handed_in: VirtualEvent) -> None:
    assert handed_in.collector is not None
    service = handed_in.collector.hand_ins
    (entry,) = service.ledger.entries.values()
    Deferred.fromCoroutine(service.decide(entry, DAY, True, "Ann", "the device was worn by another"))
    handed_in.advance(1)
    assert computed(handed_in) == [BACKUP]


def test_without_a_hand_in_all_tracks_count(event: VirtualEvent) -> None:
    event.collect(601)
    assert counting(event) == Counting()
