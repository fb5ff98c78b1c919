from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sse_twisted.config.filing import FilingRules
from sse_twisted.config.roster import Assignment, parse_roster
from sse_twisted.devices.answer_json import parse_json
from sse_twisted.devices.driver import ListedTrack, Listing, extension_of
from sse_twisted.devices.motion.messages import listed_track, listing_of, settings_of
from sse_twisted.event_folder.naming import MM_PER_S, EventTrack, Named, all_tracks, event_tracks
from sse_twisted.simulator.listings import EVIL_PATHS
from tests.event_folder.samples import FIRST, LAST, OWNER

DAY, HOUR = datetime.timedelta(days=1), 3_600_000
NEXT = Assignment(601, LAST + DAY, LAST + 2 * DAY, "XYZ601ABC", "Sailor 2", "", 3)
NOON = 1_666_094_400_000  # 2022-10-18, 12:00 UTC, in ms


def ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 1000


def log(start: int = NOON, file: str = "/logs/2022/10/0601_2022-10-18-1300.oao", **changes: Any) -> ListedTrack:
    figures = {"size": 895_988, "end_date": start + HOUR, "timezone": 60} | changes
    best = figures.pop("best_500m", 13_820)
    claims = (("500m", best),) if best is not None else ()
    extension = extension_of(file, ".oao")
    return ListedTrack(file, start_date=start, length=894_964, claims=claims, extension=extension, **figures)


def tracks_of(
    *logs: ListedTrack,
    assignments: tuple[Assignment, ...] = (OWNER, NEXT),
    days: tuple[datetime.date, datetime.date] | None = (FIRST, LAST + 2 * DAY),
    slowest: float = 1.0,
    timezone: int | None = 60,
) -> tuple[EventTrack, ...]:
    return event_tracks(601, Listing(logs), FilingRules(assignments, days, slowest, timezone))


def files_of(*logs: ListedTrack, **rules: Any) -> list[str]:
    return [track.local_file for track in tracks_of(*logs, **rules)]


def test_a_track_has_the_name_of_its_owner_its_device_and_its_start() -> None:
    (track,) = tracks_of(log())
    assert track.local_file == "gpslogs/20221018/ABC601XYZ_601_20221018_130000.oao"
    assert (track.owner, track.skipped, track.identifier) == (OWNER, False, 601)


@pytest.mark.parametrize(
    ("start", "timezone", "file"),
    [
        ("2022-10-17T22:59:59", 60, "20221017/ABC601XYZ_601_20221017_235959"),
        ("2022-10-17T23:00:00", 60, "20221018/ABC601XYZ_601_20221018_000000"),
        ("2022-10-18T00:59:59", -60, "20221017/ABC601XYZ_601_20221017_235959"),
        ("2022-10-18T01:00:00", -60, "20221018/ABC601XYZ_601_20221018_000000"),
        ("2022-10-17T23:59:59", 0, "20221017/ABC601XYZ_601_20221017_235959"),
        ("2022-10-21T22:59:59", 60, "20221021/ABC601XYZ_601_20221021_235959"),
        ("2022-10-21T23:00:00", 60, "20221022/XYZ601ABC_601_20221022_000000"),
        ("2022-10-17T10:00:00", 840, "20221018/ABC601XYZ_601_20221018_000000"),
    ],
)
def test_the_day_is_that_of_the_devices_time_zone(start: str, timezone: int, file: str) -> None:
    assert files_of(log(ms(start)), timezone=timezone) == [f"gpslogs/{file}.oao"]


def test_a_device_that_does_not_say_its_time_zone_leaves_it_to_each_log() -> None:
    logs = (log(timezone=-60), log(timezone=None), log(timezone=60))
    assert [name[-10:-4] for name in files_of(*logs, timezone=None)] == ["110000", "120000", "130000"]


def test_parts_of_a_second_do_not_count() -> None:
    assert files_of(log(NOON + 999)) == files_of(log(NOON))


def test_of_two_who_have_the_device_the_first_on_the_roster_counts() -> None:
    other = Assignment(601, FIRST, LAST, "OTHER", "", "", 9)
    assert tracks_of(log(), assignments=(other, OWNER))[0].owner is other


class TestWithoutAnOwner:
    def test_a_track_of_the_events_days_is_kept_apart(self) -> None:
        (track,) = tracks_of(log(), assignments=())
        assert track.local_file == "gpslogs/unassigned/20221018/motion-601_20221018_130000.oao"
        assert track.owner is None

    def test_a_log_of_other_days_is_none_of_the_events(self) -> None:
        before, after = log(ms("2022-10-14T22:59:59")), log(ms("2022-10-23T23:00:00"))
        assert files_of(before, after) == []
        assert len(files_of(before, after, days=None)) == 2

    def test_a_log_of_other_days_with_an_owner_is_the_events(self) -> None:
        assert len(files_of(log(), days=(LAST, LAST))) == 1

    @pytest.mark.parametrize(
        ("start", "name"),
        [
            (0, "19700101/motion-601_19700101_010000"),
            (-1, "19700101/motion-601_19700101_005959"),
            (ms("1980-01-06T00:00:00"), "19800106/motion-601_19800106_010000"),
            (ms("2080-01-01T00:00:00"), "20800101/motion-601_20800101_010000"),
            (ms("0200-01-01T00:00:00"), "2000101/motion-601_2000101_010000"),
            (2**62, f"undated/motion-601_undated_{2**62}"),
            (-(2**62), f"undated/motion-601_undated_{-(2**62)}"),
        ],
    )
    def test_a_log_whose_clock_was_lost_may_be_of_today(self, start: int, name: str) -> None:
        assert files_of(log(start)) == [f"gpslogs/unassigned/{name}.oao"]

    def test_a_log_with_an_odd_time_zone_may_be_of_today(self) -> None:
        assert files_of(log(timezone=2**61), timezone=None) == [
            f"gpslogs/unassigned/undated/motion-601_undated_{NOON}.oao"
        ]


class TestTheFilter:
    @pytest.mark.parametrize(
        ("knots", "slowest", "skipped"), [(0.99, 1.0, True), (1.01, 1.0, False), (7.9, 8.0, True), (0, 0.0, False)]
    )
    def test_leaves_out_what_is_slower(self, knots: float, slowest: float, skipped: bool) -> None:
        (track,) = tracks_of(log(best_500m=round(knots * MM_PER_S)), slowest=slowest)
        assert track.skipped is skipped

    def test_does_not_hold_for_a_log_that_was_never_finalised(self) -> None:
        assert not tracks_of(log(end_date=0, best_500m=0))[0].skipped

    def test_does_not_hold_for_a_log_that_does_not_say_how_fast_it_was(self) -> None:
        assert not tracks_of(log(best_500m=None))[0].skipped


class TestTwoLogsOfOneSecond:
    def test_have_names_of_their_own(self) -> None:
        logs = [log(NOON + part, f"/logs/{part}.oao") for part in range(4)]
        assert [track.name for track in tracks_of(*logs)] == [
            "ABC601XYZ_601_20221018_130000.oao",
            "ABC601XYZ_601_20221018_130000-2.oao",
            "ABC601XYZ_601_20221018_130000-3.oao",
            "ABC601XYZ_601_20221018_130000-4.oao",
        ]

    def test_keep_them_whether_one_is_skipped_or_not(self) -> None:
        logs = (log(file="/logs/a.oao", best_500m=0), log(file="/logs/b.oao"))
        assert [track.name for track in tracks_of(*logs)] == [track.name for track in tracks_of(*logs, slowest=0)]

    def test_of_different_kinds_need_no_number(self) -> None:
        assert [name[-4:] for name in files_of(log(file="/a.oao"), log(file="/a.gpx"))] == [".oao", ".gpx"]

    def test_are_named_in_a_few_steps_each(self) -> None:
        """20,000 of them from one device must not keep the reactor for a minute."""
        calls = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls
            calls += event == "c_call"

        logs = [log(file=f"/logs/{number}.oao") for number in range(500)]
        sys.setprofile(count)
        try:
            names = files_of(*logs)
        finally:
            sys.setprofile(None)
        assert len(set(names)) == 500
        assert calls < 500 * 30


@pytest.mark.parametrize(
    ("file", "extension"),
    [
        ("/logs/a.oao", ".oao"),
        ("/logs/a.OAO", ".OAO"),
        ("/logs/a.b.sbp", ".sbp"),
        ("/logs/a", ".oao"),
        ("/logs.d/a", ".oao"),
        ("/logs/a.", ".oao"),
        ("/logs/a.oao/", ".oao"),
        ("/logs/a.toolongext", ".oao"),
        ("/logs/a.o\u0430o", ".oao"),
        ("/logs/a./../b", ".oao"),
        ("/logs/a.o o", ".oao"),
        ("/logs/a.oao\n", ".oao"),
        ("", ".oao"),
    ],
)
def test_the_extension_is_that_of_the_log_if_it_is_one(file: str, extension: str) -> None:
    assert tracks_of(log(file=file))[0].name == f"ABC601XYZ_601_20221018_130000{extension}"


def test_a_track_is_summed_up_as_in_the_original_log() -> None:
    (track,) = tracks_of(log(duration=19_302_000, distance=36_398_242))
    assert track.summary == "0.9 MiB, 5.4 hours, 36.4 km, 26.9 knots (500m)"
    assert tracks_of(log(best_500m=None))[0].summary == "0.9 MiB, 0.0 hours, 0.0 km, 0.0 knots (500m)"


class TestLogsOfTheSameSecond:
    FIRST, SECOND, THIRD = (
        log(file=f"/logs/{letter}.oao", size=size) for letter, size in (("a", 1), ("b", 2), ("c", 3))
    )
    NAMES = tuple(f"ABC601XYZ_601_20221018_130000{number}.oao" for number in ("", "-2", "-3"))

    def names(
        self, *logs: ListedTrack, named: dict[str, ListedTrack] | None = None, completed: bool = True
    ) -> list[str]:
        known = [Named(name, log, completed) for name, log in (named or {}).items()]
        rules = FilingRules((OWNER,), (FIRST, LAST), 1.0, 60)
        return [track.name for track in event_tracks(601, Listing(logs), rules, known)]

    def test_are_numbered_as_they_are_listed(self) -> None:
        assert self.names(self.FIRST, self.SECOND, self.THIRD) == list(self.NAMES)

    @pytest.mark.parametrize("completed", [True, False])
    def test_keep_their_numbers_when_another_one_is_deleted(self, completed: bool) -> None:
        named = dict(zip(self.NAMES, (self.FIRST, self.SECOND, self.THIRD), strict=True))
        assert self.names(self.SECOND, self.THIRD, named=named, completed=completed) == [self.NAMES[1], self.NAMES[2]]
        assert self.names(self.THIRD, self.FIRST, named=named, completed=completed) == [self.NAMES[2], self.NAMES[0]]

    def test_keep_them_while_they_grow(self) -> None:
        named = {self.NAMES[0]: self.FIRST, self.NAMES[1]: self.SECOND}
        grown = replace(self.SECOND, size=900, end_date=NOON + 2 * HOUR)
        assert self.names(grown, named=named) == [self.NAMES[1]]
        assert self.names(grown, self.SECOND, named=named) == [self.NAMES[2], self.NAMES[1]]

    def test_take_no_number_of_one_that_was_fetched_and_deleted(self) -> None:
        named = {self.NAMES[0]: self.FIRST}
        assert self.names(self.SECOND, named=named) == [self.NAMES[1]]
        assert self.names(self.SECOND, named=named, completed=False) == [self.NAMES[0]]

    def test_take_the_name_that_they_had_at_another_path(self) -> None:
        assert self.names(replace(self.FIRST, file="/new/a.oao"), named={self.NAMES[0]: self.FIRST}) == [self.NAMES[0]]

    def test_take_the_name_of_one_that_will_have_another(self) -> None:
        later = log(NOON + HOUR, file="/logs/b.oao")
        named = {"ABC601XYZ_601_20221018_120000.oao": self.FIRST, self.NAMES[0]: later}
        assert self.names(self.FIRST, later, named=named) == [self.NAMES[0], "ABC601XYZ_601_20221018_140000.oao"]

    def test_are_numbered_in_no_time_however_many_a_device_lists(self) -> None:
        logs = [log(size=number) for number in range(20_000)]
        names = self.names(*logs)
        named = dict(zip(names, logs, strict=True))
        assert self.names(*logs, named=named) == names
        assert sorted(self.names(*(replace(one, size=-one.size) for one in logs), named=named)) == sorted(names)

    def test_without_a_clock_keep_theirs_too(self) -> None:
        first, second = (log(2**62, file=file) for file in ("/a.oao", "/b.oao"))
        names = self.names(first, second)
        assert names == [f"motion-601_undated_{2**62}.oao", f"motion-601_undated_{2**62}-2.oao"]
        assert self.names(second, named=dict(zip(names, (first, second), strict=True))) == [names[1]]


NUMBERS = st.integers(-(2**62), 2**62) | st.integers(NOON - 10 * 24 * HOUR, NOON + 10 * 24 * HOUR)
ENTRIES = st.builds(
    lambda **figures: listed_track({key: value for key, value in figures.items() if value is not None}),
    file=st.text(max_size=20) | st.sampled_from(EVIL_PATHS),
    size=NUMBERS,
    start_date=NUMBERS,
    end_date=NUMBERS,
    timezone=st.none() | NUMBERS | st.integers(-840, 840),
    **{"500m_best": st.none() | NUMBERS},
)


@given(st.lists(ENTRIES, max_size=5), st.none() | st.integers(-840, 840), st.booleans())
def test_whatever_is_listed_no_name_leads_out_of_the_tracks(
    entries: list[ListedTrack], timezone: int | None, owned: bool
) -> None:
    tracks = tracks_of(*entries, timezone=timezone, assignments=(OWNER,) if owned else ())
    assert len({track.local_file for track in tracks}) == len(tracks)
    for track in tracks:
        path = PurePosixPath(track.local_file)
        assert path.parts[0] == "gpslogs"
        assert ".." not in path.parts
        assert path.name == track.name
        assert track.name.isascii()
        assert track.name.isprintable()
        assert not set(track.name) & set("/\\:*?\"<>| '")
        assert not track.name.startswith(".")
        assert len(track.name) < 120
        assert track.summary.isprintable()


def test_all_names_of_a_real_event_are_the_originals(captures: Path) -> None:
    event = captures / "event-2022"
    roster = parse_roster((event / "config" / "motions.csv").read_bytes())
    counts = {"completed": 0, "skipped": 0}
    for folder in sorted((event / "motions").iterdir()):
        identifier = int(folder.name.removeprefix("motion-"))
        settings = settings_of(parse_json((folder / "settings.json").read_bytes(), "settings.json"))
        listing = listing_of(parse_json((folder / "logs.json").read_bytes(), "logs.json"))
        rules = FilingRules(roster.of(identifier), roster.days, 1.0, settings.timezone)
        tracks = {track.name: track for track in event_tracks(identifier, listing, rules)}
        ledger = json.loads((folder / "downloads.json").read_bytes())
        assert set(tracks) == set(ledger)
        for name, entry in ledger.items():
            assert tracks[name].local_file == entry["local_file"]
            assert tracks[name].log.file == entry["motion_file"]
            assert tracks[name].skipped is (entry["status"] == "skipped")
            counts[entry["status"]] += 1
    assert counts == {"completed": 77, "skipped": 15}


class TestWhatIsAskedFor:
    OLD = log(ms("2022-09-01T10:00:00"), "/logs/2022/09/0601_2022-09-01-1100.oao")
    SLOW = log(best_500m=10)

    def rules(self, *files: str) -> FilingRules:
        return FilingRules((OWNER,), (FIRST, LAST), 1.0, 60, frozenset(files))

    def test_a_log_of_another_time_has_a_name_and_is_wanted_only_when_asked_for(self) -> None:
        listing = Listing((self.OLD,))
        assert event_tracks(601, listing, self.rules()) == ()
        (other,) = all_tracks(601, listing, self.rules())
        assert not other.of_event
        (wanted,) = event_tracks(601, listing, self.rules(self.OLD.file))
        assert wanted.local_file == other.local_file == "gpslogs/unassigned/20220901/motion-601_20220901_110000.oao"

    def test_a_slow_one_is_not_skipped_when_asked_for(self) -> None:
        (skipped,) = event_tracks(601, Listing((self.SLOW,)), self.rules())
        (wanted,) = event_tracks(601, Listing((self.SLOW,)), self.rules(self.SLOW.file))
        assert (skipped.skipped, wanted.skipped) == (True, False)
        assert skipped.name == wanted.name

    def test_of_two_of_one_second_each_keeps_its_name_whichever_is_asked_for(self) -> None:
        twin = log(self.OLD.start_date, "/logs/2022/09/twin.oao")
        listing = Listing((self.OLD, twin))
        (second,) = event_tracks(601, listing, self.rules(twin.file))
        assert second.name == "motion-601_20220901_110000-2.oao"
        assert [track.name for track in all_tracks(601, listing, self.rules())][1] == second.name
