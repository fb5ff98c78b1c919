from __future__ import annotations

from pathlib import Path

import pytest

from sse_twisted.tracks.kinds import kind_of


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
