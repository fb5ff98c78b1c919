"""The benchmarks run, in a small way: what they measure is not looked at here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.blocking import ThreadWatch
from tests.benchmarks.cases import Bench, CollectingError, afternoon, afternoon_sizes, silent
from tests.benchmarks.report import Figure, table


def test_three_devices_are_collected_and_every_figure_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, blame=True, profile=tmp_path / "profiles")
    figures = [*afternoon(bench, devices=3, tracks=2, largest=200_000, latency=0.02)]
