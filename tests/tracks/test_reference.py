"""All bests of all real tracks, and of small invented ones, are those of a search through all windows."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.bests import Measures, best_hours
from sse_twisted.tracks.format import Alpha, Fixes, Rules
from sse_twisted.tracks.grid import on_grid
from sse_twisted.tracks.oao.decoding import fixes_of
from sse_twisted.tracks.session import SPEEDS, Session, session_of
from tests.conftest import CAPTURES
from tests.tracks.reference import (
    Dense,
    Window,
    check_bests,
    dense,
    runs_of,
    windows_of_alpha,
    windows_of_an_hour,
    windows_of_distance,
    windows_of_time,
)
from tests.tracks.test_windows import grid_of
from tests.tracks.voyages import PLAIN, gridded, voyages

FILES = sorted([*CAPTURES.glob("**/*.oao"), *CAPTURES.glob("**/*.oao.xz")])
SECONDS = {"1s": 1, "2s": 2, "10s": 10}
METRES = {"100m": 100, "250m": 250, "500m": 500, "1852m": 1852}


def windows_of(track: Dense, name: str) -> list[Window]:
    if name in SECONDS:
        return list(windows_of_time(track, SECONDS[name]))
    if name in METRES:
        return list(windows_of_distance(track, METRES[name]))
    return list(windows_of_alpha(track))


def check(session: Session, track: Dense, rules: Rules) -> None:
    """Every discipline but the hour."""
    runs = runs_of(track, missing_is_slow=rules.logging_threshold > 0)
    names = [name for name in SPEEDS if name != "1h" and (name != "alpha500" or rules.alpha is not Alpha.NONE)]
    assert {*names, "1h"} == session.bests.keys()
    for name in names:
        check_bests(session.bests[name], windows_of(track, name), track, runs)
    assert session.maximum == track.speed.max(initial=0)
    assert session.distance == int(track.moving.sum()) // track.rate


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.name if path else "none")
def test_every_best_of_a_real_track_is_that_of_a_search_through_all_windows(path: Path | None) -> None:
    if path is None:
        pytest.skip(f"no captures of real devices at {CAPTURES}")
    data = path.read_bytes()
    analysis = analyse(lzma.decompress(data) if path.suffix == ".xz" else data)
    track, session, header = analysis.track, analysis.session, analysis.track.header
    assert session is not None
    assert header is not None
    check(session, dense(track.fixes, track.rate, track.rules), track.rules)
    received = (header.start_date, header.end_date) if header.end_date else None
    whole = dense(track.fixes, track.rate, track.rules, received)
    check_bests(session.bests["1h"], list(windows_of_an_hour(whole)), whole, None)


@pytest.mark.parametrize(
    ("name", "knots"),
    [
        ("634_2022-10-19-1337", 10.28),
        ("631_2022-10-21-1004", 12.29),
        ("699_2023-10-11-1004", 6.54),
        ("641_2022-10-18-1309", 17.86),
        ("724_2023-10-07-1026", 5.53),
    ],
)
def test_the_best_hour_is_not_shortened_by_runs_or_by_the_first_fix(captures: Path, name: str, knots: float) -> None:
    session = analyse((captures / f"tracks/{name}.oao").read_bytes()).session
    assert session is not None
    assert session.bests["1h"][0].value * 3.6 / 1852 == pytest.approx(knots, abs=0.01)


@st.composite
def small_tracks(draw: st.DrawFn) -> tuple[Fixes, Rules]:
    """At most 120 s at 1 Hz to and fro along a line, with gaps, slow fixes and fixes that do not count."""
    some = st.integers(0, 99)
    speeds: list[int] = []
    missing: list[bool] = []
    poor: list[bool] = []
    for _ in range(draw(st.integers(1, 6))):
        pace, length = draw(st.sampled_from([900, 2571, 2572, 6000, 11_000, 25_000])), draw(st.integers(1, 20))
        for step in range(length):
            chance = draw(some)
            speeds.append(pace + step * draw(st.sampled_from([0, 7, 130])))
            missing.append(chance < 6)
            poor.append(chance > 94)
    count = len(speeds)
    speed = np.array(speeds)
    turned = np.cumsum([draw(some) < 12 for _ in range(count)]) % 2
    # Not by whole metres: rounding would decide about two fixes that are exactly 50 m apart.
    north = np.cumsum(speed * (1 - 2 * turned)) * 0.9993 / 1000 / 6_371_009
    fixes = Fixes(
        time=1_666_177_200_000 + 1000 * np.arange(count),
        latitude=50 + np.degrees(north),
        longitude=np.zeros(count),
        speed=speed,
        course=turned * 18_000_000,
        speed_error=np.full(count, 300),
        satellites=np.where(poor, 4, 12),
        fix=np.full(count, 3),
    )
    threshold = draw(st.sampled_from([0, 2572]))
    kept = ~np.array(missing) & (speed >= threshold)
    return fixes[kept], Rules(logging_threshold=threshold, unusable_stands=draw(st.booleans()))


@given(small_tracks())
def test_every_best_of_a_small_track_is_that_of_a_search_through_all_windows(made: tuple[Fixes, Rules]) -> None:
    fixes, rules = made
    grid = on_grid(fixes, 1, rules)
    if grid.length:
        check(session_of(Measures(grid), rules), dense(fixes, 1, rules), rules)


def test_every_best_of_a_long_track_is_that_of_a_search_through_all_windows() -> None:
    for frames in voyages():
        session = session_of(Measures(gridded(frames)), PLAIN)
        assert len(session.bests["alpha500"]) == 5
        check(session, dense(fixes_of(frames), 5, PLAIN), PLAIN)


@given(
    st.lists(st.tuples(st.integers(1, 2500), st.sampled_from([None, 0, 400, 4000, 9000])), min_size=1, max_size=9),
    st.integers(0, 1800),
    st.integers(0, 1800),
)
def test_an_hour_may_lie_anywhere(parts: list[tuple[int, int | None]], before: int, after: int) -> None:
    speeds = [*[None] * before, *(speed for seconds, speed in parts for _ in range(seconds)), *[None] * after]
    grid = grid_of(speeds, frequency=1)
    moving = np.array([speed if speed is not None and speed > 500 else 0 for speed in speeds], np.int64)
    nothing = np.zeros(len(speeds))
    track = Dense(0, 1, 1, moving > 0, moving, moving, nothing, nothing, nothing)
    total = np.concatenate([[0], np.cumsum(moving)])
    windows = [((total[i + 3600] - total[i]) // 3600, i, i + 3599) for i in range(len(speeds) - 3599)]
    check_bests(best_hours(grid), windows, track, None)
