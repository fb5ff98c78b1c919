"""The benchmarks run, in a small way: what they measure is not looked at here."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.benchmarks.board import board
from tests.benchmarks.cases import Bench, CollectingError, afternoon_sizes, at_once
from tests.benchmarks.report import Figure, delay_figures, table


@pytest.mark.slow
def test_three_devices_are_collected_and_measured(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    bench = Bench(tmp_path, blame=True, profile=profiles)
    sizes = {1001: [200_000], 1002: [], 1003: [100_000, 100_000]}
    lines = table(at_once(bench, "small", sizes, {"downloads": {"limit": 2}}, goal=0.0, latency=0.01)).splitlines()
    assert lines[1].split() == ["small", "median", "lowest", "highest", "goal"]
    assert "0 MB of 3 devices : the slowest alone" in lines[2]
    assert lines[2].endswith("missed 1 of 1 times")
    assert sum("later than 50 ms" in line for line in lines) == 6
    assert len(bench.blamed) == 3
    assert {file.name for file in profiles.iterdir()} == {"small.prof", "small,-alone.prof"}
    assert {file.name for file in tmp_path.iterdir()} == {"profiles"}


def test_a_collector_that_does_not_collect_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(CollectingError, match="0 tracks of 0 bytes, not 1 of 9,976"):
        list(at_once(Bench(tmp_path), "none", {1001: [10_000]}, {"filters": {"best_500m": 99.0}}, latency=0.01))


@pytest.mark.slow
def test_a_board_is_read_and_measured(tmp_path: Path) -> None:
    figures = {figure.what: figure for figure in board(Bench(tmp_path), devices=30, readers=2, seconds=1.0)}
    assert figures["changes told to each reader a second"].value > 5
    assert figures["first paint, packed"].value < 100


def test_an_afternoon_has_70_tracks_of_125_mb() -> None:
    sizes = [size for tracks in afternoon_sizes().values() for size in tracks]
    assert (len(afternoon_sizes()), len(sizes), max(sizes)) == (100, 70, 5_000_000)
    assert 124_000_000 < sum(sizes) < 126_000_000
    assert 600_000 < statistics.median(sizes) < 800_000


def test_repetitions_share_a_line_with_their_range() -> None:
    figures = [Figure("case", "time", value, "s", 3.0) for value in (1.0, 5.0, 2.0)]
    assert table(figures).splitlines()[-1].split() == [
        "time",
        "2",
        "s",
        "1",
        "5",
        "3",
        "missed",
        "1",
        "of",
        "3",
        "times",
    ]


def test_delays_are_given_in_milliseconds() -> None:
    latest, common, many = delay_figures("case", "reactor", [0.001] * 2000 + [0.06], has_goal=True)
    assert (latest.value, latest.goal, common.value, many.value) == (60.0, 50.0, 1.0, 1)
