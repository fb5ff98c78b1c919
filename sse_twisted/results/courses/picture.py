"""A picture of a sailor's passages of a course as SVG: the line, and each run coloured by speed, north up."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np
from msgspec import Struct

from sse_twisted.config.courses import Course, Line
from sse_twisted.results.courses.decisions import Decided
from sse_twisted.results.courses.gpsdata import published_end
from sse_twisted.results.courses.path import Path, path_of
from sse_twisted.results.courses.plane import Gate, Plane, Values
from sse_twisted.results.courses.runs import KNOTS
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.markup import xml_text
from sse_twisted.tracks.plot.course import written
from sse_twisted.tracks.plot.map import Colours, Map, colours_of, draw_legend, north_arrow, scale_bar
from sse_twisted.tracks.plot.picture import STYLE

WIDTH, HEIGHT = 1200, 900
HEAD: Final = 116  # title, facts and the legend
EDGE: Final = 28
MARGIN: Final = 48  # between what is drawn and the edge of the map
TABLE: Final = 290  # width of the list of passages
ROW: Final = 24
AROUND: Final = 8.0  # s before and after a passage that is no run, or before and after a run
MAX_DRAWN: Final = 80  # passages; a real track has up to 80 a day
MAX_POINTS: Final = 160  # of one passage: one for each 3 px or so
OWN_STYLE: Final = """
.line{stroke:#fff;stroke-width:3;fill:none}.finish{stroke:#fff;stroke-width:2;stroke-dasharray:6 5;fill:none}
.none{stroke:#93a1ad;stroke-width:1.2;stroke-dasharray:3 4;fill:none}.lead{stroke:#66727d;stroke-width:1;fill:none}
.refused{fill:none;stroke:#ff8a4c;stroke-width:2}.counts{fill:#7ad151}
.row{font-size:14px}.out{fill:#5b6570;text-decoration:line-through}
@media (prefers-color-scheme:dark){.out{fill:#9aa5b1}}
"""


class Scene(Struct, frozen=True, eq=False):
    """A track on the plane of a line, and its passages."""

    path: Path
    gate: Gate
    finish: Gate | None
    passages: tuple[Decided, ...]


class Area(Struct, frozen=True, eq=False):
    """The map, and the place on the page of the plane's origin (px)."""

    map: Map
    x: float
    y: float


def draw_passages(
    track: Track, course: Course, line: Line, passages: Sequence[Decided], zone: dt.tzinfo, title: str
) -> str:
    """Return a self-contained SVG document; `title` can be any text. A long track takes up to 0.1 s."""
    plane = Plane.of(line)
    finish = Gate(plane, course.finish) if isinstance(course.finish, Line) else None
    scene = Scene(path_of(track, plane), Gate(plane, line), finish, tuple(passages[:MAX_DRAWN]))
    area = _area(scene)
    speeds = np.concatenate([_speeds(scene, each) for each in scene.passages] or [np.zeros(1)])
    colours = colours_of(speeds if len(speeds) else np.zeros(1))
    runs = sum(each.counts for each in passages)
    facts = f"{runs} of {len(passages)} passages of the line are runs"
    if len(passages) > MAX_DRAWN:
        facts += f"; the first {MAX_DRAWN} are drawn"
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{xml_text(title)}</title><desc>{xml_text(facts)}</desc><style>{STYLE}{OWN_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{EDGE}" y="42">{xml_text(title)}</text>',
        f'<text class="facts" x="{EDGE}" y="66">{xml_text(facts)}</text>',
        f'<text class="tick" x="{EDGE}" y="92">knots</text>',
        *draw_legend(colours, EDGE + 60, 80),
        *_map(scene, area, colours),
        *_table(scene.passages, track.rate, zone, WIDTH - EDGE - TABLE + 24),
    )
    return "\n".join((*lines, "</svg>\n"))


def _area(scene: Scene) -> Area:
    """Fit the line, the finish and all passages into the map, with equal scales."""
    corners = [*scene.gate.ends, *(scene.finish.ends if scene.finish else ())]
    east, north = (list(each) for each in zip(*corners, strict=True))
    for each in scene.passages:
        fixes = _fixes(scene, each)
        east += [float(edge) for edge in (scene.path.east[fixes].min(), scene.path.east[fixes].max())]
        north += [float(edge) for edge in (scene.path.north[fixes].min(), scene.path.north[fixes].max())]
    width, height = WIDTH - 2 * EDGE - TABLE, HEIGHT - HEAD - EDGE
    extents = [max(max(values) - min(values), 50.0) for values in (east, north)]
    scale = min((width - 2 * MARGIN) / extents[0], (height - 2 * MARGIN) / extents[1])
    middle = [(min(values) + max(values)) / 2 for values in (east, north)]
    x, y = EDGE + width / 2 - middle[0] * scale, HEAD + height / 2 + middle[1] * scale
    east_px, north_px = x + scene.path.east * scale, y - scene.path.north * scale
    return Area(Map(EDGE, HEAD, width, height, scale, east_px, north_px), x, y)


def _fixes(scene: Scene, decided: Decided) -> slice:
    """Return the fixes of a passage that are drawn: the run, or some seconds around the line; at least one."""
    passage = decided.passage
    end = passage.run.end if passage.run else passage.time
    times = [passage.time - AROUND, end + AROUND]
    first, stop = (int(place) for place in np.searchsorted(scene.path.time, times))
    first = min(first, len(scene.path) - 1)
    return slice(first, max(stop, first + 1))


def _speeds(scene: Scene, decided: Decided) -> Values:
    run = decided.passage.run
    return scene.path.speed[run.first + 1 : run.last] * KNOTS if run else np.zeros(0)


def _map(scene: Scene, where: Area, colours: Colours) -> Iterator[str]:
    area = where.map
    yield (
        f'<rect class="ground" x="{area.left:.1f}" y="{area.top:.1f}" width="{area.width:.1f}" '
        f'height="{area.height:.1f}" rx="6"/>'
    )
    for decided in scene.passages:
        yield from _passage(scene, area, colours, decided)
    yield _gate(where, scene.gate, "line")
    if scene.finish:
        yield _gate(where, scene.finish, "finish")
    for decided in scene.passages:
        east, north = (np.interp(decided.passage.time, scene.path.time, each) for each in (area.x, area.y))
        kind = "counts" if decided.counts else "refused"
        yield f'<circle class="{kind}" cx="{east:.1f}" cy="{north:.1f}" r="4"/>'
    yield from scale_bar(area)
    yield from north_arrow(area)


def _passage(scene: Scene, area: Map, colours: Colours, decided: Decided) -> Iterator[str]:
    fixes, run = _fixes(scene, decided), decided.passage.run
    if run is None or not decided.counts:
        yield f'<path class="none" d="{_polyline(area, fixes)}"/>'
        return
    yield f'<path class="lead" d="{_polyline(area, fixes)}"/>'
    every = -(-(run.last - run.first) // MAX_POINTS)
    points = np.arange(run.first + 1, run.last, every)
    bins = colours.bins(scene.path.speed[points] * KNOTS)
    yield '<g class="path">'
    for colour, group in groupby(range(len(points)), key=lambda index: int(bins[index])):
        indices = list(group)
        some = points[indices[0] : indices[-1] + 2]  # up to the first point of the next colour
        yield f'<path stroke="{colours.colours[colour]}" d="M{"L".join(written(area.x[some], area.y[some]))}h0"/>'
    yield "</g>"


def _polyline(area: Map, fixes: slice) -> str:
    every = -(-(fixes.stop - fixes.start) // MAX_POINTS)
    some = slice(fixes.start, fixes.stop, every)
    return f"M{'L'.join(written(area.x[some], area.y[some]))}h0"


def _gate(area: Area, gate: Gate, kind: str) -> str:
    scale = area.map.scale
    (x, y), (to_x, to_y) = ((area.x + east * scale, area.y - north * scale) for east, north in gate.ends)
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'


def _table(passages: Iterable[Decided], rate: int, zone: dt.tzinfo, left: float) -> Iterator[str]:
    """Draw the list of passages beside the map: time, speed, or why it is no run."""
    most = math.floor((HEIGHT - HEAD - EDGE) / ROW) - 1
    listed = list(passages)
    for index, decided in enumerate(listed[:most]):
        y = HEAD + ROW * (index + 0.7)
        run = decided.passage.run
        shown_at = published_end(run, rate) if run else decided.passage.time
        time = dt.datetime.fromtimestamp(shown_at, zone).strftime("%H:%M:%S")
        yield f'<text class="tick" x="{left:.1f}" y="{y:.1f}">{time}</text>'
        if run is not None:
            kind = "row" if decided.counts else "row out"
            yield f'<text class="{kind}" text-anchor="end" x="{left + 112:.1f}" y="{y:.1f}">{run.knots:.2f}</text>'
        if not decided.counts:
            text = decided.why_not if len(decided.why_not) < 28 else decided.why_not[:26] + "…"
            yield f'<text class="tick" x="{left + 122:.1f}" y="{y:.1f}">{xml_text(text)}</text>'
    if len(listed) > most:
        y = HEAD + ROW * (most + 0.7)
        yield f'<text class="tick" x="{left:.1f}" y="{y:.1f}">and {len(listed) - most} more</text>'
