"""The rankings of a day that are shown: of all courses, of each course, and by columns of the roster. Pure."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct, structs

from sse_twisted.config.settings import Ranking
from sse_twisted.config.spreadsheet import squashed
from sse_twisted.results.courses.day import DayResults
from sse_twisted.results.courses.ranking import Standing
from sse_twisted.runtime.spreadsheet import without_formulas


class RankingTable(Struct, frozen=True):
    """A ranking of all runs of a day, or of a part of them."""

    title: str
    course: Annotated[str, Meta(description="of whose runs it is; empty for all courses")]
    cells: Annotated[Mapping[str, str], Meta(description="of the roster that its entrants share; empty for all")]
    places: tuple[Standing, ...]


def ranking_tables(results: DayResults, ranking: Ranking) -> Iterator[RankingTable]:
    """Yield the rankings of a day: that of all entrants, and each other one that has a place.

    Columns count however they are spelt; those that are not named are not shown.
    """
    tables = _tables(results, ranking)
    yield next(tables)
    yield from (table for table in tables if table.places)


def _tables(results: DayResults, ranking: Ranking) -> Iterator[RankingTable]:
    columns = {name: column for name in ranking.columns if (column := _column(results, name)) is not None}

    def table(title: str, course: str = "", cells: Mapping[str, str] | None = None) -> RankingTable:
        cells = cells or {}
        chosen = {columns[name]: cell for name, cell in cells.items()}
        places = (_public(standing, columns.items()) for standing in results.ranking(course, chosen))
        return RankingTable(title, course, cells, tuple(places))

    several = len(results.courses) > 1
    yield table("All courses" if several else "All")
    if several:
        yield from (table(results.facts.title(course), course) for course in results.courses)
    for each in ranking.by:
        names = (each,) if isinstance(each, str) else each
        if all(name in columns for name in names):
            values = {tuple(e.columns.get(columns[name], "") for name in names) for e in results.entrants.values()}
            for cells in (dict(zip(names, cells, strict=True)) for cells in sorted(values) if all(cells)):
                yield table(", ".join(f"{name}: {cell}" for name, cell in cells.items()), "", cells)


def unknown_columns(results: DayResults, ranking: Ranking) -> tuple[str, ...]:
    """Return the columns that nobody on the roster has, as long as anybody is ranked."""
    return tuple(name for name in ranking.columns if results.entrants and _column(results, name) is None)


def _column(results: DayResults, name: str) -> str | None:
    """Return the column as the roster spells it."""
    of_entrants = (column for entrant in results.entrants.values() for column in entrant.columns)
    return next((column for column in of_entrants if squashed(column) == squashed(name)), None)


def _public(standing: Standing, columns: Iterable[tuple[str, str]]) -> Standing:
    """Return a place with those columns only: a roster may have telephone numbers."""
    shown = {name: standing.columns.get(column, "") for name, column in columns}
    return structs.replace(standing, columns=shown)


def tables_as_csv(tables: Iterable[RankingTable], columns: Iterable[str], decimals: int, zone: dt.tzinfo) -> bytes:
    """Return all rankings as one table for spreadsheets: CSV in UTF-8, with a byte order mark to tell them so."""
    file, columns = io.StringIO(newline=""), tuple(columns)
    writer = csv.writer(file)
    figures = ("Knots", "Time", "Course over ground", "Course", "Runs", "Track")
    writer.writerow(("Ranking", "Rank", "Entrant", "Sailor", *map(without_formulas, columns), *figures))
    for table in tables:
        for each in table.places:
            cells = (each.columns.get(name, "") for name in columns)
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
