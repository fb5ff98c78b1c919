"""Figures and their table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from tests.benchmarks.blocking import LIMIT

_HEADINGS: Final = ("", "median", "lowest", "highest", "goal", "")


@frozen
class Figure:
    """Something measured; `goal` is the most that it should be, None where it is there for comparison."""

    case: str
    what: str
    value: float
    unit: str = ""
    goal: float | None = None


def delay_figures(case: str, who: str, late: Sequence[float], *, has_goal: bool) -> Iterable[Figure]:
    """How late somebody was, from delays in s."""
    ordered = sorted(late) or [0.0]
    milliseconds = [1000 * ordered[-1], 1000 * ordered[int(0.999 * (len(ordered) - 1))]]
    limit = 1000 * LIMIT
    yield Figure(case, f"{who}: latest", milliseconds[0], "ms", limit if has_goal else None)
    yield Figure(case, f"{who}: p99.9", milliseconds[1], "ms")
    yield Figure(case, f"{who}: later than {limit:.0f} ms", sum(delay > LIMIT for delay in late), "times")


def table(figures: Iterable[Figure]) -> str:
    """The figures of all repetitions: those of the same name in one line."""
    together: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        together.setdefault((figure.case, figure.what), []).append(figure)
    rows: list[tuple[str, ...]] = []
    case = ""
    for same in together.values():
        if same[0].case != case:
            case = same[0].case
            rows += [("",) * len(_HEADINGS), (case, *_HEADINGS[1:])]
        rows.append(_row(same))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = (
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
        + f"  {row[-1]}"
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(same: list[Figure]) -> tuple[str, ...]:
    values = [figure.value for figure in same]
    first, middle = same[0], statistics.median(values)
    numbers = [f"{value:.{_digits(middle)}f}" for value in (middle, min(values), max(values))]
    numbers[0] += f" {first.unit}" if first.unit else ""
    if first.goal is None:
        return (f"  {first.what}", *numbers, "", "")
    missed = sum(value > first.goal for value in values)
    verdict = f"missed {missed} of {len(values)} times" if missed else "met"
    return (f"  {first.what}", *numbers, f"{first.goal:g}", verdict)


def _digits(value: float) -> int:
    return 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
