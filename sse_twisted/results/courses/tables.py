"""The rankings of a day that are shown: of all courses, of each course, and by columns of the roster. Pure."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct, structs

from sse_twisted.config.spreadsheet import squashed
from sse_twisted.results.courses.day import DayResults
from sse_twisted.results.courses.ranking import Standing
from sse_twisted.runtime.spreadsheet import without_formulas


class RankingTable(Struct, frozen=True):
    """A ranking of all runs of a day, or of a part of them."""

    title: str
    course: Annotated[str, Meta(description="of whose runs it is; empty for all courses")]
    column: Annotated[str, Meta(description="column of the roster by which the entrants are chosen; empty for all")]
    value: Annotated[str, Meta(description="what they have in that column")]
    places: tuple[Standing, ...]


def ranking_tables(results: DayResults, by: Sequence[str]) -> tuple[RankingTable, ...]:
    """Return the rankings of a day; `by` are columns of the roster, however they are spelt. Others are not shown."""
    columns = {name: column for name in by if (column := _column(results, name)) is not None}

    def table(title: str, course: str = "", name: str = "", value: str = "") -> RankingTable:
        chosen = {columns[name]: value} if name else None
        places = (_public(standing, columns.items()) for standing in results.ranking(course, chosen))
        return RankingTable(title, course, name, value, tuple(places))

    several = len(results.courses) > 1
    found = [table("All courses" if several else "All")]
    if several:
        found += [table(results.facts.title(course), course) for course in results.courses]
    for name, column in columns.items():
        values = {entrant.columns.get(column, "") for entrant in results.entrants.values()}
        found += [table(f"{name}: {value}", "", name, value) for value in sorted(filter(None, values))]
    return (found[0], *(each for each in found[1:] if each.places))


def unknown_columns(results: DayResults, by: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that nobody on the roster has, as long as anybody is ranked."""
    return tuple(name for name in by if results.entrants and _column(results, name) is None)


def _column(results: DayResults, name: str) -> str | None:
    """Return the column as the roster spells it."""
    of_entrants = (column for entrant in results.entrants.values() for column in entrant.columns)
    return next((column for column in of_entrants if squashed(column) == squashed(name)), None)


def _public(standing: Standing, columns: Iterable[tuple[str, str]]) -> Standing:
    """Return a place with those columns only: a roster may have telephone numbers."""
    shown = {name: standing.columns.get(column, "") for name, column in columns}
    return structs.replace(standing, columns=shown)


def tables_as_csv(tables: Iterable[RankingTable], by: Sequence[str], decimals: int, zone: dt.tzinfo) -> bytes:
    """Return all rankings as one table for spreadsheets: CSV in UTF-8, with a byte order mark to tell them so."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    figures = ("Knots", "Time", "Course over ground", "Course", "Runs", "Track")
    writer.writerow(("Ranking", "Rank", "Entrant", "Sailor", *map(without_formulas, by), *figures))
    for table in tables:
        for each in table.places:
            cells = (each.columns.get(name, "") for name in by)
            time = dt.datetime.fromtimestamp(each.end, zone).strftime("%H:%M:%S")
            speed, course = f"{each.knots:.{decimals}f}", f"{each.course_made:.1f}"
            who = map(without_formulas, (each.entrant, each.sailor, *cells))
            writer.writerow(
                (
                    without_formulas(table.title),
                    each.rank,
                    *who,
                    speed,
                    time,
                    course,
                    each.course,
                    each.runs,
                    without_formulas(each.track),
                )
            )
    return file.getvalue().encode("utf-8-sig")
