"""The benchmark of an archive runs, in a small way: what it measures is not looked at here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.archive import archive_figures, write_archive
from tests.tracks.voyages import small_track


@pytest.mark.slow
def test_each_figure_is_measured(tmp_path: Path) -> None:
    files = write_archive(tmp_path, [small_track(40)], 9)
    figures = list(archive_figures(files, 1, counts=[1]))
    assert [figure.what for figure in figures] == [
        *("rate", "processor time", "start", "100,000 tracks"),
        *("rate", "processor time", "start", "cost", "cost in processor time", "100,000 tracks"),
    ]
    assert all(figure.value > 0 for figure in figures if figure.what in ("rate", "start"))
