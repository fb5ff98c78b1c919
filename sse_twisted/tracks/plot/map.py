"""The lower part of a plot: the path coloured by speed, and its scales."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.tracks.plot.course import Course, Floats, Indices, Mark, written
from sse_twisted.tracks.plot.scales import round_step, viridis

MARGIN: Final = 44  # between the path and the edge of the map
MIN_HEIGHT: Final = 260  # of a map, px
MAX_HEIGHT: Final = 760
MIN_EXTENT: Final = 20  # metres; the path of a device on a table must not fill the page
MAX_STEPS: Final = 8_000  # of the path, which bounds the size of the file
MAX_HALO_PARTS: Final = 50  # bounds the pieces, and the points
STEP: Final = 1.2  # px
MAX_COLOURS: Final = 20
MIN_STEP: Final = 0.5  # knots of one colour
DARKEST: Final = 0.16  # of the ramp: darker colours are invisible on the ground of the map
BLOCK: Final = 24  # width of a colour in the legend
CLOSE: Final = 24  # px between two places that share a name
DIGIT: Final = 8  # ample width of one in a tick
HALO: Final = 7  # width of the line around a best run
MIN_BAR: Final = 80  # px


class Map(Struct, frozen=True, eq=False):
    """The map on the page (px), the path on it (px), and the scale in px per metre."""

    left: float
    top: float
    width: float
    height: float
    scale: float
    x: Floats
    y: Floats


class Colours(Struct, frozen=True):
    """Bins of `step` knots from `lowest` on, each with a colour."""

    lowest: float
    step: float
    colours: tuple[str, ...]

    def bins(self, speeds: Floats) -> Indices:
        places = np.floor((speeds - self.lowest) / self.step + 1e-9).astype(np.intp)
        return np.clip(places, 0, len(self.colours) - 1)


def fit_map(course: Course, left: float, top: float, width: float) -> Map:
    """Fit the path into a map with equal scales and north up; the height stays within MIN_HEIGHT and MAX_HEIGHT."""
    extents = [max(float(np.ptp(values)), MIN_EXTENT) for values in (course.east, course.north)]
    height = min(max((width - 2 * MARGIN) * extents[1] / extents[0] + 2 * MARGIN, MIN_HEIGHT), MAX_HEIGHT)
    scale = min((width - 2 * MARGIN) / extents[0], (height - 2 * MARGIN) / extents[1])
    east, north = ((values.min() + values.max()) / 2 for values in (course.east, course.north))
    return Map(
        left=left,
        top=top,
        width=width,
        height=height,
        scale=scale,
        x=left + width / 2 + (course.east - east) * scale,
        y=top + height / 2 - (course.north - north) * scale,
    )


def colours_of(speeds: Floats) -> Colours:
    """Return round bins for these speeds, at most MAX_COLOURS."""
    step = max(round_step(float(np.ptp(speeds)), MAX_COLOURS - 1), MIN_STEP)
    lowest = math.floor(float(speeds.min()) / step) * step
    count = max(math.ceil((float(speeds.max()) - lowest) / step - 1e-9), 1)
    parts = (DARKEST + (1 - DARKEST) * index / max(count - 1, 1) for index in range(count))
    return Colours(lowest, step, tuple(viridis(part) for part in parts))


def draw_map(area: Map, course: Course, colours: Colours, marks: Sequence[Mark]) -> Iterator[str]:
    """Draw the ground, the path, its start and end, and the numbers of the marks."""
    yield (
        f'<rect class="ground" x="{area.left:.1f}" y="{area.top:.1f}" '
        f'width="{area.width:.1f}" height="{area.height:.1f}" rx="6"/>'
    )
    placed = course.placed(marks)
    yield from _halos(area, course, placed)
    yield '<g class="path">'
    yield from _paths(area, course, colours)
    yield "</g>"
    yield from _ends(area)
    yield from _numbers(area, placed)
    yield from scale_bar(area)
    yield from north_arrow(area)


def draw_legend(colours: Colours, left: float, top: float) -> Iterator[str]:
    """Draw the colours with the speeds between them."""
    for index, colour in enumerate(colours.colours):
        yield f'<rect x="{left + index * BLOCK:.1f}" y="{top:.1f}" width="{BLOCK}" height="12" fill="{colour}"/>'
    names = [f"{colours.lowest + index * colours.step:g}" for index in range(len(colours.colours) + 1)]
    every = -(-(max(map(len, names)) * DIGIT + 4) // BLOCK)
    for index in range(0, len(names), every):
        x = left + index * BLOCK
        yield f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{top + 27:.1f}">{names[index]}</text>'


def _paths(area: Map, course: Course, colours: Colours) -> Iterator[str]:
    """Draw one path for each colour, the fastest on top; each step has the colour of its fastest fix."""
    moved = np.hypot(np.diff(area.x, prepend=area.x[:1]), np.diff(area.y, prepend=area.y[:1]))
    gone = np.cumsum(moved)
    step = max(STEP, float(gone[-1]) / MAX_STEPS)
    # A gap shorter than a step is invisible, and there may be thousands.
    torn = course.broken & (moved > step)
    torn[:1] = True
    cell = np.floor(gone / step)
    starts = np.flatnonzero(torn | (np.diff(cell, prepend=-1) > 0))
    vertices = np.unique(np.concatenate([starts, np.append(np.flatnonzero(torn)[1:], len(torn)) - 1]))
    fastest = np.maximum.reduceat(course.speed, vertices)
    goes_on = np.append(~torn[vertices[1:]], False)
    fastest[:-1] = np.where(goes_on[:-1], np.maximum(fastest[:-1], course.speed[vertices[1:]]), fastest[:-1])
    alone = ~goes_on & torn[vertices]
    bins = colours.bins(fastest)
    points = written(area.x[vertices], area.y[vertices])
    for index, colour in enumerate(colours.colours):
        steps = np.flatnonzero((bins == index) & (goes_on | alone))
        if len(steps):
            yield f'<path stroke="{colour}" d="{_steps(points, steps.tolist(), goes_on.tolist())}"/>'


def _steps(points: list[str], steps: list[int], goes_on: list[bool]) -> str:
    pieces = []
    for before, step in pairwise([-2, *steps]):
        if step != before + 1 or not goes_on[before]:
            pieces.append("M" + points[step])
        pieces.append("L" + points[step + 1] if goes_on[step] else "h0")
    return "".join(pieces)


def _halos(area: Map, course: Course, placed: Sequence[tuple[int, Indices]]) -> Iterator[str]:
    for _, fixes in placed:
        moved = np.hypot(np.diff(area.x[fixes], prepend=np.nan), np.diff(area.y[fixes], prepend=np.nan))
        torn = np.flatnonzero(course.broken[fixes] & (moved > HALO))
        pieces = np.split(fixes, torn) if len(torn) < MAX_HALO_PARTS else [fixes[:1]]
        every = -(-len(fixes) // MAX_HALO_PARTS)
        kept = (np.append(piece[:-1:every], piece[-1:]) for piece in pieces)
        path = "".join("M" + "L".join(written(area.x[some], area.y[some])) + "h0" for some in kept)
        yield f'<path class="halo" d="{path}"/>'


def _numbers(area: Map, placed: Sequence[tuple[int, Indices]]) -> Iterator[str]:
    """Draw the number of each mark near the middle of its window, moved down where it would hide another."""
    taken: list[tuple[float, float]] = []
    for number, fixes in placed:
        x, y = float(area.x[fixes[len(fixes) // 2]]), float(area.y[fixes[len(fixes) // 2]])
        at = (min(x + 22, area.left + area.width - 12), max(y - 18, area.top + 12))
        while any(abs(at[0] - other[0]) < 19 and abs(at[1] - other[1]) < 19 for other in taken):
            at = (at[0], at[1] + 19)
        taken.append(at)
        yield f'<path class="pointer" d="M{x:.1f} {y:.1f}L{at[0]:.1f} {at[1]:.1f}"/>'
        yield f'<circle class="badge" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="9"/>'
        yield f'<text class="on-badge" text-anchor="middle" x="{at[0]:.1f}" y="{at[1] + 4:.1f}">{number}</text>'


def _ends(area: Map) -> Iterator[str]:
    x, y = float(area.x[0]), float(area.y[0])
    end_x, end_y = float(area.x[-1]), float(area.y[-1])
    yield f'<circle class="end" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
    yield f'<rect class="end" x="{end_x - 4.5:.1f}" y="{end_y - 4.5:.1f}" width="9" height="9"/>'
    if math.hypot(end_x - x, end_y - y) < CLOSE:
        yield _place(area, end_x, end_y + 4, "start and end")
    else:
        yield _place(area, x, y + (12 if y > end_y else -4), "start")
        yield _place(area, end_x, end_y + (12 if end_y >= y else -4), "end")


def _place(area: Map, x: float, y: float, name: str) -> str:
    anchor, side = ("end", -12) if x > area.left + area.width - 120 else ("start", 12)
    return f'<text class="place" text-anchor="{anchor}" x="{x + side:.1f}" y="{y:.1f}">{name}</text>'


def scale_bar(area: Map) -> Iterator[str]:
    """Draw a bar of a round length."""
    metres = round_step(MIN_BAR / area.scale, 1)
    length, right, y = metres * area.scale, area.left + area.width - 20, area.top + area.height - 18
    name = f"{metres:g} m" if metres < 10_000 else f"{metres / 1000:g} km"
    yield f'<path class="bar" d="M{right - length:.1f} {y - 5:.1f}v5h{length:.1f}v-5"/>'
    yield f'<text class="on-ground" text-anchor="middle" x="{right - length / 2:.1f}" y="{y - 8:.1f}">{name}</text>'


def north_arrow(area: Map) -> Iterator[str]:
    """Draw an arrow that points up."""
    x, y = area.left + area.width - 26, area.top + 20
    yield f'<path class="arrow" d="M{x:.1f} {y:.1f}l6 18l-6 -4l-6 4z"/>'
    yield f'<text class="on-ground" text-anchor="middle" x="{x:.1f}" y="{y + 32:.1f}">N</text>'
