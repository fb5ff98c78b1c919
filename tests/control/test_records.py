from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.control.records import Records, TooLarge
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.tracks.formats import MAX_SIZE
from tests.control.test_commands import DAY, NAME, result
from tests.support.event import VirtualEvent, log_of, track


@pytest.fixture
def records(event: VirtualEvent) -> Records:
    """The records of an event on which 601 is collected and 602 was not seen."""
    event.device(601, log_of(601))
    event.device(602, log_of(602))
    event.arrive(601)
    collector = event.start()
    event.until("motion-601 can be disconnected")
    return collector.records


def test_a_day_has_the_outcome_of_each_device(records: Records) -> None:
    day = result(Deferred.fromCoroutine(records.day(DAY, DAY)))
    assert [(line.id, str(line.state)) for line in day.lines] == [(601, "collected"), (602, "expected")]


def test_the_ledgers_are_read_once_for_all_days(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    entries = EventFolder.entries

    def note_and_read(folder: EventFolder, identifier: int) -> dict[str, dict[str, Any]]:
        read.append(identifier)
        return entries(folder, identifier)

    monkeypatch.setattr(EventFolder, "entries", note_and_read)
    assert len(result(Deferred.fromCoroutine(records.days(DAY)))) == 7
    assert read == [601]


def test_findings_compare_the_last_responses_with_the_settings(records: Records) -> None:
    found = {finding.subject: finding.ok for finding in result(Deferred.fromCoroutine(records.findings(601)))}
    assert found["timezone"]
    assert result(Deferred.fromCoroutine(records.findings(602))) == ()


def write_holes(path: Path, size: int) -> None:
    """Write a sparse file of `size` bytes."""
    path.touch()
    os.truncate(path, size)


def plot_of(event: VirtualEvent, tmp_path: Path, what: str) -> str | None:
    folder = tmp_path / "gpslogs" / "20221017"
    folder.mkdir(parents=True)
    place, outside = folder / NAME, tmp_path.parent / f"{tmp_path.name}.oao"
    outside.write_bytes(track(601))
    (folder / "other.oao").write_bytes(track(601))
    make: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "a folder": place.mkdir,
        "a pipe": lambda: os.mkfifo(place),
        "a link out of the event folder": lambda: place.symlink_to(outside),
        "a link to itself": lambda: place.symlink_to(NAME),
        "a link inside": lambda: place.symlink_to("other.oao"),
        "not a track": lambda: place.write_bytes(b"<html>"),
        "an empty file": place.touch,
        "a huge file": lambda: write_holes(place, MAX_SIZE + 1),
    }
    make[what]()
    motion = event.folder.device_folder(601)
    motion.mkdir(parents=True)
    entry = {"status": "completed", "local_file": f"gpslogs/20221017/{NAME}"}
    (motion / "downloads.json").write_text(json.dumps({NAME: entry}))
    event.person(601)
    return result(Deferred.fromCoroutine(event.start().records.plot(601, NAME)))


@pytest.mark.parametrize(
    "what", ["nothing", "a folder", "a pipe", "a link out of the event folder", "a link to itself"]
)
def test_what_is_not_a_file_of_the_event_has_no_plot(event: VirtualEvent, tmp_path: Path, what: str) -> None:
    assert plot_of(event, tmp_path, what) is None


@pytest.mark.parametrize("what", ["a link inside", "not a track", "an empty file"])
def test_any_stored_file_has_a_plot(event: VirtualEvent, tmp_path: Path, what: str) -> None:
    assert (plot_of(event, tmp_path, what) or "").startswith("<svg")


def test_a_huge_file_is_not_read(event: VirtualEvent, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="is larger than 67 MB and cannot be plotted"):
        plot_of(event, tmp_path, "a huge file")
