from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sse_twisted.tracks.alpha import over_alpha
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.grid import Grid, on_grid
from sse_twisted.tracks.oao.layout import Frames
from sse_twisted.tracks.windows import NONE
from tests.tracks.test_windows import by_place, grid_of
from tests.tracks.voyages import gridded, sail


def gybes(seed: int) -> Frames:
    """To and fro with a pause, with some fixes that don't count, some that are slow, and paths of round lengths."""
    fixes = sail(150, 2, leg=17, pause=3, seed=seed)
    some = np.random.default_rng(seed).choice(len(fixes), 20, replace=False)
    fixes["speed"] = fixes["speed"] // 500 * 500
    fixes["satellites"][some[:15]] = 3
    fixes["speed"][some[15:]] = (999, 999, 1000, 1000, 1000)
    return fixes


def literal_alpha(grid: Grid, since: int = 0) -> list[int]:
    """The rule, one path after the other, for each place."""
    fix = {place: number for number, place in enumerate(grid.place.tolist())}
    latitude, longitude = np.radians(grid.latitude), np.radians(grid.longitude)
    best = []
    for end in range(grid.length):
        best.append(NONE)
        to = fix.get(end)
        if to is None or grid.speed[to] < 1000:
            continue
        travelled = int(grid.speed[to])
        for start in range(end - 1, since - 1, -1):
            if start not in fix:
                continue
            at = fix[start]
            if grid.speed[at] < 1000 or travelled > 500_000 * grid.frequency:
                break
            east = (longitude[at] - longitude[to]) * math.cos(latitude[to])
            apart = 6_371_009 * math.hypot(east, latitude[at] - latitude[to])
            turn = abs((grid.course[at] - grid.course[to]) * 1e-5 + 180) % 360 - 180
            if travelled >= 100_000 * grid.frequency and apart <= 50 and abs(turn) >= 90:
                best[-1] = max(best[-1], travelled // (end - start))
            travelled += int(grid.speed[at])
    return best


@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_that_of_a_search_through_all_paths(seed: int) -> None:
    grid = gridded(gybes(seed), 2)
    expected = literal_alpha(grid)
    assert sum(speed != NONE for speed in expected) > 10
    assert by_place(grid, over_alpha(grid)) == expected


def test_a_path_never_reaches_back_before_memory_begins() -> None:
    grid = gridded(gybes(1), 2)
    for since in (30, 77, 200):
        expected = literal_alpha(grid, since)[since:]
        assert by_place(grid, over_alpha(grid), since, since) == expected


def test_a_part_of_the_ends_is_a_part_of_the_result() -> None:
    grid = gridded(gybes(2), 2)
    metric = over_alpha(grid)
    count = len(grid.place)
    whole = metric(20, 20, count).tolist()
    assert [speed for first in range(20, count, 7) for speed in metric(20, first, min(first + 7, count))] == whole


def test_the_start_of_an_alpha_is_that_of_its_fastest_path() -> None:
    grid = gridded(gybes(1), 2)
    metric = over_alpha(grid)
    found = 0
    for fix, speed in enumerate(metric(0, 0, len(grid.place)).tolist()):
        start = metric.start(0, fix)
        if speed == NONE:
            assert start == grid.place[fix]
            continue
        found += 1
        first = int(np.searchsorted(grid.place, start))
        assert grid.place[first] == start
        assert (grid.sailed[fix + 1] - grid.sailed[first + 1]) // (grid.place[fix] - start) == speed
    assert found > 10


def there_and_back(speeds: list[int]) -> int:
    """Alpha at the last of these fixes, one a second, all at one place, with the course turned half way."""
    grid = grid_of(speeds, frequency=1)
    grid.course[len(speeds) // 2 :] = 18_000_000
    return int(over_alpha(grid)(0, 0, len(speeds))[-1])


def test_a_path_has_at_most_500_m() -> None:
    assert there_and_back([10_000, 20_000] + [10_000] * 48) == 500_000 // 49
    assert there_and_back([10_000, 20_001] + [10_000] * 48) == 10_000


def test_a_path_has_at_least_100_m() -> None:
    assert there_and_back([10_000] * 11) == 10_000
    assert there_and_back([10_000, 9_999] + [10_000] * 9) == NONE


def test_who_never_turns_has_no_alpha() -> None:
    grid = gridded(sail(120, leg=1000))
    assert set(by_place(grid, over_alpha(grid))) == {NONE}


def test_an_empty_track_has_no_alpha() -> None:
    empty = gridded(sail(1)[:0])
    assert over_alpha(empty)(0, 0, 0).tolist() == []


@pytest.mark.parametrize("name", ["869_2023-10-13-0923", "635_2022-10-16-1452"])
def test_alpha_of_real_tracks_is_the_device_s(captures: Path, name: str) -> None:
    track = decode((captures / f"tracks/{name}.oao").read_bytes())
    assert track.header is not None
    grid = on_grid(track.fixes, track.rate, track.rules)
    metric = over_alpha(grid)
    claims = track.header.bests["alpha500"]
    assert claims
    for claim in claims:
        assert claim.value in metric(0, *grid.fixes(*grid.places(claim.second))).tolist()


@pytest.mark.parametrize("place", [(5_000_000, 5_000_000), (-530_000_000, -50_000_000), (380_000_000, 0)])
def test_jumps_to_another_place_hide_no_alpha_of_the_fixes_around_them(place: tuple[int, int]) -> None:
    """Nearer to a pole, degrees of longitude are shorter; such a position may be the middle of a block."""
    frames = gybes(1)
    for first in range(0, len(frames), 16):  # every second block of 8, so that most pairs have one such block
        for name, jump in zip(("latitude", "longitude"), place, strict=True):
            frames[name][first : first + 8][2::4] += jump
    grid = gridded(frames, 2)
    expected = literal_alpha(grid)
    assert sum(speed != NONE for speed in expected) > 10
    assert by_place(grid, over_alpha(grid)) == expected
