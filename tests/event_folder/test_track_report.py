"""Entries of ledgers as figures, whatever stands in them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import asdict

from sse_twisted.event_folder.track_report import entry_report, log_report, still_valid
from tests.event_folder.samples import FINAL, NAME, PATH, sailed

# As the original's ledgers have it.
ENTRY: dict[str, Any] = {
    "motion_file": PATH,
    "local_file": FINAL,
    "size": 925_696,
    "start_date": 1_665_993_600_000,
    "end_date": 1_666_013_040_000,
    "duration": 19_440_000,
    "distance": 36_400_000,
    "500m_best": 13_838,
    "status": "completed",
}
MEASURED: dict[str, Any] = {
    "sha256": "a",
    "session": {"start": 0, "end": 7_200_000, "distance_m": 20_000.0, "bests": {"500m": [{"m/s": 10.288}]}},
}


def test_figures_are_in_hours_kilometres_and_knots() -> None:
    report = entry_report(601, NAME, ENTRY)
    assert (report.hours, report.kilometres) == (5.4, 36.4)
    assert report.knots == pytest.approx(26.9, abs=0.01)
    assert (report.identifier, report.name, report.size) == (601, NAME, 925_696)
    assert (report.status, report.local_file, report.motion_file) == ("completed", FINAL, PATH)
    assert not report.measured


def test_what_only_we_note_is_empty_in_an_entry_of_the_original() -> None:
    report = entry_report(601, NAME, ENTRY)
    assert (report.outcome, report.remark) == ("", "")
    ours = entry_report(601, NAME, ENTRY | {"outcome": "damaged", "damage": "bad checksum at byte 512"})
    assert (ours.outcome, ours.remark) == ("damaged", "bad checksum at byte 512")


@pytest.mark.parametrize("value", [None, "7", True, [], {}, 2**63, -(2**70)])
@pytest.mark.parametrize("key", ["size", "duration", "distance", "500m_best"])
def test_a_figure_that_is_none_counts_as_0(key: str, value: object) -> None:
    report = entry_report(601, NAME, ENTRY | {key: value})
    figures = {"size": report.size, "duration": report.hours, "distance": report.kilometres, "500m_best": report.knots}
    assert figures[key] == 0
    assert all(figure for name, figure in figures.items() if name != key)


def test_an_entry_may_be_empty() -> None:
    report = asdict(entry_report(601, NAME, {}))
    assert {value for key, value in report.items() if key not in ("identifier", "name")} == {"", 0}


class TestWhatItsBytesSay:
    def test_stands_in_where_the_device_never_finalised_the_log(self) -> None:
        report = entry_report(
            601, NAME, ENTRY | {"end_date": 0, "duration": 0, "distance": 0, "500m_best": 0}, MEASURED
        )
        assert (report.hours, report.kilometres, report.measured) == (2.0, 20.0, True)
        assert report.knots > 0

    def test_does_not_take_the_place_of_what_a_finalised_log_says(self) -> None:
        assert entry_report(601, NAME, ENTRY, MEASURED) == entry_report(601, NAME, ENTRY)

    def test_does_not_count_without_a_fix(self) -> None:
        unfinalised = ENTRY | {"end_date": 0}
        assert not entry_report(601, NAME, unfinalised, MEASURED | {"session": None}).measured

    def test_does_not_count_if_the_track_was_fetched_anew_since(self) -> None:
        unfinalised = ENTRY | {"end_date": 0, "sha256": "b"}
        assert not entry_report(601, NAME, unfinalised, MEASURED).measured

    def test_is_valid_while_the_ledger_has_no_or_the_same_digest(self) -> None:
        assert still_valid(ENTRY, MEASURED) is MEASURED
        assert still_valid(ENTRY | {"sha256": "a"}, MEASURED) is MEASURED
        assert still_valid(ENTRY | {"sha256": "b"}, MEASURED) is None
        assert still_valid(ENTRY, None) is None


def test_a_log_of_another_time_has_the_figures_of_the_listing() -> None:
    _, track = sailed()
    report = log_report(track)
    assert (report.name, report.local_file, report.motion_file) == (NAME, FINAL, PATH)
    assert report.size == track.log.size
    assert report.hours * 3_600_000 == track.log.duration > 0
    assert report.knots > 0
    assert (report.outcome, report.measured) == ("", False)
