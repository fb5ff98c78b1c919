from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from sse_twisted.simulator.writer import session_bests
from sse_twisted.tracks.bests import KEPT, METRICS, best_windows, distance, five_windows, run_ends, runs_of
from sse_twisted.tracks.format import Best, Header, Rules
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.grid import Grid, on_grid
from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.windows import NOTHING, Found, Metric, TimeWindows, over_distance, over_seconds
from tests.tracks.test_windows import grid_of
from tests.tracks.voyages import gridded, sail, voyages

FAST, SLOW = 8000, 2571


def real(path: Path) -> tuple[Header, Grid]:
    track = decode(path.read_bytes())
    assert track.header is not None
    return track.header, on_grid(track.fixes, track.rate, Rules())


def five_best(grid: Grid, metric: Metric) -> tuple[Best, ...]:
    speeds = five_windows(grid, metric, run_ends(grid))
    return tuple(Best(speed.end // 1000, int(speed.value)) for speed in speeds)


@pytest.mark.parametrize("name", ["0470_2022-07-16-1202", "0470_2022-09-20-1229"])
def test_all_five_bests_of_complete_real_tracks_are_the_device_s(captures: Path, name: str) -> None:
    header, grid = real(captures / f"{name}.oao")
    bests = session_bests(grid)
    for window in ("1s", "2s", "10s", "500m", "1852m"):
        assert bests[window] == header.bests[window], window


def test_all_five_bests_of_event_firmware_are_the_device_s(captures: Path) -> None:
    files = sorted(captures.glob("tracks/*.oao"))
    assert len(files) == 11
    for file in files:
        header, grid = real(file)
        bests = session_bests(grid, missing_is_slow=True)
        # Slower than the logging threshold in between, one track has no complete window of 10 s.
        for window in ("1s", "2s") if file.name.startswith("694") else ("1s", "2s", "10s", "500m"):
            assert bests[window] == header.bests[window], (file, window)


def test_the_distance_of_complete_real_tracks_is_almost_the_device_s(captures: Path) -> None:
    for file in captures.glob("0470_*.oao"):
        header, grid = real(file)
        assert distance(grid) == pytest.approx(header.distance, rel=0.0005)


def test_a_run_ends_with_the_third_slow_fix_in_a_row() -> None:
    grid = grid_of([FAST, SLOW, SLOW, FAST, SLOW, SLOW, SLOW, SLOW, FAST, FAST, SLOW, SLOW, SLOW])
    assert run_ends(grid).tolist() == [7, 13]
    assert run_ends(grid_of([FAST] * 9)).tolist() == []
    assert run_ends(grid_of([SLOW] * 2)).tolist() == []


def test_missing_fixes_end_a_run_only_where_slow_ones_are_not_stored() -> None:
    grid = grid_of([FAST, None, None, None, FAST])
    assert run_ends(grid).tolist() == []
    assert run_ends(grid, missing_is_slow=True).tolist() == [4]


def test_a_run_has_one_best() -> None:
    run = [FAST] * 5 + [FAST + 500] * 5 + [FAST] * 5
    grid = grid_of(run + [SLOW] * 4 + run + [SLOW] * 4)
    assert five_best(grid, over_seconds(grid, 1)) == (
        Best(5, FAST + 500),  # place 28, and places are fifths of a second
        Best(1, FAST + 500),
    )


def test_memory_goes_on_into_the_next_run_until_a_window_is_complete() -> None:
    # 8 m in each run; the first 10 m are complete two fixes into the second, and take ten.
    grid = grid_of([FAST] * 5 + [0] * 3 + [FAST] * 5 + [0] * 3)
    assert five_best(grid, over_distance(grid, 10)) == (Best(1, 7 * FAST // 10),)


def test_only_the_fastest_five_are_kept() -> None:
    runs = [[FAST + 100 * number] * 6 + [SLOW] * 3 for number in (3, 1, 6, 0, 5, 2, 4)]
    grid = grid_of([speed for run in runs for speed in run])
    values = [best.value for best in five_best(grid, over_seconds(grid, 1))]
    assert values == [FAST + 100 * number for number in (6, 5, 4, 3, 2)]


class Overrated(TimeWindows):
    """Its sample holds faster windows than there are."""

    def sample(self) -> Found:
        found = super().sample()
        return Found(found.speeds + 10 * FAST, found.starts, found.ends)


def long_tracks() -> Iterator[Grid]:
    return map(gridded, voyages())


@pytest.mark.parametrize("name", [name for name in METRICS if name != "1h"])
def test_windows_that_a_sample_rules_out_are_none_of_the_best(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for grid in long_tracks():
        run = runs_of(grid, run_ends(grid))
        metric = METRICS[name](grid)
        best = best_windows(grid, metric, run)
        monkeypatch.setattr(type(metric), "sample", lambda metric: NOTHING)
        assert best_windows(grid, metric, run) == best
        monkeypatch.undo()
        assert len(best) == KEPT


@pytest.mark.parametrize("name", [name for name in METRICS if name != "1h"])
@pytest.mark.parametrize("runs", [1, 2, 4])
@pytest.mark.parametrize("is_even", [False, True])
def test_a_sample_of_few_runs_rules_out_none_of_the_best(
    name: str, runs: int, is_even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for grid in long_tracks():
        if is_even:
            grid = replace(grid, speed=np.full_like(grid.speed, FAST))
        run = np.arange(len(grid.place)) * runs // len(grid.place)
        metric = METRICS[name](grid)
        best = best_windows(grid, metric, run)
        monkeypatch.setattr(type(metric), "sample", lambda metric: NOTHING)
        assert best_windows(grid, metric, run) == best
        monkeypatch.undo()
        assert best


@pytest.mark.parametrize("name", [name for name in METRICS if name != "1h"])
def test_no_window_that_is_fast_enough_is_left_out(name: str) -> None:
    for grid in long_tracks():
        metric, last = METRICS[name](grid), len(grid.place) - 1
        found = metric.fastest(0, last)
        for at_least in np.percentile(found.speeds, [5, 50, 95, 99, 100]).astype(int).tolist():
            until = int(found.ends[found.speeds == at_least][0]) if at_least in found.speeds else last // 2
            fast, all_fast = (
                every[every.speeds >= at_least + (every.ends > until)]
                for every in (metric.fastest(at_least, until), found)
            )
            assert len(all_fast.ends)
            for column in ("speeds", "starts", "ends"):
                assert getattr(fast, column).tolist() == getattr(all_fast, column).tolist()


def test_a_sample_that_is_too_good_leaves_out_no_best() -> None:
    grid = next(long_tracks())
    run = runs_of(grid, run_ends(grid))
    best = best_windows(grid, Overrated(grid, 10), run)
    assert best == best_windows(grid, TimeWindows(grid, 10), run)
    assert len(best) == KEPT


def test_a_session_has_a_list_for_every_window() -> None:
    bests = session_bests(gridded(sail(600, pause=10)))
    assert bests.keys() == set(BESTS)
    assert [len(bests[window]) for window in BESTS] == [5, 5, 5, 5, 2, 0, 5]


def test_nothing_has_no_bests() -> None:
    bests = session_bests(gridded(sail(1)[:0]))
    assert set(bests.values()) == {()}
    assert distance(gridded(sail(1)[:0])) == 0


def test_the_distance_is_that_of_moving_fixes() -> None:
    grid = grid_of([1000, None, 400, 2001])
    assert distance(grid) == 3001 // 5
    assert np.count_nonzero(grid.moving) == 2
