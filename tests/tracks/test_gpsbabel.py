"""What GPSBabel reads in our GPX."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pytest

from sse_twisted.tracks.format import Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.gpx_export import write_gpx
from tests.tracks.exported import GARMIN, GPX, numbers, points, positions, segments, times

TRACK = "tracks/635_2022-10-16-1452.oao"  # a small one, with 103 gaps and 306 fixes that don't count

Points = list[ElementTree.Element]


@pytest.fixture(scope="module")
def track(captures: Path) -> Track:
    return decode((captures / TRACK).read_bytes())


def converted(track: Track, version: Literal["1.0", "1.1"], form: str, folder: Path) -> str:
    """What GPSBabel makes of our GPX."""
    if shutil.which("gpsbabel") is None:
        pytest.skip("no gpsbabel here")
    ours, theirs = folder / "ours.gpx", folder / "theirs"
    ours.write_text("".join(write_gpx(track, version)), encoding="utf-8")
    command = ["gpsbabel", "-t", "-i", "gpx", "-f", str(ours), "-o", form, "-F", str(theirs)]
    subprocess.run(command, check=True, timeout=60)
    return theirs.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_it_reads_every_fix_its_place_and_its_time(
    track: Track, version: Literal["1.0", "1.1"], tmp_path: Path
) -> None:
    text = converted(track, version, f"gpx,gpxver={version}", tmp_path)
    found, fixes = points(text, version), track.fixes
    assert len(found) == len(fixes) == 6649
    assert fixes.altitude is not None
    assert fixes.satellites is not None
    degrees = zip(np.round(fixes.latitude * 1e7), np.round(fixes.longitude * 1e7), strict=True)
    assert positions(found) == list(degrees)
    assert times(found, version) == fixes.time.tolist()
    assert numbers(found, f"{GPX[version]}ele", 1e3) == fixes.altitude.tolist()
    assert numbers(found, f"{GPX[version]}sat", 1) == [count for count in fixes.satellites.tolist() if count]
    ours = segments("".join(write_gpx(track, version)), version)
    assert [len(segment) for segment in segments(text, version)] == [len(segment) for segment in ours]


def test_it_reads_the_speeds_of_version_1_0(track: Track, tmp_path: Path) -> None:
    found = points(converted(track, "1.0", "gpx,gpxver=1.0", tmp_path), "1.0")
    assert numbers(found, f"{GPX['1.0']}speed", 1e3) == track.fixes.speed.tolist()
    # It holds a course in four bytes.
    assert track.fixes.course is not None
    courses = numbers(found, f"{GPX['1.0']}course", 1e3)
    assert courses == pytest.approx(track.fixes.course / 100, abs=1)


def test_it_hands_on_the_speeds_of_version_1_1(track: Track, tmp_path: Path) -> None:
    found = points(converted(track, "1.1", "gpx,gpxver=1.1", tmp_path), "1.1")
    assert numbers(found, f"{GARMIN}speed", 1e3) == track.fixes.speed.tolist()
    assert track.fixes.course is not None
    assert numbers(found, f"{GARMIN}course", 1e5) == track.fixes.course.tolist()


def test_it_makes_a_table_of_the_speeds(track: Track, tmp_path: Path) -> None:
    table = list(csv.DictReader(converted(track, "1.0", "unicsv", tmp_path).splitlines()))
    speeds = [float(row["Speed"]) for row in table]
    assert speeds == pytest.approx(track.fixes.speed / 1000, abs=0.0051)
