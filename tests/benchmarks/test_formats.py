"""The benchmark of formats runs, in a small way: what it measures is not looked at here."""

from __future__ import annotations

from sse_twisted.tracks.formats import FORMATS, decode
from tests.benchmarks.formats import WRITERS, figures, repeated
from tests.tracks.written import points


def test_each_format_but_oao_is_measured() -> None:
    measured = list(figures(20_000, 1))
    assert {figure.case for figure in measured} == {each.name for each in FORMATS} - {"oao"}
    assert all(figure.value > 0 for figure in measured)


def test_a_repeated_file_is_whole() -> None:
    for name, write in WRITERS.items():
        track = decode(repeated(write(points(50)), len(write([])), 40_000))
        assert (track.integrity.kind, track.integrity.whole, track.integrity.length > 30_000) == (name, True, True)
