from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from sse_twisted.tracks.format import Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.gpx_export import BATCH_SIZE, write_gpx
from tests.tracks.exported import CLUETRUST, GARMIN, GPX, numbers, points, positions, segments, texts, times, track_of
from tests.tracks.voyages import sail, small_track

VERSIONS: tuple[Literal["1.0", "1.1"], ...] = ("1.0", "1.1")
FIXES = sail(20)


def gpx(track: Track, version: Literal["1.0", "1.1"] = "1.1") -> str:
    return "".join(write_gpx(track, version))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_fix_is_a_point_with_all_that_it_says(version: Literal["1.0", "1.1"]) -> None:
    found = points(gpx(track_of(FIXES), version), version)
    tag = GPX[version]
    assert positions(found) == list(zip(FIXES["latitude"], FIXES["longitude"], strict=True))
    assert times(found, version) == FIXES["utc"].tolist()
    assert numbers(found, f"{tag}ele", 1e3) == FIXES["altitude"].tolist()
    assert numbers(found, f"{tag}sat", 1) == FIXES["satellites"].tolist()
    assert numbers(found, f"{tag}hdop", 1e2) == FIXES["hdop"].tolist()
    assert set(texts(found, f"{tag}fix")) == {"3d"}


def test_speed_and_course_are_where_readers_of_each_version_look() -> None:
    speeds, courses = FIXES["speed"].tolist(), FIXES["heading"].tolist()
    old = points(gpx(track_of(FIXES), "1.0"), "1.0")
    new = points(gpx(track_of(FIXES), "1.1"), "1.1")
    assert [numbers(old, f"{GPX['1.0']}{name}", unit) for name, unit in (("speed", 1e3), ("course", 1e5))] == [
        speeds,
        courses,
    ]
    assert [numbers(new, f"{GARMIN}{name}", unit) for name, unit in (("speed", 1e3), ("course", 1e5))] == [
        speeds,
        courses,
    ]
    assert numbers(new, f"{CLUETRUST}speed", 1e3) == speeds
    assert {point[-1].tag for point in new} == {f"{GPX['1.1']}extensions"}
    assert {point[-1][1].tag for point in new} == {f"{GARMIN}TrackPointExtension"}


# The sequences of trkpt in the two schemas, without what a track has nothing of.
@pytest.mark.parametrize(
    ("version", "order"),
    [("1.0", "ele time course speed fix sat hdop"), ("1.1", "ele time fix sat hdop extensions")],
)
def test_the_elements_are_in_the_order_of_the_schema(version: Literal["1.0", "1.1"], order: str) -> None:
    for point in points(gpx(track_of(FIXES), version), version):
        assert [element.tag for element in point] == [GPX[version] + name for name in order.split()]


def test_a_fix_that_doesn_t_count_is_written_as_what_it_is() -> None:
    fixes = FIXES[:4].copy()
    fixes["fix"] = 0, 2, 3, 5
    fixes["satellites"][0], fixes["hdop"][0], fixes["speed"][0] = 0, 9999, 400_000
    found = points(gpx(track_of(fixes)), "1.1")
    assert texts(found, f"{GPX['1.1']}fix") == ["none", "2d", "3d", "none"]
    assert [len(texts([point], f"{GPX['1.1']}hdop")) for point in found] == [0, 1, 1, 1]
    assert numbers(found, f"{GARMIN}speed", 1e3)[0] == 400_000


def test_a_missing_fix_begins_a_segment() -> None:
    fixes = np.delete(FIXES, [30, 50, 51])
    assert [len(segment) for segment in segments(gpx(track_of(fixes)), "1.1")] == [30, 19, 48]


def test_a_segment_begins_in_another_piece_of_text_as_well() -> None:
    fixes = np.delete(sail(BATCH_SIZE / 5 + 10), BATCH_SIZE)
    assert [len(segment) for segment in segments(gpx(track_of(fixes)), "1.1")] == [BATCH_SIZE, 49]


def test_a_long_track_comes_in_pieces_of_bounded_size() -> None:
    pieces = list(write_gpx(track_of(sail(2500))))
    assert max(map(len, pieces)) < 400 * BATCH_SIZE
    assert len(points("".join(pieces), "1.1")) == 12_500
    assert len(segments("".join(pieces), "1.1")) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_nickname_can_be_anything(version: Literal["1.0", "1.1"]) -> None:
    text = gpx(track_of(FIXES[:2], nickname="<&\x01\"'"), version)
    assert "<name>601 &lt;&amp;\N{REPLACEMENT CHARACTER}&quot;'</name>" in text
    assert len(points(text, version)) == 2


def test_tracks_without_a_header_or_a_fix_are_whole_files_too() -> None:
    headless = gpx(decode(bytes(10) + small_track(20)[10:]))
    assert len(points(headless, "1.1")) == 20
    assert "<name>track without header</name>" in headless
    assert points(gpx(decode(small_track(0))), "1.1") == []


def test_what_no_file_can_hold_is_left_out() -> None:
    fixes = FIXES[:9].copy()
    fixes["latitude"][:2] = 900_000_001, -(2**31)
    fixes["longitude"][2:4] = 1_800_000_000, -1_800_000_001
    fixes["utc"][8] = 2**63
    fixes["heading"][5] = 36_000_000
    found = points(gpx(track_of(fixes)), "1.1")
    assert times(found, "1.1") == FIXES["utc"][4:8].tolist()
    assert texts(found, f"{GARMIN}course")[1] == "0.00000"
