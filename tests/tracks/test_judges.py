"""Other programs read the same files: pyubx2 and GPSBabel."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pyubx2 import UBX_PROTOCOL, UBXReader

from sse_twisted.tracks.format import Fixes
from sse_twisted.tracks.formats import decode
from tests.tracks.exported import numbers, points, positions, times

UBX = "formats/made/Head_L_007_first9000.ubx"
# GPSBabel 1.8 stores an altitude, speed and course in four bytes each.
FOUR_BYTES = 1e-3


def pairs(captures: Path, name: str) -> Path:
    path = captures / "formats" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_pyubx2_reads_the_same_fixes(captures: Path) -> None:
    data = pairs(captures, UBX.removeprefix("formats/")).read_bytes()[:200_000]
    fixes = decode(data).fixes
    found = [
        message
        for _, message in UBXReader(io.BytesIO(data), protfilter=UBX_PROTOCOL, quitonerror=0)
        if message is not None and message.identity == "NAV-PVT"
    ]
    assert len(found) == len(fixes) > 1900
    for at, message in enumerate(found):
        moment = dt.datetime(
            message.year, message.month, message.day, message.hour, message.min, message.second, tzinfo=dt.UTC
        )
        assert fixes.time[at] == round(moment.timestamp() * 1000 + message.nano / 1e6)
        assert (fixes.latitude[at], fixes.longitude[at]) == (message.lat, message.lon)
        assert fixes.speed[at] == message.gSpeed
        assert fixes.course is not None
        assert fixes.course[at] == round(message.headMot * 1e5)
        assert fixes.speed_error is not None
        assert fixes.speed_error[at] == message.sAcc
        assert fixes.satellites is not None
        assert fixes.satellites[at] == message.numSV


def read_by_gpsbabel(path: Path, form: str, folder: Path) -> str:
    if shutil.which("gpsbabel") is None:
        pytest.skip("no gpsbabel here")
    target = folder / "theirs.gpx"
    command = ["gpsbabel", "-t", "-i", form, "-f", str(path), "-o", "gpx,gpxver=1.0", "-F", str(target)]
    subprocess.run(command, check=True, timeout=60)
    return target.read_text(encoding="utf-8")


def agree(fixes: Fixes, text: str) -> None:
    found = points(text, "1.0")
    assert len(found) == len(fixes)
    degrees = zip(np.round(fixes.latitude * 1e7), np.round(fixes.longitude * 1e7), strict=True)
    assert positions(found) == list(degrees)
    assert times(found, "1.0") == fixes.time.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("one-sail-20220411/RIDERA_932000000_20220411_DLG.SBP", "sbp"),
        ("one-sail-20220411/RA_168000000_20220411.sbp", "sbp"),
        ("one-sail-20220411/RIDERA_932000000_20220411.SBN", "sbn"),
        ("event-gt31/RIDER1_133000000_20191009_102438.SBN", "sbn"),
        ("gpsbabel/datalog.sbp", "sbp"),
    ],
)
def test_gpsbabel_reads_the_same_places_times_and_speeds(captures: Path, name: str, form: str, tmp_path: Path) -> None:
    path = pairs(captures, name)
    fixes = decode(path.read_bytes()).fixes
    text = read_by_gpsbabel(path, form, tmp_path)
    agree(fixes, text)
    namespace = "{http://www.topografix.com/GPX/1/0}"
    assert numbers(points(text, "1.0"), f"{namespace}speed", 1e3) == pytest.approx(fixes.speed, abs=FOUR_BYTES)
    assert fixes.course is not None
    assert numbers(points(text, "1.0"), f"{namespace}course", 1e5) == pytest.approx(fixes.course, abs=2)


def test_gpsbabel_s_own_references_are_read_as_it_reads_them(captures: Path) -> None:
    for source, reference in (("datalog.sbp", "datalog.gpx"), ("sbn.SBN", "sbn.gpx")):
        one, other = (decode(pairs(captures, f"gpsbabel/{name}").read_bytes()).fixes for name in (source, reference))
        assert one.time.tolist() == other.time.tolist()
        assert np.abs(one.latitude - other.latitude).max() < 1e-9
        assert np.abs(one.speed - other.speed).max() <= 1
