from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.config.courses import Line
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.results.courses.command import main
from sse_twisted.results.courses.course_files import append_decision, courses_path
from sse_twisted.results.courses.decisions import Action, Decision
from sse_twisted.results.courses.plane import Gate, Plane
from tests.results.courses.folder import DAY, NAME, PUBLISHED, S1, Event, published_day
from tests.results.courses.sailing import sail

FILE = "gpsdata/20231007/GPSDATA_20231007_S1.csv"
ROSTER = (
    "Motion ID,Start Date,End Date,File ID,First Name,Family Name\n601,2023-10-07,2023-10-07,ABC601XYZ,Ann,Anchor\n"
)


@pytest.fixture
def event(tmp_path: Path) -> Event:
    """An event with a course and a run of 601."""
    event = Event(tmp_path)
    event.courses(S1=S1)
    event.track(601, sail([(90, 10, 0)]))
    (tmp_path / "config" / "motions.csv").write_text(ROSTER)
    return event


def run(event: Event, *arguments: str, status: int = 0) -> None:
    assert main([str(event.root), "--jobs", "1", *arguments]) == status


def test_all_days_are_computed_written_and_ranked(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    run(event)
    assert (event.root / FILE).read_text().startswith(f"1,{NAME.format(601)},12:00:59,50.000,19.438,0.0")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "2023-10-07  S1  1 run of 1 entrant",
        "    1    19.44 kn  12:00:59    0.0°    1  Ann Anchor",
    ]


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "the file is empty or gone"), (b"$GPRMC,1", "not a track that can be read (nmea)")]
)
def test_a_file_that_is_no_track_is_told_of_with_status_1(
    event: Event, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = event.track(602, sail([(90, 10, 0)]))
    file.write_bytes(content)
    run(event, status=1)
    out = capsys.readouterr().out
    assert f"{file.name} has no runs: {why}" in out
    assert "1 run of 1 entrant" in out


def test_a_file_that_cannot_be_read_gives_status_1(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    file = event.track(602, sail([(90, 10, 0)]))
    with file.open("wb") as large:
        large.truncate(2_000_000_000)
    run(event, status=1)
    assert f"{file.name} cannot be read: " in capsys.readouterr().out


def test_json_has_runs_passages_and_ranking(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    event.track(602, sail([(30, 10, 0)]))
    run(event, "--json")
    (day,) = json.loads(capsys.readouterr().out)
    assert day["day"] == "2023-10-07"
    assert [(each["rank"], each["sailor"], each["knots"]) for each in day["rankings"][0]["places"]] == [
        (1, "Ann Anchor", 19.44)
    ]
    course = day["courses"]["S1"]
    assert course["line"] == {"Start Line": [list(end) for end in S1["Start Line"]], "Direction": 0}
    assert [(p["entrant"], p["counts"], p["why_not"]) for p in course["passages"]] == [
        ("ABC601XYZ", True, ""),
        ("ABC602XYZ", False, "did not finish"),
    ]


def test_columns_of_the_roster_that_the_configuration_names_have_rankings(
    event: Event, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config" / "motions.csv").write_text(
        "Motion ID,Start Date,End Date,File ID,First Name,Craft,Status\n"
        "601,2023-10-07,2023-10-07,ABC601XYZ,Ann,Kite,Pro\n"
        "602,2023-10-07,2023-10-07,ABC602XYZ,Bob,Kite,\n"
    )
    event.track(602, sail([(90, 12, 0)]))
    config = tmp_path / "sse.toml"
    config.write_text('[ranking]\nby = ["Craft", ["Craft", "Status"]]\n')
    run(event, "--config", str(config))
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[3:]] == [
        "2023-10-07  Craft: Kite",
        "1    23.33 kn  12:00:49    0.0°    1  Bob",
        "2    19.44 kn  12:00:59    0.0°    1  Ann",
        "2023-10-07  Craft: Kite, Status: Pro",
        "1    19.44 kn  12:00:59    0.0°    1  Ann",
    ]
    run(event, "--config", str(config), "--json")
    (day,) = json.loads(capsys.readouterr().out)
    assert [table["cells"] for table in day["rankings"]] == [{}, {"Craft": "Kite"}, {"Craft": "Kite", "Status": "Pro"}]
    run(event, "--config", str(config), "--course", "S1")
    assert "Craft" not in capsys.readouterr().out


def test_while_a_collector_uses_the_folder_nothing_is_written_there(
    event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = FolderLock(event.root)
    lock.acquire()
    try:
        run(event)
        assert "a collector uses the folder" in capsys.readouterr().err
        assert not (event.root / "gpsdata").exists()
        run(event, "--output", str(event.root / "copy"))
    finally:
        lock.release()
    assert (event.root / "copy" / FILE).exists()


def test_a_file_of_the_other_program_stays(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    (event.root / FILE).parent.mkdir(parents=True)
    (event.root / FILE).write_text("by hand")
    run(event)
    assert f"{FILE} is of another program and stays: ours is results/{FILE}" in capsys.readouterr().err
    assert (event.root / FILE).read_text() == "by hand"


@pytest.mark.parametrize(
    ("courses", "text"),
    [
        ({"S1": {}}, "S1: no line"),
        ({"S1": S1 | {"Direction": "north"}}, "courses of 2023-10-07: S1: Direction"),
        ({}, "2023-10-07: no courses"),
    ],
)
def test_what_is_missing_is_said_and_is_the_status(
    event: Event, capsys: pytest.CaptureFixture[str], courses: dict[str, Any], text: str
) -> None:
    event.courses(**courses)
    run(event, status=1)
    said = capsys.readouterr()
    assert text in said.out + said.err


def test_one_day_or_course_can_be_chosen(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    run(event, "--day", "2023-10-07", "--course", "S1")
    assert "S1" in capsys.readouterr().out
    run(event, "--day", "20231008", status=1)
    run(event, "--course", "H9", status=1)
    assert "H9: no such course on 2023-10-07" in capsys.readouterr().err


def test_a_course_of_some_days_is_printed_without_a_complaint_about_the_others(
    event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(8, 12):
        path = courses_path(event.root, DAY.replace(day=number))
        path.parent.mkdir()
        path.write_text(json.dumps({"H1": S1}))
    run(event, "--course", "S1")
    assert capsys.readouterr().err == ""
    run(event, "--course", "S1", "--course", "H9", status=1)
    assert capsys.readouterr().err == "sse-results: H9: no such course on any of 5 days\n"


def test_a_day_that_cannot_be_read_is_one_line_and_the_others_follow(
    event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    courses_path(event.root, DAY.replace(day=6)).mkdir(parents=True)
    run(event, status=1)
    assert "sse-results: 2023-10-06: " in capsys.readouterr().err
    assert (event.root / FILE).exists()


def test_a_course_that_was_decided_needs_no_courses_file(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    courses_path(event.root, DAY).unlink()
    run(event, status=1)
    course = Decision(
        time="2023-10-07T18:00:00Z", who="Ann", reason="drawn", action=Action.COURSE, day=DAY, course="S1", set=S1
    )
    append_decision(event.root, course)
    run(event)
    assert "19.44 kn" in capsys.readouterr().out
    assert not (event.root / FILE).exists()


def test_a_folder_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err == f"sse-results: {tmp_path}/nowhere: no such event folder\n"
    assert main([str(tmp_path), "--jobs", "1"]) == 1
    assert "no courses.json of any day" in capsys.readouterr().err


def test_without_a_roster_there_are_no_names(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    (event.root / "config" / "motions.csv").unlink()
    run(event)
    said = capsys.readouterr()
    assert "ABC601XYZ" in said.out
    assert "sailors have no names" in said.err


def test_the_time_zone_is_that_of_the_configuration(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    (event.root / "sse.toml").write_text("[expected]\ntimezone = 0\n")
    run(event, "--config", str(event.root / "sse.toml"))
    assert "11:00:59" in capsys.readouterr().out


def test_a_file_is_compared_run_by_run(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    name, other = NAME.format(601), event.root / "GPSDATA_20231007_S1.csv"
    other.write_text(f"1,{name},12:00:59,50.000,19.438,0.0\n")
    run(event, "--compare", str(other))
    assert capsys.readouterr().out == "1 equal\n"
    other.write_text(f"1,{name},12:01:00,50.100,19.399,1.0\n2,{name},13:00:00,50.000,19.438,0.0\n")
    run(event, "--compare", str(other), status=1)
    assert capsys.readouterr().out.splitlines() == [
        f"{name}  12:00:59  differs: +0.039 kn, -1.0°, -1 s",
        f"{name}  13:00:00  only there: 19.438 kn",
        "1 differs, 1 only there",
    ]
    assert not (event.root / FILE).exists()


@pytest.mark.parametrize(
    ("row", "options", "status"),
    [
        ("12:00:59,50.000,19.437,0.0", [], 0),
        ("12:00:59,50.000,19.488,0.0", [], 0),
        ("12:00:59,50.000,19.489,0.0", [], 1),
        ("12:01:01,50.000,19.438,0.0", [], 1),
        ("12:00:59,50.000,19.438,0.2", [], 1),
        ("12:00:59,50.000,19.489,0.0", ["--tolerance", "0.06"], 0),
        ("12:00:59,50.000,19.437,0.0", ["--tolerance", "0"], 1),
    ],
)
def test_a_difference_counts_above_the_tolerance(event: Event, row: str, options: list[str], status: int) -> None:
    other = event.root / "GPSDATA_20231007_S1.csv"
    other.write_text(f"1,{NAME.format(601)},{row}\n")
    run(event, "--compare", str(other), *options, status=status)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_a_tolerance_that_is_none_is_refused(event: Event, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([str(event.root), f"--tolerance={text}"])
    assert ending.value.code == 2
    assert "--tolerance: invalid" in capsys.readouterr().err


def test_a_file_of_any_name_is_compared_with_day_and_course(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    other = event.root / "theirs.csv"
    other.write_text("")
    run(event, "--compare", str(other), status=1)
    assert "pass --day and --course" in capsys.readouterr().err
    run(event, "--compare", str(other), "--day", "20231007", "--course", "S1", status=1)
    assert "1 only here" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_one_line(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    run(event, "--compare", str(event.root / "GPSDATA_20231007_S1.csv"), status=1)
    assert "no such file" in capsys.readouterr().err


def test_the_line_that_explains_a_published_file_is_found_and_can_be_used(
    captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = published_day(captures, tmp_path)
    assert main([str(tmp_path), "--fit", str(published)]) == 0
    fitted = json.loads(capsys.readouterr().out)
    path = courses_path(tmp_path, PUBLISHED)
    real = json.loads(path.read_text())["S1"]
    line = Line(tuple(map(tuple, real["Start Line"])), real["Direction"])  # type: ignore[arg-type]
    gate = Gate(Plane.of(line), line)
    east, north = gate.plane.metres(*np.array(fitted["S1"]["Start Line"]).T)
    assert np.abs(gate.across(east, north)).max() < 0.6
    path.write_text(json.dumps({"S1": fitted["S1"] | {"Start Time": "09:00", "End Time": "16:01"}}))
    main([str(tmp_path), "--compare", str(published)])
    assert "only" not in capsys.readouterr().out


def test_the_program_runs_in_processes(event: Event) -> None:
    event.track(602, sail([(90, 12, 0)]))
    command = [sys.executable, "-m", "sse_twisted.results.courses.command", str(event.root), "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ABC602XYZ" in done.stdout
    assert (event.root / FILE).read_text().count("\n") == 2


def test_a_reader_that_goes_away_is_no_error_message(event: Event) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sse_twisted.results.courses.command", str(event.root), "--jobs", "1"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
