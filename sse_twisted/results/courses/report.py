"""The results of a day as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sse_twisted.config.settings import Ranking
from sse_twisted.results.courses.day import CourseResults, DayResults
from sse_twisted.results.courses.decisions import Decided, iso
from sse_twisted.results.courses.fit import Fit
from sse_twisted.results.courses.gpsdata import Difference, clock
from sse_twisted.results.courses.ranking import Standing
from sse_twisted.results.courses.tables import ranking_tables
from sse_twisted.runtime.text import plural

EQUAL, DIFFERS, HERE, THERE = "equal", "differs", "only here", "only there"


def day_lines(results: DayResults, zone: dt.tzinfo, ranking: Ranking, courses: Sequence[str] = ()) -> Iterator[str]:
    """Yield the ranking of each course of a day, with what is to be said about the course; then those by columns.

    `courses` are those to be shown, without rankings by columns; all if there are none.
    """
    for name, each in results.courses.items():
        if courses and name not in courses:
            continue
        runs, sailors = len(each.scored), len({run.entrant for run in each.scored})
        counts = f"{plural(runs, 'run')} of {plural(sailors, 'entrant')}"
        yield f"{results.day}  {results.facts.title(name)}  {counts}"
        yield from (f"  {remark}" for remark in each.remarks)
        yield from _place_lines(results.ranking(name), results, zone)
    for table in () if courses else ranking_tables(results, ranking):
        if table.cells:
            yield f"{results.day}  {table.title}"
            yield from _place_lines(table.places, results, zone)


def _place_lines(places: Iterable[Standing], results: DayResults, zone: dt.tzinfo) -> Iterator[str]:
    for standing in places:
        time = dt.datetime.fromtimestamp(standing.end, zone).strftime("%H:%M:%S")
        figures = f"{standing.knots:7.{results.facts.decimals}f} kn  {time}  {standing.course_made:5.1f}°"
        yield f"  {standing.rank:3}  {figures}  {standing.runs:3}  {standing.sailor or standing.entrant}"


def as_tree(results: DayResults, ranking: Ranking) -> dict[str, Any]:
    """Return all of a day: courses with line, remarks, runs and passages that are none, and the rankings."""
    return {
        "day": str(results.day),
        "rankings": msgspec.to_builtins(tuple(ranking_tables(results, ranking))),
        "courses": {name: _course_tree(each, results, name) for name, each in results.courses.items()},
    }


def _course_tree(each: CourseResults, results: DayResults, name: str) -> dict[str, Any]:
    line = each.placing.line
    return {
        "title": results.facts.title(name),
        "line": None if line is None else {"Start Line": line.ends, "Direction": line.direction},
        "buoys": [
            {"id": buoy.number, "position": buoy.position, "spread": buoy.spread, "fixes": buoy.fixes}
            for buoy in each.placing.buoys
        ],
        "remarks": each.remarks,
        "longer_line": [
            {"end": effect.end, "metres": effect.metres, "runs": effect.runs, "sailors": effect.gaining}
            for effect in each.effects
        ],
        "passages": [
            {"track": track.track, "entrant": track.entrant} | passage_tree(passage)
            for track in each.tracks
            for passage in track.passages
        ],
    }


def passage_tree(decided: Decided) -> dict[str, Any]:
    """Return a passage: its time, figures if it reached the end, and why it does not count."""
    passage, run = decided.passage, decided.passage.run
    figures = {}
    if run is not None:
        figures = {
            "end": iso(run.end),
            "duration": round(run.duration, 3),
            "knots": round(run.knots, 3),
            "course_made": round(run.course, 1),
        }
    return {"time": iso(passage.time), **figures, "counts": decided.counts, "why_not": decided.why_not}


def comparison_lines(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield one line for each run that differs or is in one file only, and a summary."""
    counts: dict[str, int] = {}
    for each in differences:
        kind, text = difference(each)
        counts[kind] = counts.get(kind, 0) + 1
        if kind != EQUAL:
            yield f"{each.file}  {clock(each.end)}  {kind}: {text}"
    yield ", ".join(f"{counts[kind]:,} {kind}" for kind in (EQUAL, DIFFERS, HERE, THERE) if kind in counts) or "no runs"


def difference(each: Difference) -> tuple[str, str]:
    """Return what kind of difference it is, and the figures."""
    one, other = each.ours, each.theirs
    if one is None or other is None:
        only = one or other
        return HERE if one else THERE, f"{only.knots:.3f} kn" if only else ""
    if each.is_equal:
        return EQUAL, ""
    off = (one.course - other.course + 180) % 360 - 180
    return DIFFERS, f"{one.knots - other.knots:+.3f} kn, {off:+.1f}°, {one.end - other.end:+d} s"


def fit_tree(fit: Fit) -> dict[str, Any]:
    """Return a fitted line in the keys of courses.json, with how certain it is."""
    return {
        "Start Line": [[round(degrees, 7) for degrees in end] for end in fit.line.ends],
        "Direction": fit.line.direction,
        "Comment": (
            f"explains {fit.explained} of {plural(fit.runs, 'run')}; half of the durations are right to "
            f"{fit.median * 1000:.1f} ms; the line is right to {fit.place:.2f} m and {fit.turn:.2f} degrees; "
            "the runs do not tell where it ends"
        ),
    }
