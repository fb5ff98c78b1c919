from __future__ import annotations

import datetime as dt
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from sse_twisted.config.courses import Line
from sse_twisted.results.courses.decisions import Action, Decided, Decision
from sse_twisted.results.courses.picture import draw_passages
from sse_twisted.results.courses.runs import runs_of
from sse_twisted.tracks.format import Track
from tests.results.courses.sailing import COURSE, LINE, MIDNIGHT, PLANE, real_days, sail, track_of

ZONE = dt.timezone(dt.timedelta(hours=1))
SVG = "{http://www.w3.org/2000/svg}"


def parsed(document: str) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 - our own picture


def drawn(track: Track, title: str = "Ann", *, finish: bool = False) -> ET.Element:
    course = COURSE
    if finish:
        course = replace(COURSE, finish=Line((PLANE.position(-80, 300), PLANE.position(80, 300)), 0), length=None)
    found = runs_of(track, course, LINE, MIDNIGHT)
    return parsed(draw_passages(track, course, LINE, [Decided(p) for p in found.passages], ZONE, title))


def classes(picture: ET.Element) -> list[str]:
    return [element.get("class", "") for element in picture.iter()]


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def test_a_run_is_drawn_with_its_line_its_time_as_published_and_its_speed() -> None:
    picture = drawn(sail([(90, 10, 0)]))
    assert classes(picture).count("counts") == 1
    assert "line" in classes(picture)
    assert {"1 of 1 passages of the line are runs", "12:00:59", "19.44"} <= set(texts(picture))


def test_a_passage_that_is_none_is_drawn_with_its_reason() -> None:
    picture = drawn(sail([(30, 10, 0), (2, 2.9, 0), (60, 10, 0)]))
    assert classes(picture).count("refused") == 1
    assert any(text.startswith("implausible acceler") or "too slow" in text for text in texts(picture))


def test_a_finish_line_is_drawn_as_well() -> None:
    assert "finish" in classes(drawn(sail([(90, 10, 0)]), finish=True))


def test_north_is_up_and_the_scale_is_the_same_in_both_directions() -> None:
    picture = drawn(sail([(90, 10, 0)]))
    (line,) = (e.get("d", "") for e in picture.iter(f"{SVG}path") if e.get("class") == "line")
    (x, y), (to_x, to_y) = (map(float, point.split()) for point in line[1:].split("L"))
    assert y == to_y
    (run,) = (e.get("d", "") for e in picture.iter(f"{SVG}path") if e.get("stroke"))
    points = [tuple(map(float, point.split())) for point in run[1:-2].split("L")]
    assert points[-1][1] < points[0][1]
    assert (points[0][1] - points[-1][1]) / (to_x - x) == pytest.approx(490 / 100, abs=0.2)


def test_any_title_and_reason_are_text() -> None:
    decision = Decision(time="2023-10-07T12:00:00Z", who="<Bob>", reason="\0&", action=Action.WITHDRAW, track="x")
    track = sail([(90, 10, 0)])
    passages = [Decided(p, decision) for p in runs_of(track, COURSE, LINE, MIDNIGHT).passages]
    picture = parsed(draw_passages(track, COURSE, LINE, passages, ZONE, "<script>\x00"))
    assert "<script>\ufffd" in texts(picture)
    assert "\ufffd& (<Bob>)" in texts(picture)


def test_a_track_without_a_passage_or_a_fix_is_a_map_with_a_line() -> None:
    for track in (sail([(60, 10, 180)]), track_of(sail([(60, 10, 0)]).fixes[:0])):
        picture = drawn(track)
        assert "line" in classes(picture)
        assert "0 of 0 passages of the line are runs" in texts(picture)


def test_the_picture_of_a_real_day_is_small(captures: Path) -> None:
    for day in real_days(captures):
        found = runs_of(day.track, day.course, day.line, day.midnight)
        passages = [Decided(passage) for passage in found.passages]
        picture = draw_passages(day.track, day.course, day.line, passages, ZONE, day.name)
        assert len(picture) < 160_000
        parsed(picture)
