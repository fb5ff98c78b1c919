"""Generated devices, their logs and their roster."""

from __future__ import annotations

import csv
import datetime
import io
import json
from itertools import pairwise

import pytest

from sse_twisted.config.courses import Line, parse_courses
from sse_twisted.results.courses.track_runs import PlacedCourse, track_runs
from sse_twisted.simulator.generator import (
    generate_afternoon,
    generate_courses,
    generate_device,
    generate_load,
    generate_roster,
)
from sse_twisted.simulator.tracks import make_track
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.claims import ClaimCheck
from tests.support.verified import verify
from tests.tracks.voyages import best

NOW = 1_760_284_800_000
DAYS = datetime.date(2025, 10, 11), datetime.date(2025, 10, 18)


def test_an_invented_device_is_charged_and_has_room() -> None:
    for identifier in range(601, 700):
        motion = generate_device(identifier, 1).info["motion"]
        assert motion["identifier"] == identifier
        assert motion["battery"]["level"] >= 60
        assert motion["filesystem"]["level"] <= 95


def test_an_afternoon_ends_before_now_and_its_logs_are_in_order() -> None:
    for seed in range(10):
        logs = generate_afternoon(601, seed, NOW)
        starts = [log.entry["start_date"] for log in logs]
        assert all(earlier < later for earlier, later in pairwise(starts))
        assert NOW - 30 * 60_000 <= logs[-1].entry["end_date"] < NOW
        assert sum(log.entry["size"] == 1536 for log in logs) == 1
        assert len({log.path for log in logs}) == len(logs)


def test_every_log_of_an_afternoon_is_whole_and_of_its_listed_length() -> None:
    for log in generate_afternoon(601, 1, NOW):
        assert verify(log.content).whole
        assert len(log.content) == log.entry["size"] - 1024


@pytest.mark.parametrize("seed", range(30))
def test_what_a_track_claims_is_what_its_own_fixes_give(seed: int) -> None:
    """As `sse-track` sees it: a track that was sailed, and one of weeks ago."""
    of_weeks_ago, *_ = generate_afternoon(601, seed, NOW)
    for track in (make_track(601, NOW, 900 + 20 * seed, seed), of_weeks_ago.content):
        analysis = analyse(track)
        assert not analysis.remarks
        assert {claim.check for claim in analysis.claims} <= {ClaimCheck.EXACT, ClaimCheck.WITHIN}
        header, session = analysis.track.header, analysis.session
        assert header
        assert session
        claimed = {name: header.bests[name][0].value for name in ("2s", "10s", "500m")}
        assert claimed == {name: best(session, name) for name in claimed}


def test_todays_sessions_are_fast_and_those_of_weeks_ago_are_made_later() -> None:
    *_, today = logs = generate_afternoon(601, 1, NOW)
    assert today.entry["500m_best"] > 12_000
    assert [log.ready for log in logs[:2]] == [False, False]
    assert all(log.ready for log in logs[2:])


def test_load_is_as_large_as_asked_for() -> None:
    logs = generate_load(601, [100_000, 2_000_000], NOW)
    assert [round(len(log.content), -3) for log in logs] == [100_000, 2_000_000]
    assert logs[1].entry["start_date"] - logs[0].entry["start_date"] == 3_600_000


def test_a_roster_has_a_person_for_each_device_with_the_columns_of_the_original() -> None:
    rows = generate_roster(range(601, 650), *DAYS, seed=1)
    assert [row["Motion ID"] for row in rows] == [str(number) for number in range(601, 650)]
    assert len({row["File ID"] for row in rows}) == 49
    assert len({(row["First Name"], row["Family Name"]) for row in rows}) == 49
    columns = "Entrant ID,Tally,Motion ID,Start Date,End Date,File ID,First Name,Family Name,Craft Type,Status"
    text = io.StringIO()
    writer = csv.DictWriter(text, columns.split(","))
    writer.writeheader()
    writer.writerows(rows)
    assert text.getvalue().splitlines()[1].split(",")[:5] == ["1", "100", "601", "2025-10-11", "2025-10-18"]


def test_a_seed_repeats_the_roster() -> None:
    assert generate_roster([601, 602], *DAYS, seed=3) == generate_roster([601, 602], *DAYS, seed=3)


@pytest.mark.parametrize("identifier", [601, 602, 603])
def test_every_afternoon_sails_the_generated_course(identifier: int) -> None:
    courses = parse_courses(json.dumps(generate_courses()).encode())
    assert (courses.mistakes, courses.remarks) == ((), ())
    (course,) = courses.courses.values()
    assert isinstance(course.start, Line)
    placed = PlacedCourse(course, course.start, NOW / 1000 - 17 * 3600)
    log = generate_afternoon(identifier, 1, NOW)[-1]
    passages = track_runs(log.content, "x.oao", "x", (placed,)).passages[course.name]
    assert sum(passage.counts for passage in passages) >= 3
