from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from sse_twisted.simulator.headers import Position, encode_header, read_header
from tests.tracks.voyages import small_track

TRACK = small_track()


def test_a_real_header_is_read_with_all_its_fields(captures: Path) -> None:
    header = read_header((captures / "0470_2022-07-16-1202.oao").read_bytes())
    assert (header.identifier, header.nickname, header.firmware) == (470, "K888", 3111)
    assert header.start == Position(505724622, -24575169, -2987)
    assert header.one_log_per_day is False


def test_a_long_nickname_is_cut_to_its_field() -> None:
    header = evolve(read_header(TRACK), nickname="A name too long")
    assert read_header(encode_header(header)).nickname == "A name too"


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        encode_header(evolve(read_header(TRACK), identifier=65536))


def test_bytes_that_are_not_a_header_are_refused() -> None:
    with pytest.raises(ValueError, match="checksum"):
        read_header(TRACK[:40] + b"?" + TRACK[41:])
