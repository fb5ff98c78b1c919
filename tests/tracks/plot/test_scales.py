from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.plot.scales import clock, offset_name, round_step, time_step, viridis


@given(st.floats(1e-3, 1e9), st.integers(1, 30))
def test_a_round_step_is_the_smallest_that_fits(extent: float, most: int) -> None:
    step = round_step(extent, most)
    assert f"{step:e}"[0] in "125"
    assert f"{step:e}"[1:].lstrip(".0").startswith("e")
    assert step * most >= extent * (1 - 1e-6)
    assert step * most / 2.5 < extent * (1 + 1e-6)


@pytest.mark.parametrize(("extent", "most", "step"), [(40, 8, 5), (39.6, 8, 5), (41, 8, 10), (16, 8, 2), (0.9, 1, 1)])
def test_round_steps(extent: float, most: int, step: float) -> None:
    assert round_step(extent, most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("seconds", "step"), [(0.5, 1), (12, 1), (13, 2), (600, 60), (8000, 900), (86400, 7200), (10**9, 86400 * 965)]
)
def test_ticks_of_time_are_where_a_clock_has_them(seconds: float, step: int) -> None:
    assert time_step(seconds, 12) == step


def test_ticks_say_no_more_than_they_tell_apart() -> None:
    noon = 1_666_177_200
    assert [clock(noon, step) for step in (30, 900, 86400)] == ["11:00:00", "11:00", "19 Oct"]


@pytest.mark.parametrize(
    ("minutes", "name"), [(0, "UTC"), (60, "UTC+1"), (-210, "UTC-3:30"), (345, "UTC+5:45"), (-600, "UTC-10")]
)
def test_time_zones_have_names(minutes: int, name: str) -> None:
    assert offset_name(minutes) == name


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb by WCAG."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_faster_is_brighter_all_along_the_ramp() -> None:
    brightness = [luminance(viridis(part / 40)) for part in range(41)]
    assert all(slower < faster for slower, faster in pairwise(brightness))
    assert (viridis(-1), viridis(0), viridis(1), viridis(2)) == ("#440154", "#440154", "#fde725", "#fde725")
