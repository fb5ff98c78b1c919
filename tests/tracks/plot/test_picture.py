from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sse_twisted.tracks.format import KNOT
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.oao.layout import Frames
from sse_twisted.tracks.plot.course import Mark
from sse_twisted.tracks.plot.picture import plot, title_of
from tests.tracks.exported import track_of
from tests.tracks.voyages import METRES_PER_UNIT, START, sail, small_track

SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 400_000  # bytes of a file

Point = tuple[float, float]


def straight(seconds: float = 600) -> Frames:
    """A sail along one line to the east, 10 m/s throughout."""
    fixes = sail(seconds)
    fixes["speed"] = 10_000
    fixes["latitude"] = 505_800_000
    fixes["longitude"] = -24_700_000 + np.arange(len(fixes)) * 2 / METRES_PER_UNIT / np.cos(np.radians(50.58))
    return fixes


def drawn(frames: Frames, *marks: Mark, title: str = "", timezone: int = 60) -> ElementTree.Element:
    return ElementTree.fromstring(plot(track_of(frames, timezone=timezone), marks, title))  # noqa: S314  # our own


def of_class(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in svg.iter() if element.get("class") == name]


def words(svg: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in svg.iter(f"{SVG}text")]


def strokes(element: ElementTree.Element) -> list[list[Point]]:
    """The points of each stroke of a path of M, L and h0."""
    found = []
    for stroke in element.attrib["d"].split("M")[1:]:
        values = [float(value) for value in re.findall(r"-?\d+(?:\.\d+)?", stroke.replace("h0", ""))]
        found.append(list(zip(values[::2], values[1::2], strict=True)))
    return found


def path(svg: ElementTree.Element) -> dict[str, list[list[Point]]]:
    """The strokes of the map by their colour, in the order in which they are drawn."""
    (group,) = of_class(svg, "path")
    return {element.attrib["stroke"]: strokes(element) for element in group}


def test_a_plot_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = plot(track_of(sail(600)), [Mark("2 s", START, START + 2000, 20)])
    root = ElementTree.fromstring(text)  # noqa: S314  # it is our own
    assert root.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "tspan", "path", "circle", "g")
    }
    for reference in ("href", "url(", "@import", "http://"):
        assert reference not in text.replace("http://www.w3.org/2000/svg", "", 1)


def test_it_says_who_and_when() -> None:
    said = words(drawn(sail(7200)))
    assert said[0] == "Device 601 · WSW"
    assert said[1].startswith("19 October 2022, 12:00 to 13:59 UTC+1  ·  fastest fix ")
    assert "12:30" in said
    assert "36,000 usable fixes" in said[1]


def test_times_are_those_of_another_time_zone_if_one_is_given() -> None:
    assert "17:00 to 17:09 UTC+6" in plot(track_of(sail(600), timezone=60), timezone=360)


def test_times_are_those_of_the_header_s_time_zone() -> None:
    said = words(drawn(sail(7200), timezone=-600))
    assert said[1].startswith("19 October 2022, 01:00 to 02:59 UTC-10")
    assert "01:30" in said
    assert "from" not in said


def test_any_title_and_label_will_do() -> None:
    name = '<b>Zoë & "Co"</b>'
    svg = drawn(sail(60), Mark("<2 s>", START, START + 2000, 20), title=name + "\x00")
    assert words(svg)[0] == name + "\N{REPLACEMENT CHARACTER}"
    assert svg.findtext(f"{SVG}title") == words(svg)[0]
    assert "<2 s>" in words(svg)
    assert title_of(decode(bytes(10) + small_track(20)[10:])) == "Unknown device"


def test_light_and_dark_have_colours_of_their_own() -> None:
    style = drawn(sail(60)).findtext(f"{SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for rule in ("text{", ".page{", ".speed{", ".grid{"):
        own = [re.findall(r"(?<![\w.-])" + re.escape(rule) + "[^}]*", part) for part in (light, dark)]
        assert own[0]
        assert own[1]
        assert own[0] != own[1]


def test_the_line_of_speed_has_a_round_scale_and_keeps_every_peak() -> None:
    fixes = straight(14_400)
    fixes["speed"][10_001] = round(25 * KNOT)
    fixes["speed"][50_003] = round(29.9 * KNOT)
    svg = drawn(fixes)
    (speeds,) = strokes(of_class(svg, "speed")[0])
    lines = [re.fullmatch(r"M[\d.]+ ([\d.]+)h[\d.]+", element.attrib["d"]) for element in of_class(svg, "grid")]
    levels = [float(line[1]) for line in lines if line]
    assert words(svg)[2:9] == ["0", "5", "10", "15", "20", "25", "30"]
    zero, top = levels[0], levels[-1]
    knots = sorted({round(30 * (zero - y) / (zero - top), 1) for _, y in speeds})
    assert knots[-2:] == pytest.approx([25, 29.9], abs=0.1)
    assert len(speeds) < 5000


def test_the_line_of_speed_is_not_drawn_where_fixes_are_missing() -> None:
    fixes = np.delete(straight(600), slice(1000, 1500))
    first, second = strokes(of_class(drawn(fixes), "speed")[0])
    whole = second[-1][0] - first[0][0]
    assert (first[-1][0] - first[0][0]) / whole == pytest.approx(1000 / 3000, abs=0.002)
    assert (second[0][0] - first[0][0]) / whole == pytest.approx(1500 / 3000, abs=0.002)


def test_a_fix_between_two_gaps_is_a_dot() -> None:
    fixes = straight(600)
    fixes = fixes[np.isin(np.arange(3000), [*range(1000), 1500, *range(2000, 3000)])]
    svg = drawn(fixes)
    assert [len(stroke) for stroke in strokes(of_class(svg, "speed")[0])][1] == 1
    assert [len(stroke) for stroke in next(iter(path(svg).values()))][1] == 1
    assert "h0" in of_class(svg, "speed")[0].attrib["d"]


def test_the_path_is_not_drawn_where_fixes_are_missing() -> None:
    (found,) = path(drawn(np.delete(straight(600), slice(1000, 1500)))).values()
    (first, second) = found
    whole = second[-1][0] - first[0][0]
    assert (first[-1][0] - first[0][0]) / whole == pytest.approx(1000 / 3000, abs=0.003)
    assert (second[0][0] - first[0][0]) / whole == pytest.approx(1500 / 3000, abs=0.003)


def test_an_unusable_fix_is_nowhere() -> None:
    fixes = straight()
    before = plot(track_of(np.delete(fixes, 1000)))
    fixes["fix"][1000], fixes["speed"][1000], fixes["latitude"][1000] = 0, 400_000, 0
    assert plot(track_of(fixes)).replace(", 1 more not drawn", "") == before


def test_each_part_of_the_path_has_the_colour_of_its_speed_and_the_fastest_is_on_top() -> None:
    fixes = straight()
    fixes["speed"] = np.repeat([5, 25, 15], 1000) * KNOT + 200
    found = path(drawn(fixes))
    colours = list(found)
    assert len(colours) == 3
    assert colours[-1] == "#fde725"
    left = min(x for strokes in found.values() for stroke in strokes for x, _ in stroke)
    right = max(x for strokes in found.values() for stroke in strokes for x, _ in stroke)
    thirds = [(left + right) / 2 + (right - left) * part for part in (-1 / 3, 1 / 3, 0)]
    for colour, middle in zip(colours, thirds, strict=True):
        assert (
            min(x for stroke in found[colour] for x, _ in stroke)
            < middle
            < max(x for stroke in found[colour] for x, _ in stroke)
        )


def test_the_path_keeps_a_peak_of_a_single_fix() -> None:
    fixes = straight(14_400)
    fixes["speed"][50_003] = round(29.9 * KNOT)
    (peak,) = path(drawn(fixes))["#fde725"]
    assert len(peak) >= 2


def test_scales_are_equal_and_the_bar_is_as_long_as_it_says() -> None:
    fixes = straight(100)  # 1 km to the east, then as much to the north
    turn = np.concatenate([fixes, fixes])
    turn["utc"] = START + np.arange(1000) * 200
    turn["longitude"][500:] = fixes["longitude"][-1]
    turn["latitude"][500:] = fixes["latitude"][0] + np.arange(1, 501) * 2 / METRES_PER_UNIT
    svg = drawn(turn)
    xs, ys = zip(*(point for strokes in path(svg).values() for stroke in strokes for point in stroke), strict=True)
    assert max(xs) - min(xs) == pytest.approx(max(ys) - min(ys), rel=0.01)
    assert xs[ys.index(min(ys))] == pytest.approx(max(xs), abs=0.2)  # north is up, east to the right
    bar = of_class(svg, "bar")[0].attrib["d"]
    (length,) = re.findall(r"v5h([\d.]+)v-5", bar)
    assert 80 <= float(length) <= 200
    (metres,) = [word for word in words(svg) if re.fullmatch(r"\d+ m", word)]
    assert float(length) / int(metres.split()[0]) == pytest.approx((max(xs) - min(xs)) / 998, rel=0.01)


def test_start_and_end_are_marked_and_share_a_name_where_they_are_close() -> None:
    assert {"start", "end"} < set(words(drawn(straight())))
    there_and_back = np.concatenate([straight(300), straight(300)[::-1]])
    there_and_back["utc"] = START + np.arange(3000) * 200
    assert "start and end" in words(drawn(there_and_back))


def test_best_runs_are_marked_where_and_when_they_were() -> None:
    marks = [
        Mark("10 s", START + 300_000, START + 310_000, 19.44),
        Mark("500 m", START + 100_000, START + 150_000, 19.4),
    ]
    svg = drawn(straight(), *marks)
    (line,) = strokes(of_class(svg, "speed")[0])
    left, width = line[0][0], line[-1][0] - line[0][0]
    for band, mark in zip(of_class(svg, "band"), marks, strict=True):
        assert float(band.attrib["x"]) == pytest.approx(left + width * (mark.start - START) / 599_800, abs=0.2)
        assert float(band.attrib["width"]) == pytest.approx(width * (mark.end - mark.start) / 599_800, abs=0.2)
    for halo, mark in zip(of_class(svg, "halo"), marks, strict=True):
        (stroke,) = strokes(halo)
        xs = [x for strokes in path(svg).values() for stroke in strokes for x, _ in stroke]
        place = min(xs) + (max(xs) - min(xs)) * (mark.start - START) / 599_800
        assert stroke[0][0] == pytest.approx(place, abs=0.5)
    said = words(svg)
    assert "1  10 s  19.44" in said
    assert {"19.44", "10 s", "12:05:00", "500 m", "12:01:40"} < set(said)


def test_labels_of_marks_do_not_overlap() -> None:
    marks = [Mark("500 m", START + 1000 * second, START + 1000 * second + 50_000, 19.4) for second in range(0, 100, 7)]
    boxes = [
        [float(box.attrib[name]) for name in ("x", "y", "width", "height")]
        for box in of_class(drawn(straight(), *marks), "pill")
    ]
    assert len(boxes) == len(marks)
    for one, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[one + 1 :]:
            beside = x + width <= other_x or other_x + other_width <= x
            assert beside or y + height <= other_y or other_y + other_height <= y
    assert min(y for _, y, _, _ in boxes) > 66  # below the facts


def test_a_window_of_an_hour_is_a_line_but_no_place() -> None:
    svg = drawn(straight(4000), Mark("1 h", START, START + 3_600_000, 19.4))
    assert (len(of_class(svg, "best")), len(of_class(svg, "band")), len(of_class(svg, "halo"))) == (1, 0, 0)


def test_a_halo_has_no_part_where_fixes_are_missing() -> None:
    fixes = np.delete(straight(), slice(500, 600))
    svg = drawn(fixes, Mark("500 m", START + 80_000, START + 140_000, 19.4))
    first, second = strokes(of_class(svg, "halo")[0])
    assert second[0][0] - first[-1][0] == pytest.approx(202 * (second[-1][0] - first[0][0]) / 600, rel=0.05)


def without_rhyme(*, torn: bool) -> Frames:
    """Four hours of speeds and places by chance, every third fix missing if `torn`."""
    chance = np.random.default_rng(1)
    frames = sail(14_400)
    frames["speed"] = chance.integers(0, 20_000, len(frames))
    frames["latitude"] += chance.integers(0, 10**5, len(frames), np.int32)
    frames["longitude"] += chance.integers(0, 10**5, len(frames), np.int32)
    return np.delete(frames, slice(2, None, 3)) if torn else frames


@pytest.mark.parametrize("torn", [False, True])
def test_the_file_stays_small_whatever_the_track(torn: bool) -> None:
    marks = [Mark("500 m", START + at * 1000, START + at * 1000 + 60_000, 20) for at in range(0, 14_000, 400)]
    frames = without_rhyme(torn=torn)
    assert len(frames) >= 48_000
    assert len(plot(track_of(frames), marks).encode()) < LARGEST


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_shortest_tracks_can_be_plotted(count: int) -> None:
    said = words(drawn(sail(1)[:count]))
    assert ("no usable fix among 0" in said) == (count == 0)
    assert any("start" in word for word in said) == (count > 0)


def test_a_device_that_lay_on_a_table_does_not_fill_the_page() -> None:
    fixes = sail(60)
    fixes["speed"] = 0
    fixes["latitude"], fixes["longitude"] = 505_800_000, -24_700_000
    svg = drawn(fixes)
    assert float(of_class(svg, "ground")[0].attrib["height"]) < 800
    assert len(path(svg)) == 1


def test_times_of_no_sense_can_be_plotted() -> None:
    fixes = sail(60)
    fixes["utc"] = np.sort(np.random.default_rng(1).integers(0, 2**63, 300, dtype=np.uint64))
    fixes["utc"][:2] = 0, 253_000_000_000_000
    svg = drawn(fixes, timezone=-32768)
    assert len(words(svg)) < 60


def test_real_tracks_of_an_event_are_drawn(captures: Path) -> None:
    for file in sorted(captures.glob("tracks/*.oao")):
        track = decode(file.read_bytes())
        assert track.header is not None
        marks = [
            Mark(name, b.second * 1000 - 9800, b.second * 1000, b.value / KNOT)
            for name in ("10s",)
            for b in track.header.bests[name]
        ]
        text = plot(track, marks)
        assert len(text.encode()) < LARGEST
        svg = ElementTree.fromstring(text)  # noqa: S314  # it is our own
        assert len(of_class(svg, "best")) == len(marks)
        assert f"fastest fix {track.header.max_speed / KNOT:.2f} knots" in words(svg)[1]
        # Colours are drawn from slow to fast.
        legend = [element.attrib["fill"] for element in svg.iter(f"{SVG}rect") if element.get("fill")]
        assert all(legend.index(a) < legend.index(b) for a, b in pairwise(path(svg)))
