from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sse_twisted.tracks.oao.decoding import fixes_of
from sse_twisted.tracks.spans import breaks
from tests.tracks.voyages import frames_in, sail


@pytest.mark.parametrize("frequency", [1, 5, 10])
def test_a_break_is_where_a_fix_is_missing(frequency: int) -> None:
    fixes = np.delete(sail(60, frequency), [20, 31, 32])
    assert np.flatnonzero(breaks(fixes_of(fixes).time)).tolist() == [0, 20, 30]


def test_jitter_is_no_break() -> None:
    fixes = sail(60)
    fixes["utc"] += np.random.default_rng(1).integers(0, 2, 300, np.uint64)
    assert np.flatnonzero(breaks(fixes_of(fixes).time)).tolist() == [0]


def test_time_that_goes_back_or_stands_still_is_a_break() -> None:
    fixes = sail(60)
    fixes["utc"][100:] -= 1900
    fixes["utc"][200] = fixes["utc"][199]
    assert np.flatnonzero(breaks(fixes_of(fixes).time)).tolist() == [0, 100, 200, 201]


def test_one_fix_or_none_follows_nothing() -> None:
    assert breaks(fixes_of(sail(0.2)).time).tolist() == [True]
    assert breaks(fixes_of(sail(0)).time).tolist() == []


@pytest.mark.parametrize(
    ("name", "spans"),
    # The gaps of the first two are in the notes on the format, those of the others are whole periods.
    [("0470_2022-07-16-1202", 6), ("0470_2022-09-20-1229", 1), ("tracks/634_2022-10-19-1337", 126)],
)
def test_the_breaks_of_real_tracks(captures: Path, name: str, spans: int) -> None:
    frames = frames_in((captures / f"{name}.oao").read_bytes())
    assert np.count_nonzero(breaks(fixes_of(frames).time)) == spans
