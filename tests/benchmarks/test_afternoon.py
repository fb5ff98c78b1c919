"""The benchmark of a real afternoon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.afternoon import DEVICES, TRACKS, Load, drawn_load, measure, read_load

AFTERNOON = Path(__file__).resolve().parents[3] / "shared" / "data" / "afternoon.json"


def test_an_afternoon_is_like_the_one_it_is_drawn_from() -> None:
    load = drawn_load()
    assert len(load.sizes) == len(load.old) == DEVICES
    assert sum(map(len, load.sizes.values())) == TRACKS
    assert 125e6 < load.total < 140e6
    assert load.limit == pytest.approx(4 * 0.2 + 4.07, abs=0.1)


def test_an_afternoon_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "afternoon.json"
    device = {"listing_entries": 5, "logs_of_the_day": 2, "wanted_bytes": [1000]}
    file.write_text(json.dumps({"devices": [device]}))
    load = read_load(file)
    assert len(load.sizes) == DEVICES
    first = min(load.sizes)
    assert (load.sizes[first], load.old[first], load.unwanted[first]) == ([1000], 3, 1)


@pytest.mark.skipif(not AFTERNOON.exists(), reason="the listings of a real afternoon are not here")
def test_the_real_one_has_the_same_total() -> None:
    assert read_load(AFTERNOON).total == pytest.approx(drawn_load().total, rel=0.05)


@pytest.mark.slow
def test_a_short_afternoon_on_a_slow_disk_is_collected_and_measured(tmp_path: Path) -> None:
    load = Load(
        {1001: [200_000], 1002: [], 1003: [100_000]}, {1001: 3, 1002: 200, 1003: 0}, {1001: 0, 1002: 1, 1003: 0}
    )
    figures = {figure.what: figure for figure in measure(load, tmp_path, slow_sync=20)}
    assert figures["syncs"].value > 5
    assert figures["last track : limit"].goal == 1.5
    assert figures["processor time of curl"].value > 0


@pytest.mark.slow
def test_an_afternoon_with_copies_is_compared_with_one_without(tmp_path: Path) -> None:
    load = Load({1001: [200_000], 1002: [100_000]}, {1001: 0, 1002: 0}, {1001: 0, 1002: 0})
    figures = {figure.what: figure for figure in measure(load, tmp_path, slow_sync=0, copy_rate=100)}
    assert figures["last track : without copies"].goal == 1.05
    slow = figures["slow copy has all after the last verdict"].value
    assert slow > figures["fast copy has all after the last verdict"].value + 1
