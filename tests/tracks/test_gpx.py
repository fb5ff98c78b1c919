from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.format import Evidence, SpeedSource
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.gpx import GpxFormat
from sse_twisted.tracks.gpx_export import write_gpx
from tests.tracks.voyages import START
from tests.tracks.written import gpx, points, ubx

FORM = GpxFormat()
HEAD = b'<?xml version="1.0"?>\n<gpx version="1.1" creator="Toy">'
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><gpx><trk><trkseg><trkpt lat='1' lon='2'><time>&j;</time></trkpt></trkseg></trk></gpx>"
)


def document(*inside: str) -> bytes:
    """A document with trackpoints that hold this."""
    found = "".join(f'<trkpt lat="50.5" lon="-2.4">{text}</trkpt>' for text in inside)
    return HEAD + f"<trk><trkseg>{found}</trkseg></trk></gpx>".encode()


def at(second: int) -> str:
    return f"<time>2022-10-19T11:00:{second:02}Z</time>"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2022-10-19T11:00:00Z", START),
        ("2022-10-19T11:00:00.000Z", START),
        ("2022-10-19T11:00:00.2Z", START + 200),
        ("2022-10-19T11:00:00.123456789Z", START + 123),
        ("2022-10-19T11:00:00+0000", START),
        ("2022-10-19T12:00:00+01:00", START),
        ("2022-10-19T08:30:00-0230", START),
        ("2022-10-19T11:00:00", START),
        (" 2022-10-19 11:00:00Z\n", START),
        ("2022-10-19T11:00:00Z2022-10-19T11:00:00Z", START),
    ],
)
def test_a_time_is_read_in_every_way_in_which_it_is_written(text: str, time: int) -> None:
    assert FORM.decode(document(f"<time>{text}</time>")).fixes.time.tolist() == [time]


def test_the_first_of_two_times_counts() -> None:
    assert FORM.decode(document(at(1) + at(2))).fixes.time.tolist() == [START + 1000]


@pytest.mark.parametrize(
    "extension",
    [
        "<speed>7.5</speed><course>90</course>",
        "<extensions><x:Extension><x:speed>7.5</x:speed><x:course>90</x:course></x:Extension></extensions>",
        "<extensions><speed>7.5</speed><a:b><c:cog>90</c:cog></a:b></extensions>",
    ],
)
def test_a_speed_is_found_wherever_it_stands(extension: str) -> None:
    track = FORM.decode(document(at(1) + extension, at(2) + extension))
    assert track.fixes.speed.tolist() == [7500, 7500]
    assert track.fixes.course is not None
    assert track.fixes.course.tolist() == [9_000_000, 9_000_000]
    assert track.speeds is SpeedSource.DOPPLER


def test_speeds_without_courses_are_not_taken_as_measured() -> None:
    track = FORM.decode(document(at(1) + "<speed>7.5</speed>", at(2) + "<speed>7.6</speed>"))
    assert (track.speeds, track.fixes.speed.tolist()) == (SpeedSource.POSITIONS, [7500, 7600])
    assert "has speeds, but no courses: they are taken as made from positions" in track.remarks


def test_a_file_of_gpsbabel_is_remarked() -> None:
    data = gpx(points(5)).replace(b'creator="Toy"', b'creator="GPSBabel - https://www.gpsbabel.org"')
    track = FORM.decode(data)
    assert track.speeds is SpeedSource.DOPPLER
    assert track.remarks == (
        "was written by GPSBabel, which makes speeds from positions where the file before had none",
    )


def test_speeds_are_made_from_positions_where_there_are_none() -> None:
    track = FORM.decode(gpx(points(20, rate=1), ""))
    assert track.speeds is SpeedSource.POSITIONS
    assert track.fixes.speed == pytest.approx(np.full(20, 8006), abs=10)  # 720e-7 degrees of latitude
    assert track.fixes.speed[0] == track.fixes.speed[1]


def test_a_point_that_is_no_later_than_the_one_before_has_no_speed() -> None:
    fix = FORM.decode(document(at(1), at(2), at(2), at(1), at(3))).fixes.fix
    assert fix is not None
    assert fix.tolist() == [3, 3, 0, 0, 3]


def test_a_point_without_speed_among_others_is_no_fix() -> None:
    with_speed = "<speed>7</speed><course>1</course>"
    for nothing in ("", "<speed></speed>", "<speed>-1</speed>", "<speed>nan</speed>", "<speed>1e999</speed>"):
        track = FORM.decode(document(at(1) + with_speed, at(2) + nothing, at(3) + with_speed))
        assert track.fixes.fix is not None
        assert track.fixes.fix.tolist() == [3, 0, 3]
        assert track.fixes.speed.tolist() == [7000, 0, 7000]


def test_points_without_time_or_place_are_counted() -> None:
    data = document("", "<time>yesterday</time>", at(1), at(2)).replace(b'lat="50.5"', b'lat="x"', 3)
    track = FORM.decode(data)
    assert track.fixes.time.tolist() == [START + 2000]
    assert "3 points without time or place, left out" in track.remarks


def test_quality_is_read_where_it_is_told() -> None:
    fixes = FORM.decode(document(at(1) + "<sat>13</sat><hdop>1.2</hdop><fix>2d</fix><speed>1</speed>", at(2))).fixes
    columns = (fixes.satellites, fixes.hdop, fixes.fix)
    assert [None if column is None else column.tolist() for column in columns] == [[13, 0], [120, 9999], [2, 0]]


def test_a_latitude_may_have_thirty_digits() -> None:
    data = document(at(1)).replace(b'lat="50.5"', b'lat="50.57713455520570278167724609375"')
    assert FORM.decode(data).fixes.latitude.tolist() == [50.57713455520570278167724609375]


def test_what_we_export_is_read_as_it_was() -> None:
    whole = decode(ubx(points(30)))
    for version in ("1.0", "1.1"):
        again = decode("".join(write_gpx(whole, version)).encode())
        assert again.integrity.whole
        for name in ("time", "speed", "course", "satellites", "fix", "hdop", "altitude"):
            assert getattr(again.fixes, name).tolist() == getattr(whole.fixes, name).tolist(), (version, name)


def test_a_file_whose_tags_were_never_closed_keeps_its_points() -> None:
    """ESP loggers close them when they are switched off."""
    data = gpx(points(20))
    end = data.index(b"</trkseg>")
    for cut in (data[:end], data[: end - 30], data[:-2]):
        integrity = FORM.decode(cut).integrity
        assert (integrity.whole, integrity.damage_count) == (False, 1)
        assert integrity.damages[0].what == "cut: its end tag is missing"
        assert 19 <= integrity.fixes <= 20


def test_what_is_not_well_formed_is_located() -> None:
    data = gpx(points(20))
    at_point = data.index(b"<trkpt", 900)
    (damage,) = FORM.decode(data[:at_point] + b"<<" + data[at_point:]).integrity.damages
    assert damage.what.startswith("not well-formed")
    assert at_point - 10 <= damage.offset <= at_point + 2
    assert analyse(data[:at_point] + b"<<" + data[at_point:]).losses[0].since is not None


def test_an_entity_is_never_expanded() -> None:
    assert FORM.recognises(BOMB[:512].replace(b" ", b" ")) == (b"<gpx" in BOMB[:512])
    track = FORM.decode(BOMB.replace(b'<?xml version="1.0"?>', b"<?xml version='1.0'?><!--<gpx >-->"))
    (damage,) = track.integrity.damages
    assert damage.what == "a document type declaration (DTD), which no track needs"
    assert len(track.fixes) == 0


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (HEAD + b"<a>" * 100, "elements 64 deep"),
        (HEAD + b"<a b='" + b"x" * 3_000_000, "a tag of more than 1,048,576 bytes"),
    ],
    ids=["deep", "wide"],
)
def test_what_no_track_has_is_refused(data: bytes, what: str) -> None:
    assert FORM.decode(data).integrity.damages[0].what == what


def test_a_long_text_takes_little_memory() -> None:
    data = (
        HEAD
        + b"<trk><trkseg><trkpt lat='1' lon='2'><time>"
        + b"x" * 20_000_000
        + b"</time></trkpt></trkseg></trk></gpx>"
    )
    tracemalloc.start()
    try:
        assert len(FORM.decode(data).fixes) == 0
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_nothing_proves_a_gpx() -> None:
    assert FORM.decode(gpx(points(5))).evidence is Evidence.AS_HANDED_IN


def test_the_program_that_wrote_it_is_named() -> None:
    data = gpx(points(2)).replace(
        b'creator="Toy"', b'creator="' + b"A\x01&#10;B".replace(b"\x01", b"") + b"c" * 100 + b'"'
    )
    assert FORM.decode(data).device.model == ("AB" + "c" * 100)[:40]
