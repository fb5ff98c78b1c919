"""A picture of a track as SVG: speed over time, and the path coloured by speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from sse_twisted.runtime.text import plural
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.markup import xml_text
from sse_twisted.tracks.plot.course import Course, Mark, course_of
from sse_twisted.tracks.plot.graph import LANE, MAX_SPEEDS, Graph, draw_graph, lanes
from sse_twisted.tracks.plot.map import colours_of, draw_legend, draw_map, fit_map
from sse_twisted.tracks.plot.scales import local, offset_name, round_step
from sse_twisted.tracks.session import Session, knots

MARKED: Final = (("2s", "2 s"), ("10s", "10 s"), ("500m", "500 m"), ("alpha500", "alpha 500"), ("1852m", "1852 m"))

WIDTH: Final = 1200
LEFT: Final = 56
RIGHT: Final = 28
HEAD: Final = 86  # title and the line below
GRAPH: Final = 290
BETWEEN: Final = 104  # the axis of time, and the legend of the map
FOOT: Final = 24
TABLE: Final = 300  # width of the list of marks beside the map
ROW: Final = 30  # height of a line of it

# The ground of the map is dark in the light style too: the fastest stretches are the brightest.
STYLE: Final = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1b1f24;white-space:pre}
.page{fill:#fff}.title{font-size:25px;font-weight:700}.facts{font-size:14px;fill:#5b6570}
.tick{font-size:12px;fill:#5b6570}.grid{stroke:#e2e6ea;fill:none}
.area{fill:#2b6cb0;fill-opacity:.13}.band{fill:#d9480f;fill-opacity:.2}
.speed{stroke:#235a97;stroke-width:1;fill:none;stroke-linejoin:round;stroke-linecap:round}
.leader{stroke:#d9480f;fill:none;stroke-width:.8;stroke-opacity:.7}.best{stroke:#d9480f;stroke-width:2.5;fill:none}
.pill{fill:#fff;fill-opacity:.9}.mark{font-size:12px}.number{font-weight:700;fill:#d9480f}
.ground{fill:#10161d}.path{fill:none;stroke-width:1.7;stroke-linejoin:round;stroke-linecap:round}
.halo{fill:none;stroke:#ff8a4c;stroke-width:7;stroke-opacity:.75;stroke-linecap:round;stroke-linejoin:round}
.badge{fill:#ff8a4c}.on-badge{font-size:11px;font-weight:700;fill:#10161d}.pointer{stroke:#ff8a4c;stroke-width:1.2}
.end{fill:#10161d;stroke:#fff;stroke-width:2.2}.bar{stroke:#dfe6ec;stroke-width:1.6;fill:none}.arrow{fill:#dfe6ec}
.on-ground{font-size:12px;fill:#dfe6ec}.best-speed{font-size:18px;font-weight:700}.best-of{font-size:14px}
.place{font-size:13px;font-weight:600;fill:#fff;stroke:#10161d;stroke-width:3.5;paint-order:stroke}
@media (prefers-color-scheme:dark){
text{fill:#e8ecf0}.page{fill:#171c22}.facts,.tick{fill:#9aa5b1}.grid{stroke:#2b333c}.pill{fill:#171c22}
.speed{stroke:#86b6f0}.area{fill:#86b6f0}.leader,.best{stroke:#ff8a4c}.band,.number{fill:#ff8a4c}
.on-badge{fill:#10161d}.on-ground{fill:#dfe6ec}.place{fill:#fff}.ground{fill:#0b0f14}}
"""


def plot(track: Track, marks: Sequence[Mark] = (), title: str = "", timezone: int | None = None) -> str:
    """Draw a track as a self-contained SVG document below 400 KB; a long track takes up to 0.1 s.

    Only usable fixes are drawn; lines break where one is missing. Thinning keeps every peak of speed. Times are local
    by `timezone`, in minutes east of UTC, and without it by the header's. The default title is the device's number and
    nickname; it and the labels of the marks can be any text.
    """
    course = course_of(track)
    if timezone is None:
        timezone = track.header.timezone if track.header else 0
    title = title or title_of(track)
    facts = _facts(track, course, timezone)
    body, height = _body(course, marks, timezone) if len(course) else ([], HEAD)
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{xml_text(title)}</title><desc>{xml_text(facts)}</desc><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>',
        f'<text class="title" x="{LEFT}" y="42">{xml_text(title)}</text>',
        f'<text class="facts" x="{LEFT}" y="66">{xml_text(facts)}</text>',
    )
    return "\n".join([*head, *body, "</svg>\n"])


def marks_of(session: Session | None) -> list[Mark]:
    """Return a mark for the best of each discipline that a plot shows."""
    if session is None:
        return []
    bests = ((label, session.bests.get(name, ())) for name, label in MARKED)
    return [Mark(label, best[0].start, best[0].end, knots(best[0].value)) for label, best in bests if best]


def title_of(track: Track) -> str:
    """Return the number and nickname of the device, if the header tells them."""
    if track.header is None:
        return track.device.model or "Unknown device"
    return " · ".join(filter(None, [f"Device {track.header.identifier}", track.header.nickname]))


def _facts(track: Track, course: Course, timezone: int) -> str:
    if not len(course):
        return f"no usable fix among {len(track.fixes):,}"
    start, end = (local(int(course.time[place]) / 1000 + timezone * 60) for place in (0, -1))
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%d %B %H:%M}"
    unusable = len(track.fixes) - len(course)
    parts = [
        f"{start.day} {start:%B %Y}, {start:%H:%M} to {until} {offset_name(timezone)}",
        f"fastest fix {course.speed.max():.2f} knots",
        plural(len(course), "usable fix", "usable fixes") + (f", {unusable:,} more not drawn" if unusable else ""),
        f"firmware {track.header.firmware}" if track.header and track.header.firmware else "",
    ]
    return "  ·  ".join(filter(None, parts))


def _body(course: Course, marks: Sequence[Mark], timezone: int) -> tuple[list[str], float]:
    """Return everything below the head, and the height of the page."""
    highest = max([float(course.speed.max()), *(mark.value for mark in marks), 1.0])
    step = round_step(highest, MAX_SPEEDS)
    start, end = int(course.time[0]), int(course.time[-1])
    width = WIDTH - LEFT - RIGHT
    graph = Graph(LEFT, HEAD, width, GRAPH, start, max(end, start + 1000), -(-highest // step) * step)
    rows = 1 + max((lane for _, lane in lanes(graph, marks)), default=-1)
    graph = replace(graph, top=HEAD + 8 + LANE * rows)
    top = graph.base + BETWEEN
    area = fit_map(course, LEFT, top, width - TABLE if marks else width)
    colours = colours_of(course.speed)
    below = max(area.top + area.height, top + ROW * (len(marks) + 1))
    return [
        *draw_graph(graph, course, marks, timezone),
        f'<text class="tick" x="{LEFT}" y="{top - 43:.1f}">path by speed in knots</text>',
        *draw_legend(colours, LEFT + 160, top - 54),
        *draw_map(area, course, colours, marks),
        *_table(marks, timezone, WIDTH - RIGHT - TABLE + 24, top),
    ], below + FOOT


def _table(marks: Sequence[Mark], timezone: int, left: float, top: float) -> Iterator[str]:
    """Draw the list of marks beside the map: number, speed, discipline, and the start of its window."""
    if marks:
        yield f'<text class="tick" x="{left:.1f}" y="{top + 12:.1f}">best runs, knots</text>'
        yield f'<text class="tick" text-anchor="end" x="{left + TABLE - 24:.1f}" y="{top + 12:.1f}">from</text>'
    for index, mark in enumerate(marks):
        y = top + 20 + ROW * (index + 0.7)
        time = f"{local(mark.start / 1000 + timezone * 60):%H:%M:%S}"
        yield f'<circle class="badge" cx="{left + 9:.1f}" cy="{y - 5:.1f}" r="9"/>'
        yield f'<text class="on-badge" text-anchor="middle" x="{left + 9:.1f}" y="{y - 1:.1f}">{index + 1}</text>'
        yield f'<text class="best-speed" text-anchor="end" x="{left + 84:.1f}" y="{y:.1f}">{mark.value:.2f}</text>'
        yield f'<text class="best-of" x="{left + 98:.1f}" y="{y:.1f}">{xml_text(mark.label)}</text>'
        yield f'<text class="tick" text-anchor="end" x="{left + TABLE - 24:.1f}" y="{y:.1f}">{time}</text>'
