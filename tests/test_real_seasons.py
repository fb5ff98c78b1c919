"""What four real seasons left behind loads as it is, without a complaint that would stop or lose anything."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from sse_twisted.config.roster import parse_roster
from sse_twisted.daemon.check import check
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Ledger, Status, is_pending
from sse_twisted.event_folder.track_name import TrackName
from tests.support.event import VirtualEvent

YEARS = {2022: (23, 0), 2023: (98, 0), 2024: (114, 0), 2025: (130, 2)}
"""Lines with a device, and File IDs with an underscore."""


@pytest.mark.parametrize("year", YEARS)
def test_each_line_of_each_roster_with_a_device_is_used(captures: Path, year: int) -> None:
    data = (captures / "rosters" / f"motions-{year}.csv").read_bytes()
    lines = [row for row in csv.DictReader(data.decode("utf-8-sig").splitlines()) if int(row["Motion ID"]) > 0]
    roster = parse_roster(data)
    used = [(assignment.identifier, assignment.file_id) for assignment in roster.assignments]
    assert used == [(int(row["Motion ID"]), row["File ID"]) for row in lines]
    assert len(used) == YEARS[year][0]
    assert roster.mistakes == ()


@pytest.mark.parametrize("year", YEARS)
def test_the_check_of_each_roster_finds_no_mistake(captures: Path, tmp_path: Path, year: int) -> None:
    event = VirtualEvent(tmp_path)
    event.folder.roster.parent.mkdir()
    shutil.copyfile(captures / "rosters" / f"motions-{year}.csv", event.folder.roster)
    lines: list[str] = []
    assert check(event.folder, event.settings, None, event.utc, lines.append) == 0
    assert sum("has an underscore" in line for line in lines) == YEARS[year][1]


def test_each_ledger_is_read_as_it_is(captures: Path) -> None:
    folder = EventFolder(captures / "event-2022")
    entries = 0
    for identifier in folder.identifiers():
        ledger = Ledger.read(folder.ledger_path(identifier))
        assert ledger is not None
        assert {named.name for named in ledger.named()} == set(ledger.entries)
        assert all(TrackName.parse(name) for name in ledger.entries)
        assert not any(map(is_pending, ledger.entries.values()))
        assert {entry["status"] for entry in ledger.entries.values()} <= {Status.COMPLETED, Status.SKIPPED}
        entries += len(ledger.entries)
    assert entries == 92


def test_a_collector_starts_in_the_folder_of_a_season_without_a_complaint(captures: Path, event: VirtualEvent) -> None:
    for name in ("config", "motions"):
        shutil.copytree(captures / "event-2022" / name, event.root / name, copy_function=shutil.copyfile)
    event.start()
    event.advance(30.0)
    assert event.said("Roster: 23 assignments of 23 devices, 2022-10-15 to 2022-10-21")
    for complaint in ("Cannot", "unusable", "unreadable", "invalid", "could not", "Roster line", "Traceback"):
        assert not event.said(complaint)
    assert not list(event.root.rglob("*.unusable.*"))
