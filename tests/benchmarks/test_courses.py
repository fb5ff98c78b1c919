"""The benchmark of courses runs, in a small way: what it measures is not looked at here."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.benchmarks.courses import day_figures, event_figures
from tests.results.courses.sailing import real_days


@pytest.mark.slow
def test_each_figure_is_measured(captures: Path) -> None:
    days = list(islice(real_days(captures), 2))
    figures = [*event_figures(days, 1, tracks=3), *day_figures(days, 1, tracks=2)]
    assert [figure.value > 0 for figure in figures] == [True] * 3
