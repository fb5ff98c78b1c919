from __future__ import annotations

import datetime as dt

import pytest
from msgspec.structs import replace

from sse_twisted.config.assignment import Assignment
from sse_twisted.config.courses import BuoyLine, Course
from sse_twisted.config.event_json import EventFacts
from sse_twisted.results.courses.day import DayResults, Placing, number_of, results_of
from sse_twisted.results.courses.decisions import Action, Decision, iso
from sse_twisted.results.courses.line_check import TrackCheck, check_track
from sse_twisted.results.courses.runs import runs_of
from sse_twisted.results.courses.track_runs import TrackRuns
from sse_twisted.tracks.format import Track
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, NOON, sail

DAY = dt.date(2023, 10, 7)
SHORE = Placing(COURSE, LINE)
ANN, BOB = "ABC601XYZ_601_20231007_100000.oao", "DE 102XYZ_602_20231007_100000.oao"
FREE = "motion-603_20231007_100000.oao"


def person(number: int, file_id: str, entrant: str = "", craft: str = "Windsurf") -> Assignment:
    return Assignment(number, DAY, DAY, file_id, f"Sailor {number}", "", 2, entrant, columns={"Craft Type": craft})


ROSTER = (person(601, "ABC601XYZ", "1"), person(602, "DE 102XYZ", "2", "Kite"))


def runs(*speeds: float, start: float = NOON) -> TrackRuns:
    """The runs of a track with one straight run of each speed in m/s, ten minutes apart."""
    tracks = [sail([(700 / speed, speed, 0)], start=start + 600 * n) for n, speed in enumerate(speeds)]
    passages = tuple(p for track in tracks for p in runs_of(track, COURSE, LINE, MIDNIGHT).passages)
    return TrackRuns(5, {"S1": passages}, {"S1": checked(tracks[0])})


def checked(track: Track) -> TrackCheck:
    return check_track("", runs_of(track, COURSE, LINE, MIDNIGHT), MIDNIGHT)


def results(
    tracks: dict[str, TrackRuns], *decisions: Decision, placings: tuple[Placing, ...] = (SHORE,), zone: int = 0
) -> DayResults:
    facts = EventFacts(zone=zone)
    return results_of(DAY, MIDNIGHT, placings, tracks, ROSTER, decisions, facts)


def decision(action: Action, **keys: object) -> Decision:
    about = {"day": DAY, "course": "S1", "track": ANN, "run": iso(NOON + 10)} | keys
    return Decision(time=iso(NOON), who="Ann", reason="false start", action=action, **about)  # type: ignore[arg-type]


def test_each_run_of_each_sailor_is_a_row_and_the_best_ranks() -> None:
    found = results({ANN: runs(10, 12), BOB: runs(11)})
    assert [(row.file, row.knots) for row in found.files["S1"]] == [(ANN, 19.438), (ANN, 23.326), (BOB, 21.382)]
    assert [(s.rank, s.entrant, s.sailor, s.knots, s.runs) for s in found.ranking()] == [
        (1, "1", "Sailor 601", 23.33, 2),
        (2, "2", "Sailor 602", 21.38, 1),
    ]


def test_the_file_has_the_clock_of_the_results_software_and_the_ranking_has_the_true_time() -> None:
    for zone, second in ((0, 43_259), (60, 39_659), (-60, 46_859)):
        found = results({ANN: runs(10)}, zone=zone)
        assert [row.end for row in found.files["S1"]] == [second]
        assert found.ranking()[0].end == NOON + 59


def test_unassigned_tracks_have_no_place_anywhere() -> None:
    found = results({FREE: runs(10)})
    assert found.files == {}
    assert found.ranking() == ()


def test_who_is_not_on_the_roster_is_ranked_by_the_file_id() -> None:
    guest = "GUEST_1_609_20231007_100000.oao"
    (standing,) = results({guest: runs(10)}).ranking()
    assert (standing.entrant, standing.sailor) == ("GUEST_1", "")


def test_buoys_are_in_no_results() -> None:
    buoys = Placing(replace(COURSE, start=BuoyLine((601, 602), 0)), LINE)
    assert results({ANN: runs(10), BOB: runs(10)}, placings=(buoys,)).files == {}


def test_a_course_without_hours_has_a_ranking_and_no_file() -> None:
    found = results({ANN: runs(10)}, placings=(Placing(replace(COURSE, closes=None), LINE),))
    assert found.files == {}
    assert len(found.ranking()) == 1


def test_an_excluded_run_is_in_no_file_and_its_passage_says_why() -> None:
    found = results({ANN: runs(10, 12)}, decision(Action.EXCLUDE))
    assert [row.knots for row in found.files["S1"]] == [23.326]
    (track,) = found.courses["S1"].tracks
    assert [each.why_not for each in track.passages] == ["false start (Ann)", ""]


def test_a_withdrawn_track_has_no_runs() -> None:
    found = results({ANN: runs(10, 12), BOB: runs(11)}, decision(Action.WITHDRAW))
    assert [row.file for row in found.files["S1"]] == [BOB]


def test_a_ranking_is_of_one_course_or_of_one_column_of_the_roster() -> None:
    harbour = TrackRuns(5, {"H1": runs(13).passages["S1"]}, {})
    both = (SHORE, Placing(replace(COURSE, name="H1"), LINE))
    found = results({ANN: runs(10), BOB: harbour}, placings=both)
    assert [s.course for s in found.ranking()] == ["H1", "S1"]
    assert [s.entrant for s in found.ranking("S1")] == ["1"]
    assert [s.entrant for s in found.ranking(columns={"Craft Type": "Kite"})] == ["2"]
    assert found.ranking(columns={"Craft Type": "Canoe"}) == ()


def test_two_devices_of_one_sailor_are_one_run_in_the_ranking_and_two_in_the_file() -> None:
    second = "ABC601XYZ_604_20231007_100000.oao"
    found = results({ANN: runs(10), second: runs(10.1)})
    assert len(found.files["S1"]) == 2
    (standing,) = found.ranking()
    assert (standing.runs, standing.knots) == (1, 19.54)


def test_what_a_line_misses_is_said_with_the_course() -> None:
    outside = checked(sail([(100, 10, 0)], at=(57, -100)))
    found = results({ANN: TrackRuns(5, {"S1": ()}, {"S1": outside}, left_out=3)})
    remarks = found.courses["S1"].remarks
    assert "1 run of 1 track miss the E end of the line" in remarks[0]
    assert remarks[1] == "3 passages of the line not examined: a track crosses it too often"
    assert max(effect.runs for effect in found.courses["S1"].effects) == 1


@pytest.mark.parametrize(
    ("track", "number"), [(ANN, 601), (FREE, 603), ("BUOY_621_621_20231007_100000.oao", 621), ("x", None)]
)
def test_the_number_of_a_device_is_in_the_name_of_its_track(track: str, number: int | None) -> None:
    assert number_of(track) == number


def test_a_course_that_is_not_placed_has_no_runs() -> None:
    found = results({ANN: TrackRuns(5, {}, {})}, placings=(Placing(Course("S1"), remarks=("S1: no line",)),))
    assert found.courses["S1"].remarks == ("S1: no line",)
    assert found.ranking() == ()
