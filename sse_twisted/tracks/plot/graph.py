"""The upper part of a plot: speed over local time, with the best runs marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.markup import xml_text
from sse_twisted.tracks.plot.course import Course, Indices, Mark, extremes
from sse_twisted.tracks.plot.scales import clock, round_step, time_step

LANE: Final = 20  # height of a row of labels
CHARACTER: Final = 6.6  # width at 12 px, on average
MAX_TIMES: Final = 12
MAX_SPEEDS: Final = 8


class Graph(Struct, frozen=True):
    """The graph on the page (px), and the values at its edges (ms UTC, knots)."""

    left: float
    top: float
    width: float
    height: float
    start: int
    end: int
    highest: float

    @property
    def base(self) -> float:
        """The y of speed 0."""
        return self.top + self.height

    def x(self, time: float) -> float:
        """Return the x of a time; of times outside the graph, the nearer edge."""
        part = (time - self.start) / (self.end - self.start)
        return self.left + self.width * min(max(part, 0.0), 1.0)

    def y(self, speed: float) -> float:
        """Return the y of a speed."""
        return self.base - self.height * min(speed / self.highest, 1.0)


def lanes(graph: Graph, marks: Sequence[Mark]) -> list[tuple[float, int]]:
    """Return the x of the middle of each mark's label, and the row above the graph where it overlaps no other."""
    free: list[float] = []
    placed: dict[int, tuple[float, int]] = {}
    for index in sorted(range(len(marks)), key=lambda index: marks[index].start):
        half = len(label(index, marks[index])) * CHARACTER / 2 + 6
        middle = graph.x((marks[index].start + marks[index].end) / 2)
        middle = min(max(middle, graph.left + half), graph.left + graph.width - half)
        lane = next((lane for lane, edge in enumerate(free) if edge <= middle - half), len(free))
        free[lane : lane + 1] = [middle + half + 4]
        placed[index] = (middle, lane)
    return [placed[index] for index in range(len(marks))]


def label(index: int, mark: Mark) -> str:
    """Return the text at a mark."""
    return f"{index + 1}  {mark.label}  {mark.value:.2f}"


def draw_graph(graph: Graph, course: Course, marks: Sequence[Mark], timezone: int) -> Iterator[str]:
    """Draw the graph; `timezone` is in minutes east of UTC."""
    yield from _speed_axis(graph)
    yield from _time_axis(graph, timezone)
    below, above = _marks(graph, marks)
    yield from below
    yield from _line(graph, course)
    yield from above


def _speed_axis(graph: Graph) -> Iterator[str]:
    step = round_step(graph.highest, MAX_SPEEDS)
    for index in range(int(graph.highest / step + 1e-9) + 1):
        y = graph.y(index * step)
        yield f'<path class="grid" d="M{graph.left:.1f} {y:.1f}h{graph.width:.1f}"/>'
        yield f'<text class="tick" text-anchor="end" x="{graph.left - 8:.1f}" y="{y + 4:.1f}">{index * step:g}</text>'
    middle = graph.top + graph.height / 2
    yield f'<text class="tick" text-anchor="middle" transform="translate(18 {middle:.1f})rotate(-90)">knots</text>'


def _time_axis(graph: Graph, timezone: int) -> Iterator[str]:
    step = time_step((graph.end - graph.start) / 1000, MAX_TIMES)
    start = graph.start / 1000 + timezone * 60
    end = graph.end / 1000 + timezone * 60
    for tick in range(-(-int(start) // step) * step, int(end) + 1, step):
        x = graph.x((tick - timezone * 60) * 1000)
        yield f'<path class="grid" d="M{x:.1f} {graph.top:.1f}v{graph.height + 5:.1f}"/>'
        below, time = graph.base + 20, clock(tick, step)
        yield f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{below:.1f}">{time}</text>'


def _line(graph: Graph, course: Course) -> Iterator[str]:
    scale = graph.width / (graph.end - graph.start)
    column = ((course.time - graph.start) * scale).astype(np.intp)
    # A gap narrower than a column is invisible, and there may be thousands.
    torn = course.broken & (np.diff(course.time, prepend=graph.start - (graph.end - graph.start)) * scale >= 1)
    starts = np.flatnonzero(torn | (np.diff(column, prepend=-1) != 0))
    kept = extremes(course.speed, starts)
    pieces = np.split(kept, np.flatnonzero(np.isin(kept, np.flatnonzero(torn)))[1:])
    yield f'<path class="area" d="{"".join(_area(graph, course, piece) for piece in pieces)}"/>'
    yield f'<path class="speed" d="{"".join(_trace(graph, course, piece) for piece in pieces)}"/>'


def _trace(graph: Graph, course: Course, piece: Indices) -> str:
    first, *others = (f"{graph.x(t):.1f} {graph.y(v):.1f}" for t, v in _values(course, piece))
    return f"M{first}L{' '.join(others)}" if others else f"M{first}h0"


def _area(graph: Graph, course: Course, piece: Indices) -> str:
    if len(piece) < 2:
        return ""
    first, last = (graph.x(course.time[end]) for end in (piece[0], piece[-1]))
    points = " ".join(f"{graph.x(t):.0f} {graph.y(v):.0f}" for t, v in _values(course, piece))
    return f"M{first:.0f} {graph.base:.0f}L{points} {last:.0f} {graph.base:.0f}Z"


def _values(course: Course, piece: Indices) -> Iterator[tuple[float, float]]:
    return zip(course.time[piece].tolist(), course.speed[piece].tolist(), strict=True)


def _marks(graph: Graph, marks: Sequence[Mark]) -> tuple[list[str], list[str]]:
    """Return the parts of the marks that lie under the line of speed, and those that lie over it."""
    below, above = [], []
    for index, (mark, (middle, lane)) in enumerate(zip(marks, lanes(graph, marks), strict=True)):
        left, top, text = graph.x(mark.start), graph.y(mark.value), graph.top - 14 - LANE * lane
        width = max(graph.x(mark.end) - left, 2)
        size = f'width="{width:.1f}" height="{graph.base - top:.1f}"'
        if mark.in_one_place:
            below.append(f'<rect class="band" x="{left:.1f}" y="{top:.1f}" {size}/>')
        to = f"L{left + width / 2:.1f} {graph.top:.1f}V{top:.1f}"
        below.append(f'<path class="leader" d="M{middle:.1f} {text:.1f}{to}"/>')
        half = len(label(index, mark)) * CHARACTER / 2 + 4
        box = f'x="{middle - half:.1f}" y="{text - 14:.1f}" width="{2 * half:.1f}" height="18"'
        name = f'<tspan class="number">{index + 1}</tspan>  {xml_text(mark.label)}  {mark.value:.2f}'
        above += [
            f'<path class="best" d="M{left:.1f} {top:.1f}h{width:.1f}"/>',
            f'<rect class="pill" {box} rx="4"/>',
            f'<text class="mark" text-anchor="middle" x="{middle:.1f}" y="{text:.1f}">{name}</text>',
        ]
    return below, above
