"""What the pages, the API and the console show of the courses of a day. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Annotated

from msgspec import Meta, Struct

from sse_twisted.config.courses import BuoyLine, Line
from sse_twisted.config.settings import Ranking
from sse_twisted.results.courses.buoys import spread_text
from sse_twisted.results.courses.day import CourseResults, DayResults, SailedTrack
from sse_twisted.results.courses.decisions import PATH, Action, Decided, Decision, Decisions, iso
from sse_twisted.results.courses.gpsdata import Difference, GpsdataError, clock, compare, published_end, read_rows
from sse_twisted.results.courses.line_check import side_of
from sse_twisted.results.courses.ranking import Standing
from sse_twisted.results.courses.report import comparison_lines, difference
from sse_twisted.results.courses.service import DayOfCourses
from sse_twisted.results.courses.tables import RankingTable, ranking_tables, unknown_columns

MAX_DECISIONS = 300  # of a day that are listed
MAX_DIFFERENCES = 200  # runs that are listed where a results file is somebody else's
Moment = Annotated[float, Meta(description="s since 1970")]


class LongerLine(Struct, frozen=True):
    """What a line that is longer at one end would change."""

    side: Annotated[str, Meta(description="compass point of that end")]
    metres: float
    runs: Annotated[int, Meta(description="more, or fewer if negative")]
    gaining: Annotated[int, Meta(description="tracks with more runs")]
    losing: int


class RunDifference(Struct, frozen=True):
    """A run that is not the same in our results file and in the one of another program."""

    track: str
    time: Annotated[str, Meta(description="on the clock of the file")]
    kind: Annotated[str, Meta(description="differs, only here, or only there")]
    text: str


class OtherFile(Struct, frozen=True):
    """A results file that another program wrote or changed, beside ours."""

    ours: Annotated[str, Meta(description="path of ours below the event folder")]
    trouble: Annotated[str, Meta(description="why it cannot be compared; empty if it was")]
    summary: Annotated[str, Meta(description="how many runs are equal, differ, or are in one file only")]
    differences: Annotated[tuple[RunDifference, ...], Meta(description=f"at most {MAX_DIFFERENCES}")]
    left_out: Annotated[int, Meta(description="differences beyond those")]


class CourseReport(Struct, frozen=True):
    """A course of a day."""

    name: str
    title: str
    opens: Annotated[int | None, Meta(description="s after midnight; null if not set")]
    closes: Annotated[int | None, Meta(description="the first second that does not count")]
    length: Annotated[float | None, Meta(description="m; null if a run ends at a second line")]
    line: Annotated[tuple[tuple[float, float], ...], Meta(description="its ends, in degrees; empty without a line")]
    direction: Annotated[float | None, Meta(description="in which the line counts, degrees true")]
    buoys: Annotated[tuple[str, ...], Meta(description="how exactly each is placed")]
    runs: int
    entrants: Annotated[int, Meta(description="with a run")]
    warnings: Annotated[tuple[str, ...], Meta(description="what to look at before anything is published")]
    longer_line: tuple[LongerLine, ...]
    file: Annotated[str, Meta(description="path of the results file below the event folder; empty if there is none")]
    other_file: Annotated[OtherFile | None, Meta(description="the file of another program in its place")]


class DecisionReport(Struct, frozen=True):
    """A decision of the committee."""

    decision: Decision
    undone_by: Annotated[str, Meta(description="time of the decision that undoes it; empty while it is in force")]


class CourseDay(Struct, frozen=True):
    """The courses of a day and their rankings."""

    day: datetime.date
    as_of: Annotated[float | None, Meta(description="when the results were computed, s since 1970; null if never")]
    missing: Annotated[int, Meta(description="devices that may still bring a track of the day, without buoys")]
    expected: Annotated[int, Meta(description="devices of the day, without buoys")]
    decimals: Annotated[int, Meta(description="with which speeds are shown")]
    columns: Annotated[tuple[str, ...], Meta(description="of the roster that are shown: ranking.by")]
    problems: Annotated[tuple[str, ...], Meta(description="mistakes in courses.json and in other files")]
    courses: tuple[CourseReport, ...]
    rankings: tuple[RankingTable, ...]
    decisions: Annotated[tuple[DecisionReport, ...], Meta(description=f"the latest {MAX_DECISIONS}")]


class PassageReport(Struct, frozen=True):
    """A passage of a start line: a run, or the reason why it is none."""

    course: str
    track: str
    time: Annotated[str, Meta(description="of the passage, UTC in ISO 8601; it identifies the run in a decision")]
    shown_at: Annotated[Moment, Meta(description="the end as published; the passage of the line if there is no end")]
    duration: Annotated[float | None, Meta(description="s; null if it did not reach the end")]
    knots: float | None
    course_made: Annotated[float | None, Meta(description="degrees true, from start to end")]
    counts: bool
    why_not: Annotated[str, Meta(description="empty if it counts")]
    decision: Annotated[str, Meta(description="time of the decision about it or its track; empty without one")]


class EntrantReport(Struct, frozen=True):
    """All passages of an entrant on a day."""

    day: datetime.date
    entrant: str
    sailor: str
    decimals: int
    standing: Annotated[Standing | None, Meta(description="among all entrants on all courses; null without a run")]
    passages: tuple[PassageReport, ...]
    tracks: Annotated[tuple[str, ...], Meta(description="names of the tracks of the day")]
    from_positions: Annotated[tuple[str, ...], Meta(description="those whose speeds are made from positions")]
    drawn: Annotated[tuple[tuple[str, str], ...], Meta(description="course and track of each picture")]
    decisions: tuple[DecisionReport, ...]


def day_report(
    found: DayOfCourses, ranking: Ranking, missing: int, expected: int, from_positions: Collection[str] = ()
) -> CourseDay:
    """Return what is shown of a day. Takes some ms for a hundred sailors.

    `from_positions` are names of tracks whose speeds are made from positions.
    """
    results = found.results
    return CourseDay(
        day=results.day,
        as_of=found.as_of,
        missing=missing,
        expected=expected,
        decimals=results.facts.decimals,
        columns=ranking.columns,
        problems=(*_problems(found, ranking), *_guessed(found.results, from_positions)),
        courses=tuple(_course(name, each, found) for name, each in results.courses.items()),
        rankings=tuple(ranking_tables(results, ranking)),
        decisions=decision_reports(found.decisions, results),
    )


def _problems(found: DayOfCourses, ranking: Ranking) -> Iterator[str]:
    yield from (f"{mistake}; the last version without it counts" for mistake in found.courses.mistakes)
    yield from found.courses.remarks
    if found.trouble:
        yield f"results files cannot be written, retrying: {found.trouble}"
    yield from (
        f"config/event.json: {mistake}; the last version without it counts" for mistake in found.results.facts.mistakes
    )
    yield from (f"{PATH}, line {number}: {what}; it does not count" for number, what in found.decisions.unreadable)
    for column in unknown_columns(found.results, ranking):
        yield f"the roster has no column {column!r}: check ranking.by in the configuration"


def _guessed(results: DayResults, from_positions: Collection[str]) -> Iterator[str]:
    """Yield the tracks with runs whose speeds no receiver has measured."""
    names = {run.track for each in results.courses.values() for run in each.scored if run.track in from_positions}
    for name in sorted(names):
        yield f"{name} has runs by speeds that are made from positions, not measured: ask for a better file"


def _course(name: str, each: CourseResults, found: DayOfCourses) -> CourseReport:
    course, line, written = each.placing.course, each.placing.line, found.written.get(name)
    return CourseReport(
        name=name,
        title=found.results.facts.title(name),
        opens=course.opens,
        closes=course.closes,
        length=course.length,
        line=line.ends if line else (),
        direction=_direction(course.start),
        buoys=tuple(map(spread_text, each.placing.buoys)),
        runs=len(each.scored),
        entrants=len({run.entrant for run in each.scored}),
        warnings=each.remarks,
        longer_line=tuple(
            LongerLine(side_of(line, effect.end), effect.metres, effect.runs, effect.gaining, effect.losing)
            for effect in (each.effects if line else ())
            if line and (effect.runs or effect.gaining or effect.losing)
        ),
        file=written.path if written else "",
        other_file=_other_file(each, written.path, written.foreign)
        if written and written.foreign is not None
        else None,
    )


def _direction(start: Line | BuoyLine | None) -> float | None:
    return start.direction if start else None


def _other_file(each: CourseResults, ours: str, theirs: bytes | None) -> OtherFile | None:
    if theirs is None:
        return None
    try:
        compared = compare(each.rows, read_rows(theirs))
    except GpsdataError as error:
        return OtherFile(ours, str(error), "", (), 0)
    found = [_difference(one) for one in compared if not one.is_equal]
    *_, summary = comparison_lines(compared)
    if off := [abs(one.knots) for one in compared if one.knots is not None]:
        summary += f"; speeds differ by up to {max(off):.3f} kn"
    return OtherFile(ours, "", summary, tuple(found[:MAX_DIFFERENCES]), max(0, len(found) - MAX_DIFFERENCES))


def _difference(one: Difference) -> RunDifference:
    return RunDifference(one.file, clock(one.end), *difference(one))


def decision_reports(
    decisions: Decisions, results: DayResults, tracks: Collection[str] | None = None
) -> tuple[DecisionReport, ...]:
    """Return the latest decisions of a day, the last first; of some tracks only, if they are passed."""
    undone = decisions.undone
    all_tracks = {track.track for each in results.courses.values() for track in each.tracks}
    shown: set[str] = set()
    for each in decisions.made:
        about = each.day == results.day or (each.day is None and each.track in all_tracks)
        if tracks is not None:
            about = each.track in tracks
        if about or each.undoes in shown:
            shown.add(each.time)
    latest = (
        DecisionReport(each, undone[each.time].time if each.time in undone else "")
        for each in reversed(decisions.made)
        if each.time in shown and (each.action is not Action.UNDO or each.undoes in shown)
    )
    return tuple(islice(latest, MAX_DECISIONS))


def entrant_report(
    found: DayOfCourses, entrant: str, ranking: Ranking, from_positions: Collection[str] = ()
) -> EntrantReport | None:
    """Return all passages of an entrant on a day, in order of time; None if there is no such entrant."""
    results = found.results
    known = results.entrants.get(entrant)
    if known is None:
        return None
    mine = [
        (name, track) for name, each in results.courses.items() for track in each.tracks if track.entrant == entrant
    ]
    passages = [_passage(name, track, decided) for name, track in mine for decided in track.passages]
    tracks = tuple(sorted({track.track for _, track in mine}))
    overall = next(ranking_tables(results, ranking))
    return EntrantReport(
        day=results.day,
        entrant=entrant,
        sailor=known.sailor,
        decimals=results.facts.decimals,
        standing=next((each for each in overall.places if each.entrant == entrant), None),
        passages=tuple(sorted(passages, key=lambda passage: passage.time)),
        tracks=tracks,
        from_positions=tuple(track for track in tracks if track in from_positions),
        drawn=tuple(_drawn(mine, results)),
        decisions=decision_reports(found.decisions, results, tracks),
    )


def _drawn(mine: Iterable[tuple[str, SailedTrack]], results: DayResults) -> Iterator[tuple[str, str]]:
    """Yield the course and track of each picture: where the line was passed."""
    for name, track in mine:
        if track.passages and results.courses[name].placing.line is not None:
            yield name, track.track


def _passage(course: str, track: SailedTrack, decided: Decided) -> PassageReport:
    passage, run, decision = decided.passage, decided.passage.run, decided.decision
    return PassageReport(
        course=course,
        track=track.track,
        time=iso(passage.time),
        shown_at=published_end(run, track.rate) if run else passage.time,
        duration=round(run.duration, 3) if run else None,
        knots=round(run.knots, 3) if run else None,
        course_made=round(run.course, 1) if run else None,
        counts=decided.counts,
        why_not=decided.why_not,
        decision=decision.time if decision else "",
    )
