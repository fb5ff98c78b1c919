from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.live import LiveConfig
from sse_twisted.config.roster import Assignment, Roster
from sse_twisted.config.settings import Expected, Settings
from sse_twisted.devices.driver import Listing
from sse_twisted.event_folder.naming import all_tracks
from sse_twisted.event_folder.planned_moves import planned_moves
from tests.event_folder.test_naming import log
from tests.support.event import VirtualEvent

FIRST, DAY, LAST = datetime.date(2022, 10, 15), datetime.date(2022, 10, 17), datetime.date(2022, 10, 21)
NOON = datetime.time(12, 30)
MORNING = Assignment(601, FIRST, DAY, "ANN", "Ann", "1", 2, end_time=NOON)
AFTERNOON = Assignment(601, DAY, LAST, "BEN", "Ben", "2", 3, start_time=NOON)


def owner(moment: str, *, device: int, event: int = 60) -> str:
    """The owner of a track that starts at a moment in UTC, by the zones of device and event in minutes."""
    start = int(datetime.datetime.fromisoformat(f"{moment}+00:00").timestamp() * 1000)
    rules = FilingRules((MORNING, AFTERNOON), (FIRST, LAST), 0.0, device, event_timezone=event)
    (track,) = all_tracks(601, Listing((log(start),)), rules)
    return track.owner.file_id if track.owner else ""


class TestADeviceThatChangesHandsDuringADay:
    def test_has_its_tracks_by_their_start(self) -> None:
        assert owner("2022-10-17 11:29:59", device=60) == "ANN"
        assert owner("2022-10-17 11:30:00", device=60) == "BEN"

    @pytest.mark.parametrize("device", [0, 60, 120])
    def test_does_so_by_the_zone_of_the_event_whatever_the_device_is_set_to(self, device: int) -> None:
        assert owner("2022-10-17 11:29:59", device=device) == "ANN"
        assert owner("2022-10-17 11:30:00", device=device) == "BEN"

    def test_does_so_where_summer_time_ends_and_only_the_event_is_set_back(self) -> None:
        assert owner("2022-10-17 12:29:59", device=60, event=0) == "ANN"
        assert owner("2022-10-17 12:30:00", device=60, event=0) == "BEN"

    def test_is_of_its_first_and_last_day_by_its_own_zone(self) -> None:
        assert owner("2022-10-14 23:30:00", device=60) == "ANN"
        assert owner("2022-10-14 23:30:00", device=0) == ""
        assert owner("2022-10-21 23:30:00", device=0) == "BEN"
        assert owner("2022-10-21 23:30:00", device=60) == ""


def test_the_moves_of_a_roster_are_those_that_the_collector_then_makes(event: VirtualEvent, tmp_path: Path) -> None:
    event.collect()
    collector = event.collector
    assert collector is not None
    former = collector.live.roster
    (mine,) = former.assignments
    new = Roster((Assignment(601, mine.first_day, mine.last_day, "NEW", "Ann", "", 2),))
    (move,) = planned_moves(event.folder, collector.live, former, new)
    assert str(move) == ("ABC601XYZ_601_20221017_090000.oao (Sailor 601) to NEW_601_20221017_090000.oao (Ann)")
    assert planned_moves(event.folder, collector.live, former, former) == ()
    assert planned_moves(event.folder, collector.live, former, Roster()) == ()


def test_a_corrected_time_zone_takes_no_track_from_its_owner(event: VirtualEvent) -> None:
    event.collect()
    collector = event.collector
    assert collector is not None
    live = LiveConfig(Settings(expected=Expected(timezone=0)), collector.live.roster)
    assert planned_moves(event.folder, live, live.roster, live.roster) == ()


def test_a_torn_ledger_moves_nothing(event: VirtualEvent) -> None:
    event.collect()
    collector = event.collector
    assert collector is not None
    event.folder.ledger_path(601).write_text("torn")
    assert planned_moves(event.folder, collector.live, collector.live.roster, Roster((MORNING,))) == ()
