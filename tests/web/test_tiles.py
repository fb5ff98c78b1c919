from __future__ import annotations

import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from sse_twisted.config.roster import Assignment
from sse_twisted.config.settings import Expected
from sse_twisted.fleet import Device, Stage, TrackSummary
from sse_twisted.web.tiles import Column, Download, Tile, bytes_of, tile_of
from sse_twisted.web.transfers import Estimate

TODAY = datetime.date(2022, 10, 17)
YESTERDAY = TODAY - datetime.timedelta(days=1)
UNKNOWN = Estimate()
ANN = Assignment(601, YESTERDAY, YESTERDAY, "AAA601", "Ann", "", 2)
BO = Assignment(601, TODAY, TODAY, "BBB601", "Bo", "", 3)


def glance(name: str, day: datetime.date = TODAY, **figures: Any) -> TrackSummary:
    plain = TrackSummary(name, day, 1000, 0, 3_600_000, 10_000_000, 10_000)
    return replace(plain, **figures)


def shown(
    assignments: tuple[Assignment, ...] = (ANN, BO),
    since: datetime.date = TODAY,
    estimate: Estimate = UNKNOWN,
    **known: Any,
) -> Tile:
    return tile_of(Device(601, **known), assignments, TODAY, since, Expected(), estimate)


SAILED = glance("today")


@pytest.mark.parametrize(
    ("known", "column"),
    [
        ({}, Column.EXPECTED),
        ({"stage": Stage.CONNECTED}, Column.WORKING),
        ({"stage": Stage.INSPECTING}, Column.WORKING),
        ({"stage": Stage.DOWNLOADING, "left_early": "1 of 1 track missing"}, Column.WORKING),
        ({"stage": Stage.ATTENTION}, Column.KEEP_ON),
        ({"stage": Stage.INSPECTING, "tries": 1}, Column.KEEP_ON),
        ({"stage": Stage.DOWNLOADING, "tries": 3}, Column.KEEP_ON),
        ({"oddity": "no response within 10 s"}, Column.KEEP_ON),
        ({"stage": Stage.GONE, "oddity": "request refused (HTTP 500)"}, Column.KEEP_ON),
        ({"stage": Stage.GONE, "left_early": "1 of 1 track missing", "oddity": "x"}, Column.LEFT_EARLY),
        ({"stage": Stage.COLLECTED}, Column.SWITCH_OFF),
        ({"stage": Stage.GONE, "tracks": (SAILED,)}, Column.GONE),
        ({"stage": Stage.GONE, "waived": "lost"}, Column.GONE),
        ({"stage": Stage.GONE, "left_early": "1 of 1 track missing"}, Column.LEFT_EARLY),
    ],
)
def test_each_device_is_in_its_column(known: dict[str, Any], column: Column) -> None:
    assert shown(**known).column is column


def test_only_a_verdict_allows_switch_off() -> None:
    green = {stage for stage in Stage if shown(stage=stage, missing=("a",)).column is Column.SWITCH_OFF}
    assert green == {Stage.COLLECTED}


def test_a_device_collected_yesterday_is_expected_again() -> None:
    assert shown(stage=Stage.GONE, since=YESTERDAY, tracks=(SAILED,)).column is Column.EXPECTED


def test_a_device_checked_in_the_morning_is_expected_again() -> None:
    tile = shown(stage=Stage.GONE, tracks=(glance("yesterday", YESTERDAY),))
    assert (tile.column, tile.idle) == (Column.EXPECTED, True)
    assert not shown(stage=Stage.GONE, since=YESTERDAY).idle
    assert not shown(stage=Stage.GONE, tracks=(SAILED,)).idle


def test_an_unassigned_device_is_gone_without_a_track() -> None:
    assert shown((), stage=Stage.GONE).column is Column.GONE


def test_an_alarm_lasts_overnight() -> None:
    assert shown(stage=Stage.GONE, left_early="tracks", since=YESTERDAY).column is Column.LEFT_EARLY


def test_a_device_that_is_not_assigned_today_is_not_expected() -> None:
    assert shown(assignments=(ANN,)).column is Column.ELSEWHERE
    assert shown(assignments=(ANN,), stage=Stage.COLLECTED).column is Column.SWITCH_OFF


def test_the_sailor_is_the_one_of_today() -> None:
    tile = shown(sailor="Ann / Bo")
    assert (tile.sailor, tile.file_id) == ("Bo", "BBB601")


def test_figures_are_those_of_today() -> None:
    tracks = (glance("old", YESTERDAY), glance("a", best_500m=0), glance("b", best_500m=18_520), glance("c"))
    tile = shown(tracks=tracks)
    assert (tile.here.tracks, tile.here.hours, tile.here.km) == (3, 3.0, 30.0)
    assert tile.here.knots == pytest.approx(36.0)


def test_figures_of_stored_and_listed_tracks_are_separate() -> None:
    tracks = (glance("a", best_500m=18_520), glance("b"), glance("c"))
    tile = shown(tracks=tracks, missing=("a", "c"))
    assert (tile.here.tracks, tile.here.hours, tile.here.km) == (1, 1.0, 10.0)
    assert (tile.listed.tracks, tile.listed.hours, tile.listed.km) == (2, 2.0, 20.0)
    assert tile.here.knots < tile.listed.knots == pytest.approx(36.0)


def test_an_unfinalised_track_with_a_duration_counts_as_measured() -> None:
    tracks = (glance("a"), glance("b", end_date=1), glance("c", duration=0, distance=0, best_500m=0))
    tile = shown(tracks=tracks)
    assert (tile.here.tracks, tile.here.measured) == (3, 1)


def test_a_download_has_its_position_among_the_wanted_tracks() -> None:
    tile = shown(
        stage=Stage.DOWNLOADING,
        wanted=3,
        missing=("b", "c"),
        downloading="b",
        size=900,
        received=300,
        estimate=Estimate(50.0, 12),
    )
    assert tile.download == Download("b", 2, 900, 300, 50.0, 12)


def test_a_slow_download_is_named_with_its_rate() -> None:
    assert shown(stage=Stage.DOWNLOADING, slow="1.2 KB/s").slow == "1.2 KB/s"


def test_only_stored_bytes_are_counted() -> None:
    device = Device(601, tracks=(glance("old", YESTERDAY), glance("a"), glance("b")), missing=("b",))
    assert bytes_of(device, TODAY) == 1000


@pytest.mark.parametrize(("battery", "low"), [(None, False), (59, True), (60, False)])
def test_a_low_battery_is_marked(battery: int | None, low: bool) -> None:
    assert shown(battery=battery).battery_low is low


NAME = "BBB601_601_20221017_113600.oao"


@pytest.mark.parametrize(
    ("known", "headline", "detail"),
    [
        (
            {"missing": (NAME,), "wanted": 2, "reason": "1 of 2 tracks missing (request refused (HTTP 503))"},
            "1 of 2 missing",
            "request refused (HTTP 503)",
        ),
        (
            {"missing": (NAME,), "wanted": 1, "reason": "1 of 1 track missing, downloads are paused"},
            "1 of 1 missing",
            "downloads are paused",
        ),
        ({"wanted": 2, "reason": "its listing is empty"}, "not verified", "its listing is empty"),
        (
            {"missing": (NAME,), "wanted": 1, "reason": "inspection failed: no answer"},
            "1 of 1 missing",
            "inspection failed: no answer",
        ),
    ],
)
def test_a_device_to_keep_on_says_why(known: dict[str, Any], headline: str, detail: str) -> None:
    tile = shown(stage=Stage.ATTENTION, **known)
    assert (tile.headline, tile.detail) == (headline, detail)


@pytest.mark.parametrize(
    ("known", "headline", "detail"),
    [
        (
            {"missing": (NAME,), "wanted": 2, "left_early": f"Bo: 1 of 2 tracks missing ({NAME})"},
            "1 of 2 missing",
            NAME,
        ),
        ({"left_early": "Bo: its tracks are not known yet"}, "tracks unknown", "its tracks are not known yet"),
        ({"wanted": 2, "left_early": "Bo: its tracks are here, but"}, "not verified", "its tracks are here, but"),
        (
            {"missing": (NAME,), "wanted": 1, "left_early": f"1 of 1 track missing ({NAME})", "oddity": "no answer"},
            "1 of 1 missing",
            f"{NAME}; it is on but not responding correctly: no answer",
        ),
    ],
)
def test_an_alarm_says_what_is_missing(known: dict[str, Any], headline: str, detail: str) -> None:
    tile = shown(stage=Stage.GONE, reason="what it was kept on for", **known)
    assert (tile.headline, tile.detail) == (headline, detail)


def test_a_device_that_responds_badly_is_to_be_restarted() -> None:
    tile = shown(oddity="info.json is not valid JSON")
    assert (tile.headline, tile.detail) == ("not responding correctly", "restart it: info.json is not valid JSON")


def test_a_device_that_is_back_shows_its_current_reason() -> None:
    reason = "1 of 1 track missing (timed out)"
    tile = shown(stage=Stage.ATTENTION, missing=(NAME,), wanted=1, left_early="Bo: 1 of 1 track missing", reason=reason)
    assert (tile.headline, tile.detail) == ("1 of 1 missing", "timed out")


def test_a_backup_that_was_handed_in_does_not_disturb_what_is_missing() -> None:
    lost = f"Bo: 1 of 1 track missing ({NAME})"
    known: dict[str, Any] = {"missing": (NAME,), "wanted": 1, "left_early": lost}
    tile = shown(stage=Stage.GONE, backup="BBB601_601_20221017_110000.sbp", **known)
    assert (tile.detail, tile.backup) == (NAME, "BBB601_601_20221017_110000.sbp")
    assert tile.headline == "1 of 1 missing"
    assert not shown(stage=Stage.GONE, backup="BBB601_601_20221017_110000.sbp").backup
