"""Which partial files there are."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sse_twisted.event_folder.partial import PartialTrack
from sse_twisted.event_folder.partial_files import PartialFiles, listed_size, partial_path
from tests.event_folder.samples import sailed

CONTENT, TRACK = sailed()


def test_the_size_of_a_track_is_in_the_name_of_its_partial_file() -> None:
    path = partial_path(Path("/gpslogs/20221017/a.b.oao"), 52_512)
    assert path == Path("/gpslogs/20221017/.a.b.oao.52512.part")
    assert listed_size(path) == 52_512
    assert listed_size(path.with_name("a.oao")) == 0


def test_those_of_earlier_runs_are_known(tmp_path: Path) -> None:
    final = tmp_path / "gpslogs" / "20221017" / "a.oao"
    final.parent.mkdir(parents=True)
    paths = [partial_path(final, size) for size in (-1, 1, 2)]
    for path in (*paths, partial_path(final.with_name("b.oao"), 1), final.with_name(".c.part")):
        path.touch()
    partials = PartialFiles(tmp_path)
    assert sorted(partials.of(final)) == paths
    assert len(partials.found()) == 5


def test_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "gpslogs").mkdir()
    final = tmp_path / "gpslogs" / "a.oao"
    partials = PartialFiles(tmp_path)
    for size in (1, 2):
        partials.add(final, partial_path(final, size))
    partials.drop(final, partial_path(final, 1))
    assert partials.of(final) == (partial_path(final, 2),)
    partials.drop(final, partial_path(final, 2))
    partials.drop(final, partial_path(final, 2))
    assert partials.of(final) == ()


def test_no_folder_is_listed_for_a_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of tracks of a day that took more than all else."""
    (tmp_path / "gpslogs").mkdir()
    partials = PartialFiles(tmp_path)
    assert partials.of(tmp_path / "gpslogs" / "a.oao") == ()
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, lambda *_: pytest.fail("a folder is listed"))
    partial = PartialTrack(partials, TRACK)
    assert partial.open() == 0
    assert partials.of(tmp_path / TRACK.local_file) == (partial.path,)
    partial.close()
    assert partials.of(tmp_path / TRACK.local_file) == ()


def test_threads_that_ask_first_at_once_forget_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four downloads begin at once after a start; what one of them adds must not be lost by another's look."""
    (tmp_path / "gpslogs").mkdir()
    partials, looking, begun = PartialFiles(tmp_path), PartialFiles.found, threading.Barrier(2)
    final, other = tmp_path / "gpslogs" / "a.oao", tmp_path / "gpslogs" / "b.oao"
    added = threading.Event()

    def look(files: PartialFiles) -> list[Path]:
        found = looking(files)
        if threading.current_thread() is late:
            begun.wait(5.0)
            added.wait(0.5)
        return found

    def add() -> None:
        begun.wait(5.0)
        partials.add(final, partial_path(final, 1))
        added.set()

    monkeypatch.setattr(PartialFiles, "found", look)
    late, soon = threading.Thread(target=partials.of, args=(other,)), threading.Thread(target=add)
    late.start()
    soon.start()
    late.join()
    soon.join()
    assert partials.of(final) == (partial_path(final, 1),)
