from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.simulator.writer import seal
from sse_twisted.tracks.format import ESP_RULES, Evidence
from sse_twisted.tracks.oao.decoding import OaoFormat, fixes_of, frames_of
from sse_twisted.tracks.oao.header import decode_header
from sse_twisted.tracks.oao.layout import FRAME, FRAME_SIZE, HEADER_SIZE
from tests.tracks.voyages import frames_in, small_track

TRACK = small_track(20)


def test_every_real_file_can_be_written_again(captures: Path) -> None:
    files = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    assert len(files) == 14
    for file in files:
        data = file.read_bytes()
        frames = frames_in(data).copy()
        frames["checksum"] = 0
        assert encode_header(read_header(data)) + seal(frames) == data, file


def test_modes_of_real_files_tell_whole_seconds(captures: Path) -> None:
    for file in [*captures.glob("0470*.oao"), *captures.glob("tracks/*.oao")]:
        frames = frames_in(file.read_bytes())
        assert ((frames["mode"] == 0x0AD4) == (frames["utc"] % 1000 == 0)).all()


def test_the_frames_of_a_whole_file_are_not_copied() -> None:
    data = bytearray(TRACK)
    frames = frames_in(data)
    assert np.shares_memory(frames, np.frombuffer(data, np.uint8))
    assert len(frames) == 20
    assert not frames_in(TRACK).flags.writeable


def test_of_the_columns_only_those_that_speeds_are_made_of_are_copied() -> None:
    frames = frames_in(TRACK)
    fixes = fixes_of(frames)
    for column in (fixes.altitude, fixes.horizontal_error, fixes.vertical_error, fixes.course_error):
        assert column is not None
        assert np.shares_memory(column, frames)
    for column in (fixes.time, fixes.speed, fixes.course, fixes.speed_error, fixes.satellites, fixes.fix, fixes.hdop):
        assert column is not None
        assert column.flags.c_contiguous


def test_a_stray_trailer_is_left_out() -> None:
    assert (frames_in(TRACK + b"]}") == frames_in(TRACK)).all()


@settings(deadline=None)
@given(st.sets(st.integers(0, 19)))
def test_the_sound_frames_of_a_damaged_file_are_there_in_order(damaged: set[int]) -> None:
    data = bytearray(TRACK)
    for frame in damaged:
        data[HEADER_SIZE + FRAME_SIZE * frame + 25] ^= 8
    frames, offsets, integrity = frames_of(data)
    kept = [frame for frame in range(20) if frame not in damaged]
    assert (frames == frames_in(TRACK)[kept]).all()
    assert [*offsets] == [HEADER_SIZE + FRAME_SIZE * frame for frame in kept]
    assert integrity.fixes == len(kept)
    assert integrity.header == decode_header(TRACK)


def test_frames_behind_a_damaged_header_are_there() -> None:
    frames, _, integrity = frames_of(bytes(10) + TRACK[10:])
    assert integrity.header is None
    assert (frames == frames_in(TRACK)).all()


def test_another_kind_of_file_has_no_frames() -> None:
    for data in (b"", b"$GPRMC,1\r\n" * 100, bytes(5000) + TRACK[512:564]):
        frames, offsets, integrity = frames_of(data)
        assert integrity.header is None
        assert (len(frames), len(offsets), frames.dtype) == (0, 0, FRAME)


def test_bytes_and_views_of_them_decode_alike() -> None:
    for data in (TRACK, bytearray(TRACK), memoryview(TRACK)):
        assert len(frames_in(data)) == 20


def test_columns_are_in_neutral_units() -> None:
    """The test vector of the format's description."""
    frame = bytes.fromhex(
        "d50ab7079fb1261e9a0e87fe11040000920300002b833201480ce05a8301000003102101000004050000b10600000d0622005000"
    )
    fixes = fixes_of(np.frombuffer(frame, FRAME))
    assert (fixes.latitude[0], fixes.longitude[0]) == (50.5852319, -2.4703334)
    columns = (fixes.time, fixes.speed, fixes.course, fixes.speed_error, fixes.satellites, fixes.fix, fixes.hdop)
    assert [None if column is None else int(column[0]) for column in columns] == [
        *(1663676976200, 914, 20087595, 289, 16, 3, 80)
    ]
    others = (fixes.altitude, fixes.horizontal_error, fixes.vertical_error, fixes.course_error)
    assert [None if column is None else int(column[0]) for column in others] == [1041, 1284, 1713, 2229773]


def test_a_missing_end_would_not_be_seen_without_the_listing() -> None:
    unfinished = encode_header(evolve(read_header(TRACK), end_date=0)) + TRACK[HEADER_SIZE:]
    assert {OaoFormat().decode(data).evidence for data in (TRACK, TRACK[:-9], unfinished)} == {Evidence.CONSISTENT}


def test_the_track_of_an_esp_logger_is_whole_without_a_header(captures: Path) -> None:
    whole = (captures / "esp_Head_L_007.oao").read_bytes()
    with_header, without = OaoFormat().decode(whole), OaoFormat().decode(whole[HEADER_SIZE:])
    assert OaoFormat().recognises(whole[HEADER_SIZE:][:HEADER_SIZE])
    assert (with_header.integrity.header_missing, without.integrity.header_missing) == (False, True)
    assert (with_header.integrity.whole, without.integrity.whole, without.header) == (True, True, None)
    assert without.fixes.time.tolist() == with_header.fixes.time.tolist()
    assert (without.rules, without.rate) == (with_header.rules, with_header.rate) == (ESP_RULES, 10)


def test_a_verified_file_is_the_same_without_its_checksums(captures: Path) -> None:
    files = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    for data in [TRACK, TRACK + b"]}", *(file.read_bytes() for file in files)]:
        frames, offsets, integrity = frames_of(data)
        if integrity.whole and not integrity.unknown:
            once = frames_of(data, is_verified=True)
            assert (once[0] == frames).all()
            assert once[1:] == (offsets, integrity)


def test_of_a_verified_file_no_checksum_is_computed() -> None:
    data = bytearray(TRACK)
    data[HEADER_SIZE + 2] ^= 1
    assert frames_of(data)[2].damages
    assert not frames_of(data, is_verified=True)[2].damages
