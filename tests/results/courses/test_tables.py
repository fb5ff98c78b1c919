"""The rankings that are shown."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import pytest
from attrs import evolve

from sse_twisted.config.settings import Ranking
from sse_twisted.results.courses.day import DayResults
from sse_twisted.results.courses.tables import ranking_tables, tables_as_csv, unknown_columns
from tests.results.courses.folder import DAY, S1, ZONE, Event
from tests.results.courses.sailing import sail


@pytest.fixture
def event(tmp_path: Path) -> Event:
    return Event(tmp_path)


def results(event: Event, **columns: dict[int, str]) -> DayResults:
    """Three sailors with what the roster says of them."""
    event.courses(S1=S1)
    for number, speed in ((601, 10), (602, 12), (603, 11)):
        event.track(number, sail([(90, speed, 0)]))
    event.people = [
        evolve(
            person,
            columns={name.replace("_", " "): cells.get(person.identifier, "") for name, cells in columns.items()},
        )
        for person in event.people
    ]
    found, _ = event.computation.day(DAY, event.people)
    return found


CRAFT = {601: "Kite", 602: "Board", 603: "Kite"}


def test_each_value_of_a_column_has_a_ranking_of_its_own_however_the_column_is_spelt(event: Event) -> None:
    tables = [*ranking_tables(results(event, Craft_Type=CRAFT), Ranking(("craft_type",)))]
    assert [(table.title, [place.entrant for place in table.places]) for table in tables] == [
        ("All", ["ABC602XYZ", "ABC603XYZ", "ABC601XYZ"]),
        ("craft_type: Board", ["ABC602XYZ"]),
        ("craft_type: Kite", ["ABC603XYZ", "ABC601XYZ"]),
    ]
    assert [place.rank for place in tables[2].places] == [1, 2]


def test_only_the_columns_that_are_named_are_shown(event: Event) -> None:
    found = results(event, Craft_Type=CRAFT, Phone={602: "123"})
    (place, *_) = next(ranking_tables(found, Ranking(("Craft Type",)))).places
    assert place.columns == {"Craft Type": "Board"}


def test_an_empty_cell_has_no_ranking(event: Event) -> None:
    tables = ranking_tables(results(event, Status={601: "Pro"}), Ranking(("Status",)))
    assert [table.title for table in tables] == ["All", "Status: Pro"]


def test_several_columns_together_have_a_ranking_for_each_combination(event: Event) -> None:
    found = results(event, Craft_Type=CRAFT, Status={601: "Pro", 602: "Pro", 603: ""})
    tables = [*ranking_tables(found, Ranking(("Status", ("Craft Type", "status"), ("Craft Type", "Club"))))]
    assert [(table.title, dict(table.cells), [place.entrant for place in table.places]) for table in tables[1:]] == [
        ("Status: Pro", {"Status": "Pro"}, ["ABC602XYZ", "ABC601XYZ"]),
        ("Craft Type: Board, status: Pro", {"Craft Type": "Board", "status": "Pro"}, ["ABC602XYZ"]),
        ("Craft Type: Kite, status: Pro", {"Craft Type": "Kite", "status": "Pro"}, ["ABC601XYZ"]),
    ]


def test_a_column_that_nobody_has_is_told(event: Event) -> None:
    assert unknown_columns(results(event, Status={601: "Pro"}), Ranking(("status", ("Status", "Club")))) == ("Club",)


def test_cells_that_a_spreadsheet_would_run_are_text(event: Event) -> None:
    found = results(event, Status={601: "=1+1", 602: "-2", 603: "a;@x"})
    data = tables_as_csv(ranking_tables(found, Ranking(("Status",))), ["Status"], 2, dt.timezone(dt.timedelta(hours=1)))
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert {row["Entrant"]: row["Status"] for row in rows[:3]} == {
        "ABC601XYZ": "'=1+1",
        "ABC602XYZ": "-2",
        "ABC603XYZ": "a;'@x",
    }
    assert rows[0]["Time"] == dt.datetime.fromtimestamp(found.ranking()[0].end, ZONE).strftime("%H:%M:%S")
