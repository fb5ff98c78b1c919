"""The benchmark of tracks runs, in a small way: what it measures is not looked at here."""

from __future__ import annotations

import numpy as np

from sse_twisted.tracks.formats import decode
from tests.benchmarks.tracks import season_figures, slow_sums, speed_figures, stretched, verify_figures
from tests.tracks.voyages import small_track

TRACK = small_track(40)


def test_the_loop_in_python_finds_the_same_frames_wrong() -> None:
    assert slow_sums(TRACK) == 0
    assert slow_sums(TRACK[:600] + b"x" + TRACK[601:]) == 1


def test_a_stretched_track_is_whole_and_of_the_size_that_is_asked_for() -> None:
    track = decode(stretched(TRACK, 512 + 52 * 130))
    assert track.integrity.whole
    assert len(track.fixes) == 130
    assert (np.diff(track.fixes.time) > 0).all()


def test_each_figure_is_measured() -> None:
    assert [figure.value > 0 for figure in verify_figures([TRACK, TRACK], 1)] == [True] * 3
    assert [figure.value > 0 for figure in speed_figures([TRACK], 1)] == [True] * 3
    (season,) = season_figures([TRACK], 1, tracks=3, size=30_000)
    assert season.what == "sse-track --json of 3 tracks, 0 MB"
