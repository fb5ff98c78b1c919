"""What people hand over instead of a track, and tracks that are spoilt anywhere: a clear line, never an exception."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sse_twisted.tracks import formats
from sse_twisted.tracks.command import main
from sse_twisted.tracks.fit.decoding import FitFormat
from sse_twisted.tracks.fit.reading import read
from sse_twisted.tracks.format import Track
from sse_twisted.tracks.formats import decode, recognise
from tests.fuzz import read_in_all_ways
from tests.support.mutated_files import WRITERS, mutated_file
from tests.tracks.test_gpx import BOMB
from tests.tracks.voyages import small_track
from tests.tracks.written import (
    HEART_RATE,
    fit,
    fit_around,
    fit_definition,
    gpx,
    gpy,
    points,
    sbn,
    sbp,
    ubx,
)

FILES = {
    "oao": small_track(12),
    "ubx": ubx(points(12)),
    "sbn": sbn(points(12)),
    "sbp": sbp(points(12)),
    "gpy": gpy(points(12)),
    "gpx": gpx(points(12)),
    "fit": fit(points(12, rate=1)),
}


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("a.sbp", FILES["sbp"])
    return target.getvalue()


def decoded(data: bytes, name: str = "") -> Track:
    """As `decode`, with FIT files read in this process."""
    form = recognise(data, name)
    return FitFormat(read).decode(data) if form is not None and form.name == "fit" else decode(data, name)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.zip", archive(), "not a track that can be read (zip)"),
        ("a.sbp", archive(), "not a track that can be read (zip)"),
        ("a.fit.gz", gzip.compress(FILES["fit"]), "not a track that can be read (gzip)"),
        ("a.gpx", b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(3000), "not a track that can be read (jpeg)"),
        ("a.fit", b"Dear organiser, my track is attached.", "not a track that can be read (unknown)"),
        ("a.gpy", b"", "not a track: the file is empty"),
        ("a.ubx", b"$GPRMC,120000.00,A,5034.8,N\r\n" * 50, "not a track that can be read (nmea)"),
        ("a.sbn", random.Random(2).randbytes(100_000), "not a track that can be read (unknown)"),
    ],
)
def test_what_is_no_track_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert main([str(path)]) == 1
    assert capsys.readouterr().err == f"sse-track: {path}: {said}\n"


def test_a_file_is_read_by_its_content_and_not_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"gpx": "a.sbp", "fit": "a.gpx", "sbn": "a.oao", "ubx": "ubx", "sbp": "a.sbn.txt"}
    for kind, name in names.items():
        (tmp_path / name).write_bytes(FILES[kind])
    assert main([*(str(tmp_path / name) for name in names.values()), "--json"]) == 0
    reports: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [report["kind"] for report in reports] == list(names)
    assert [report["fixes"] for report in reports] == [12] * 5


def test_a_fit_with_a_broken_definition_keeps_what_came_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = fit_definition(3, 20, ((253, 200, 0x86),) * 250) + b"\x03" + bytes(40)
    (tmp_path / "a.fit").write_bytes(fit_around(FILES["fit"][14:-2] + broken))
    assert main([str(tmp_path / "a.fit")]) == 1
    out = capsys.readouterr().out
    assert "as handed in" in out
    assert "! unreadable message at byte " in out


def test_an_xml_bomb_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.gpx").write_bytes(BOMB.replace(b"?>", b"?><!--<gpx >-->", 1))
    assert main([str(tmp_path / "a.gpx")]) == 1
    assert "! a document type declaration (DTD), which no track needs at byte " in capsys.readouterr().out


@pytest.mark.parametrize("kind", FILES)
def test_a_file_may_be_cut_anywhere(kind: str) -> None:
    data = FILES[kind]
    whole = decoded(data)
    fixes = 0
    for length in range(0, len(data), 7):
        track = decoded(data[:length], f"a.{kind}")
        assert track.integrity.length == length
        assert len(track.fixes) <= len(whole.fixes)
        fixes = max(fixes, len(track.fixes))
        if track.integrity.whole:  # a cut between two records
            assert kind not in ("fit", "gpx")
    assert fixes >= len(whole.fixes) - 1


@pytest.mark.parametrize("kind", FILES)
def test_a_byte_may_be_changed_anywhere(kind: str) -> None:
    data = FILES[kind]
    fewest = len(FILES[kind])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        track = decoded(bytes(changed), f"a.{kind}")
        assert len(track.fixes) == len(track.offsets) == track.integrity.fixes
        if kind in ("ubx", "sbn", "oao"):
            fewest = min(fewest, len(track.fixes))
            assert not track.integrity.whole
    if kind in ("ubx", "sbn", "oao"):
        assert fewest == 11


@pytest.fixture
def fit_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = FitFormat(read)
    monkeypatch.setattr(formats, "FORMATS", tuple(here if each.name == "fit" else each for each in formats.FORMATS))


@pytest.mark.usefixtures("fit_read_here")
@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_that_is_in_a_file_harms_its_reader(kind: str) -> None:
    """Records of any content with right checksums, cut, mixed and damaged; `tests.fuzz` goes on from here."""
    for seed in range(25):
        read_in_all_ways(mutated_file(kind, seed))


def test_health_serials_and_names_are_in_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files hold heart rates, a serial number, a MAC address and names that users typed in."""
    heart = f"<extensions><hr>{HEART_RATE}</hr><calories>555</calories></extensions>"
    (tmp_path / "w.fit").write_bytes(fit(points(600, rate=1)))
    (tmp_path / "x.gpx").write_bytes(gpx(points(600), heart + "<speed>8</speed><course>0</course>"))
    (tmp_path / "y.gpy").write_bytes(gpy(points(600)))
    (tmp_path / "z.sbn").write_bytes(sbn(points(600)))
    out = tmp_path / "out"
    out.mkdir()
    names = [str(tmp_path / name) for name in ("w.fit", "x.gpx", "y.gpy", "z.sbn")]
    for more in (["-v", f"--gpx={out}", f"--csv={out}", f"--plot={out}"], ["--json"]):
        assert main([*names, *more]) == 0
        (out / f"said{len(more)}").write_text(capsys.readouterr().out)
    written = list(out.iterdir())
    assert len(written) == 14
    for path in written:
        text = path.read_text()
        for secret in ("987654321", "932000000", "0A0B0C0D0E0F", "ABC115", "Head", "heart", "<hr", "calorie"):
            assert secret not in text, (path.name, secret)
    assert f">{HEART_RATE}<" not in (out / "x.gpx").read_text()
    assert (out / "w.csv").read_text().splitlines()[0].count(",") == 14
