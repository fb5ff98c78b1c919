"""One track is measured if its file is that of the ledger."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.event_folder.track_file import Mark, mark_of
from sse_twisted.results import measuring
from sse_twisted.results.measuring import measure
from sse_twisted.simulator.device import SimulatedLog
from tests.support.event import VirtualEvent, track

FILE = "gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao"
CONTENT = track(601)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path


def mark(root: Path) -> Mark:
    return mark_of((root / FILE).stat())


def without_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "hashlib", None)


def test_a_file_that_has_not_changed_since_is_not_read_twice(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_digests(monkeypatch)
    report = measure(root, FILE, SHA256, mark(root))
    assert report is not None
    assert report["sha256"] == SHA256


def test_a_file_that_has_not_changed_since_gives_the_same_report(root: Path) -> None:
    assert measure(root, FILE, SHA256, mark(root)) == measure(root, FILE, SHA256)


def test_the_mark_of_a_file_outlives_a_new_name(root: Path) -> None:
    before = mark(root)
    (root / FILE).rename(root / "gpslogs" / "other.oao")
    assert mark_of((root / "gpslogs" / "other.oao").stat()) == before


@pytest.mark.parametrize("how", ["written to", "replaced"])
def test_a_file_that_has_changed_is_not_measured(root: Path, how: str) -> None:
    before, path = mark(root), root / FILE
    other = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    if how == "replaced":
        (root / "new").write_bytes(other)
        (root / "new").replace(path)
    else:
        path.write_bytes(other)
    assert measure(root, FILE, SHA256, before) is None
    assert measure(root, FILE, SHA256) is None


def test_a_file_of_which_nobody_knows_the_digest_gets_one(root: Path) -> None:
    report = measure(root, FILE, "", mark(root))
    assert report is not None
    assert report["sha256"] == SHA256


def test_what_was_just_collected_is_not_read_twice(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    without_digests(monkeypatch)
    event.collect()
    assert event.until("measured - ")


def test_after_a_restart_it_is(event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    class Digests:
        made = 0

        def sha256(self, data: bytes) -> Any:
            self.made += 1
            return hashlib.sha256(data)

    event.collect()
    event.until("measured - ")
    event.stop()
    (event.folder.device_folder(601) / "tracks.json").unlink()
    digests = Digests()
    monkeypatch.setattr(measuring, "hashlib", digests)
    event.lines.clear()
    event.start()
    event.until("can be disconnected")
    assert len(event.known(601).measured) == digests.made == 1


def test_the_checksums_of_a_damaged_track_are_computed_again(event: VirtualEvent) -> None:
    content = bytearray(CONTENT)
    content[-1] ^= 1
    event.device(601, SimulatedLog("/logs/0601.oao", bytes(content)))
    event.arrive(601)
    event.start()
    event.until("measured - ")
    event.advance(5)
    reports = json.loads((event.folder.device_folder(601) / "tracks.json").read_bytes())
    assert [report["whole"] for report in reports.values()] == [False]
