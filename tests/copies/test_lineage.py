from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sse_twisted.copies import lineage
from sse_twisted.copies.lineage import MAX_FILES, begin, read_starts, start_names
from sse_twisted.copies.source import STARTS


def test_a_start_names_those_before_it_and_descends_from_them(tmp_path: Path) -> None:
    first, _ = begin(tmp_path, 3.0)
    second, _ = begin(tmp_path, 2.0)
    third, problem = begin(tmp_path, 1.0)
    assert problem == ""
    after = {start.id: start.after for start in read_starts(tmp_path / STARTS)}
    assert after == {first.own: (), second.own: (first.own,), third.own: (second.own,)}
    assert third.strangers(start_names(tmp_path / STARTS)) == set()
    assert first.strangers(start_names(tmp_path / STARTS)) == {second.own, third.own}


def test_two_that_went_on_from_one_are_strangers_until_a_start_that_has_both(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    begin(first, 0.0)
    shutil.copytree(first, second)
    one, _ = begin(first, 0.0)
    other, _ = begin(second, 0.0)
    assert one.strangers(start_names(second / STARTS)) == {other.own}
    assert other.strangers(start_names(first / STARTS)) == {one.own}
    shutil.copytree(second, first, dirs_exist_ok=True)
    both, _ = begin(first, 0.0)
    assert both.strangers(start_names(second / STARTS)) == set()
    assert {start.after for start in read_starts(first / STARTS) if start.id == both.own} == {
        tuple(sorted((one.own, other.own)))
    }


def test_a_start_that_cannot_be_read_counts_by_its_name(tmp_path: Path) -> None:
    first, _ = begin(tmp_path, 0.0)
    (tmp_path / STARTS / f"{first.own}.json").write_bytes(b"torn")
    second, _ = begin(tmp_path, 0.0)
    assert second.strangers([first.own]) == set()


def test_a_hundredth_start_takes_the_place_of_those_before_it_and_still_descends_from_them(tmp_path: Path) -> None:
    starts: list[str] = []
    for _ in range(2 * MAX_FILES + 5):
        own, problem = begin(tmp_path, 0.0)
        assert problem == ""
        assert own.strangers(starts) == set()
        starts.append(own.own)
        assert len(start_names(tmp_path / STARTS)) <= MAX_FILES


def test_of_very_many_starts_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "MAX_FILES", 2)
    monkeypatch.setattr(lineage, "MAX_NAMED", 4)
    starts = [begin(tmp_path, 0.0)[0].own for _ in range(9)]
    strangers = begin(tmp_path, 0.0)[0].strangers(starts)
    assert starts[0] in strangers
    assert not strangers & set(starts[-4:])


def test_starts_that_cannot_be_read_make_strangers_of_all(tmp_path: Path) -> None:
    (tmp_path / ".sse_twisted").mkdir()
    (tmp_path / STARTS).write_bytes(b"")
    own, problem = begin(tmp_path, 0.0)
    assert "Not a directory" in problem
    assert own.strangers(["a"]) == {"a"}


def test_a_start_that_cannot_be_noted_says_why_and_knows_those_before_it(tmp_path: Path) -> None:
    (tmp_path / ".sse_twisted").write_bytes(b"")
    own, problem = begin(tmp_path, 0.0)
    assert "Not a directory" in problem or "File exists" in problem
    assert own.strangers(["a"]) == {"a"}
