"""The conformance suite of track formats, and the tests of their registry.

Run this first when you write a format: `pytest tests/tracks/test_formats.py`. Add the format to `FORMATS` in
`sse_twisted/tracks/formats.py`, and to SAMPLES here a small whole file of it with one of its fixes in neutral units.
The tests then say what the rest of the program expects of the format. `toy.py` is a model of a small one.
"""

from __future__ import annotations

import random
import re
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

import sse_twisted
from sse_twisted.tracks import formats
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.command import main
from sse_twisted.tracks.fit.decoding import FitFormat
from sse_twisted.tracks.fit.reading import read
from sse_twisted.tracks.format import UNKNOWN, Evidence, Integrity, TrackFormat
from sse_twisted.tracks.formats import FORMATS, FileVerifier, decode, format_named, is_readable, kind_of, recognise
from sse_twisted.tracks.report import complaint, report_of
from tests.tracks.toy import MAGIC, ToyFormat, line
from tests.tracks.voyages import START, best, sail, small_track
from tests.tracks.written import fit, gpx, gpy, points, sbn, sbp, ubx


@frozen
class Sample:
    """A whole file, the number and rate of its fixes, and one of them: ms UTC, degrees, mm/s."""

    data: bytes
    fixes: int
    rate: int
    which: int
    time: int
    latitude: float
    longitude: float
    speed: int


_FRAME = sail(10)[7]
_TOY = MAGIC + b"".join(line([START + 1000 * n, 505_800_000 + 700 * n, -24_700_000, 8000 + n % 9]) for n in range(60))
_FAST, _SLOW = points(40), points(40, rate=1)
SAMPLES = {
    "oao": Sample(small_track(40), 40, 5, 6, START + 1400, 50.58, -2.47, int(_FRAME["speed"])),
    **{
        form.__name__: Sample(form(_FAST), 40, 5, 7, START + 1400, 50.5801, -2.47, 8070)
        for form in (ubx, sbn, sbp, gpy, gpx)
    },
    "fit": Sample(fit(_SLOW), 40, 1, 7, START + 7000, 50.5805, -2.47, 8070),
    "toy": Sample(_TOY, 60, 1, 10, START + 10_000, 50.5807, -2.47, 8001),
}
# The worker of FIT has tests of its own; here its reader runs in this process.
ALL = (*(FitFormat(read) if each.name == "fit" else each for each in FORMATS), ToyFormat())
BY_NAME = {each.name: each for each in ALL}

each_format = pytest.mark.parametrize("name", [each.name for each in ALL])


def verified(form: TrackFormat, data: bytes, cuts: list[int]) -> tuple[Integrity, list[int]]:
    """The integrity of a file that arrives in chunks, and `verified_to` after each of them."""
    verifier = form.verifier()
    reached = [verifier.verified_to]
    for start, stop in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        verifier.feed(data[start:stop])
        reached.append(verifier.verified_to)
        assert verifier.verified_to <= stop
    header = verifier.header
    integrity = verifier.finish()
    assert integrity.header == header or len(data) < formats.START_SIZE
    return integrity, reached


def damaged(data: bytes, seed: int) -> bytes:
    """The file with bytes changed, lost, added or cut off, by a seed."""
    chance = random.Random(seed)
    for _ in range(chance.randint(0, 3)):
        at, count = chance.randrange(len(data) + 1), chance.choice([1, 4, 60, 700])
        put = chance.choice([b"", chance.randbytes(count), bytes(count), data[:count], data[at : at + count] * 2])
        data = data[:at] + put + chance.choice([data[at:], data[at + count :], b""])
    return data


def test_every_format_has_a_sample() -> None:
    assert {each.name for each in FORMATS} <= SAMPLES.keys()
    for what in ("name", "extension"):
        assert len({getattr(each, what) for each in ALL}) == len(ALL), what


@each_format
class TestAFormat:
    def test_has_an_extension_in_lower_case(self, name: str) -> None:
        extension = BY_NAME[name].extension
        assert extension.startswith(".")
        assert extension[1:].isalnum()
        assert extension == extension.lower()

    def test_recognises_its_own_files_and_no_others(self, name: str) -> None:
        start = SAMPLES[name].data[: formats.START_SIZE]
        assert [each.name for each in ALL if each.recognises(start)] == [name]
        for nothing in (b"", b"\0", bytes(512), b"<html><body>404 Not Found", b'{"logs": []}'):
            assert not BY_NAME[name].recognises(nothing)

    def test_finds_its_sample_whole(self, name: str) -> None:
        sample = SAMPLES[name]
        integrity, reached = verified(BY_NAME[name], sample.data, [])
        assert integrity == Integrity(
            length=len(sample.data), kind=name, header=integrity.header, fixes=sample.fixes, whole=True
        )
        assert reached[-1] == len(sample.data)

    def test_decodes_its_sample_to_neutral_units(self, name: str) -> None:
        sample = SAMPLES[name]
        track = BY_NAME[name].decode(sample.data)
        fixes, at = track.fixes, sample.which
        assert (len(fixes), track.rate) == (sample.fixes, sample.rate)
        assert (fixes.time[at], fixes.speed[at]) == (sample.time, sample.speed)
        assert fixes.latitude[at] == pytest.approx(sample.latitude, abs=2e-4)
        assert fixes.longitude[at] == pytest.approx(sample.longitude, abs=2e-4)

    def test_has_columns_of_one_length_and_of_their_types(self, name: str) -> None:
        for data in (SAMPLES[name].data, b"", SAMPLES[name].data[:-1], b"\xff" * 2000):
            track = BY_NAME[name].decode(data)
            columns: dict[str, np.ndarray[Any, Any] | None] = asdict(track.fixes)
            for what, column in columns.items():
                if column is not None:
                    kind = {"time": "i", "latitude": "f", "longitude": "f"}.get(what, "iu")
                    assert column.shape == (track.integrity.fixes,), what
                    assert column.dtype.kind in kind, what
                    assert column.dtype.itemsize == 8 or kind == "iu", what

    @pytest.mark.slow
    def test_notices_each_changed_byte_if_it_claims_evidence(self, name: str) -> None:
        data = SAMPLES[name].data
        for at in range(len(data)) if BY_NAME[name].decode(data).evidence is not Evidence.AS_HANDED_IN else ():
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            assert not verified(BY_NAME[name], bytes(changed), [])[0].whole, at

    def test_finds_nothing_in_other_files(self, name: str) -> None:
        others = [sample.data for other, sample in SAMPLES.items() if other != name]
        for data in (b"", bytes(5000), b"<html></html>" * 100, b"$GPRMC,1\r\n" * 100, *others):
            track = BY_NAME[name].decode(data)
            assert (len(track.fixes), track.integrity.kind, track.integrity.whole) == (0, UNKNOWN, False)

    def test_decodes_bytes_and_views_of_them_alike(self, name: str) -> None:
        data = SAMPLES[name].data
        for each in (data, bytearray(data), memoryview(data)):
            assert BY_NAME[name].decode(each).fixes.time.tolist() == BY_NAME[name].decode(data).fixes.time.tolist()


@settings(deadline=None)
@given(form=st.sampled_from(ALL), seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_a_format_judges_the_same_however_the_bytes_arrive(form: TrackFormat, seed: int, cuts: list[int]) -> None:
    data = damaged(SAMPLES[form.name].data, seed)
    assert verified(form, data, cuts)[0] == verified(form, data, [])[0]


@settings(deadline=None)
@given(form=st.sampled_from(ALL), seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_a_format_can_resume_where_all_bytes_are_whole(form: TrackFormat, seed: int, cuts: list[int]) -> None:
    data = damaged(SAMPLES[form.name].data, seed)
    integrity, reached = verified(form, data, cuts)
    assert reached == sorted(reached)
    whole, again = verified(form, data[: reached[-1]], [])
    assert again[-1] == reached[-1]
    assert whole.damages == ()
    assert whole.fixes <= integrity.fixes


@settings(deadline=None)
@given(form=st.sampled_from(ALL), seed=st.integers(0, 2**32))
def test_a_format_decodes_whatever_the_bytes_are(form: TrackFormat, seed: int) -> None:
    data = damaged(SAMPLES[form.name].data, seed)
    track = form.decode(data)
    assert track.integrity == verified(form, data, [])[0]
    assert track.integrity.length == len(data)
    assert track.integrity.kind in (form.name, UNKNOWN)
    assert len(track.fixes) == len(track.offsets) == track.integrity.fixes
    assert all(0 <= start < stop for start, stop in pairwise([*track.offsets, len(data)]))
    assert track.integrity.damage_count >= len(track.integrity.damages)
    assert track.integrity.whole <= (not track.integrity.damages)
    assert track.fix_size > 0
    assert track.rate >= 0
    for damage in track.integrity.damages:
        assert 0 <= damage.offset < damage.offset + damage.length <= len(data)


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", ALL)


@pytest.mark.usefixtures("with_toy")
class TestAnotherFormat:
    """The rest of the program reads a format that it does not know."""

    def test_is_analysed_without_header_and_accuracy(self) -> None:
        analysis = analyse(_TOY)
        report = report_of(analysis, len(_TOY))
        assert (report["kind"], report["whole"], report["header"], complaint(report)) == ("toy", True, None, "")
        assert analysis.session is not None
        assert best(analysis.session, "10s") == 8004
        assert best(analysis.session, "alpha500") is None
        assert (analysis.unusable, analysis.claims) == (0, ())
        assert analysis.remarks == ("its speeds are made from positions, not measured (Doppler)",)

    def test_has_its_damage_located(self) -> None:
        (loss,) = analyse(_TOY[:1000] + b"?" + _TOY[1001:]).losses
        start = _TOY.rindex(b"\n", 0, 1000) + 1
        assert (loss.damage.offset, loss.fixes) == (start, 1)
        assert (loss.since, loss.until) == (loss.since, (loss.since or 0) + 2000)

    def test_is_exported_with_the_columns_that_it_has(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = tmp_path / "a.toy"
        source.write_bytes(_TOY)
        assert main([str(source), *(f"--{kind}={tmp_path}" for kind in ("gpx", "csv", "plot"))]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[1:3] == ["?", "0.0"]
        row = (tmp_path / "a.csv").read_text().splitlines()[1]
        assert row == "2022-10-19T11:00:00.000Z,50.5800000,-2.4700000,,8.000,15.551,,,,,,,,,1"
        points = (tmp_path / "a.gpx").read_text()
        assert points.count("<trkpt ") == 60
        assert not any(f"<{name}>" in points for name in ("ele", "fix", "sat", "hdop", "gpxtpx:course"))
        assert "60 usable fixes" in (tmp_path / "a.svg").read_text()

    def test_is_verified_by_its_first_bytes_or_its_name(self) -> None:
        for data, name in ((_TOY, ""), (_TOY, "a.toy"), (_TOY, "a.xyz"), (SAMPLES["oao"].data, "")):
            verifier = FileVerifier(name)
            for start in range(0, len(data), 100):
                verifier.feed(data[start : start + 100])
            assert verifier.verified_to == len(data)
            assert verifier.finish() == decode(data, name).integrity
        assert recognise(b"?", "gpslogs/A.TOY") is format_named("a.toy") is BY_NAME["toy"]

    def test_is_not_accepted_from_a_device_that_names_another(self) -> None:
        verifier = FileVerifier("a.oao")
        verifier.feed(_TOY)
        assert verifier.verified_to == 0
        assert verifier.finish() == Integrity(len(_TOY), "toy")
        assert decode(_TOY, "a.oao").integrity.whole


def test_a_file_is_verified_as_it_is_decoded() -> None:
    samples = [sample.data for name, sample in SAMPLES.items() if name not in ("toy", "fit", "gpx")]
    for data in (b"", b"\xd0\x0a", bytes(10) + small_track()[10:], bytes(3000), *samples):
        verifier = FileVerifier()
        verifier.feed(data[:3])
        verifier.feed(data[3:])
        assert verifier.finish() == decode(data).integrity


@pytest.mark.parametrize("kind", ["fit", "gpx"])
def test_a_device_cannot_fill_the_memory_with_a_format_that_needs_the_whole_file(kind: str) -> None:
    for name in (f"a.{kind}", ""):
        verifier = FileVerifier(name)
        tracemalloc.start()
        try:
            verifier.feed(SAMPLES[kind].data)
            for _ in range(100):
                verifier.feed(bytes(100_000))
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
        assert verifier.finish() == Integrity(len(SAMPLES[kind].data) + 10_000_000, kind)


def test_a_file_that_has_not_arrived_has_no_header() -> None:
    verifier = FileVerifier("a.oao")
    verifier.feed(small_track()[:511])
    assert (verifier.header, verifier.verified_to) == (None, 0)
    verifier.feed(small_track()[511:512])
    assert verifier.header is not None
    assert verifier.verified_to == 512


def test_a_file_in_no_known_format_is_no_track() -> None:
    assert recognise(b"?") is recognise(b"?", "a.xyz") is format_named("a.xyz") is None
    for name, archive in (("a.sbp", b"PK\x03\x04" + bytes(900)), ("a.fit", b"\x89PNG\r\n")):
        assert recognise(archive, name) is None
        assert len(decode(archive, name).fixes) == 0
    assert decode(b"$GPRMC,1").integrity == Integrity(8, "nmea")
    assert [is_readable(kind) for kind in ("oao", "gpx", "nmea", "unknown")] == [True, True, False, False]


def test_a_file_is_recognised_by_its_content_whatever_its_name() -> None:
    for name, sample in SAMPLES.items():
        if name != "toy":
            for other in ("", "a.sbp", "a.oao", "a.GPX", "a.fit.txt"):
                form = recognise(sample.data, other)
                assert form is not None
                assert form.name == name
                assert decode(sample.data, other).integrity.kind == name


def test_a_file_with_a_damaged_start_is_recognised_by_what_follows() -> None:
    for name in ("oao", "ubx", "sbn", "sbp", "gpy"):
        data = bytes(7) + SAMPLES[name].data[7:]
        track = decode(data)
        assert (track.integrity.kind, track.integrity.whole) == (name, False)
        assert len(track.fixes) >= SAMPLES[name].fixes - 1 or name == "gpy"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xd0\x0a\xb8\xc7", "oao"),
        (b"\xb5\x62\x01\x07", "ubx"),
        (b"\xa0\xa2\x00\x19\xfdname", "sbn"),
        (b"\x19\x00\xa0\xa2\x00\x19\xfdname,0,5,V1", "sbp"),
        (b"\x0e\x10\xd9\x07\x00\x00\x00\x00.FIT\x00\x00", "fit"),
        (b"\x0c\x10\xd9\x07\x00\x00\x00\x00.FIT", "fit"),
        (b'<?xml version="1.0"?>\n<!-- a log -->\n<gpx version="1.1">', "gpx"),
        (b"\xef\xbb\xbf<gpx>", "gpx"),
        (b"$GPRMC,120000.00,A", "nmea"),
        (b"$GNGGA,120000", "nmea"),
        (b"$PMTK010,001", "nmea"),
        (b"", "unknown"),
        (b"\xd0", "unknown"),
        (b"\x0a\xd0", "unknown"),
        (b'<?xml version="1.0"?><html>', "unknown"),
        (b"<html><body>404", "unknown"),
        (b'{"logs": []}', "unknown"),
        (b"$5 a day", "unknown"),
        (bytes(512), "unknown"),
    ],
)
def test_the_first_bytes_tell_the_kind(start: bytes, kind: str) -> None:
    assert kind_of(start) == kind


def test_what_comes_after_the_first_block_is_not_looked_at() -> None:
    assert kind_of(b"<?xml ?>" + b" " * 512 + b"<gpx>") == "unknown"


def test_real_tracks_are_of_their_kind(captures: Path) -> None:
    files = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    assert {kind_of(file.read_bytes()[:512]) for file in files} == {"oao"}


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\0\0\0\x20ftypheic", "heic"),
        (b"%PDF-1.7", "pdf"),
    ],
)
def test_what_people_send_instead_of_a_track_has_a_name(start: bytes, kind: str) -> None:
    assert kind_of(start) == kind
    assert decode(start.ljust(5000, b"x")).integrity == Integrity(5000, kind)


def test_only_the_registry_and_the_simulator_know_a_format() -> None:
    package = Path(sse_twisted.__file__).parent
    knowing = {path.relative_to(package) for path in package.rglob("*.py") if "tracks.oao" in path.read_text()}
    others = {path for path in knowing if path.parts[0] != "simulator" and path.parts[:2] != ("tracks", "oao")}
    assert others == {Path("tracks/formats.py")}


def test_a_format_knows_nothing_of_speeds() -> None:
    for path in (Path(sse_twisted.__file__).parent / "tracks" / "oao").glob("*.py"):
        imported = re.findall(r"^from sse_twisted\.(\S+)", path.read_text(), re.MULTILINE)
        assert {name for name in imported if not name.startswith("tracks.oao.")} <= {"tracks.format"}, path
