from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.simulator.writer import encode_header, seal
from sse_twisted.tracks.oao import decoding as oao
from tests.tracks.voyages import small_track

TRACK = small_track(20)


def test_every_real_file_can_be_written_again(captures: Path) -> None:
    files = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    assert len(files) == 14
    for file in files:
        data = file.read_bytes()
        track = oao.decode(data)
        assert track.header is not None
        frames = track.frames.copy()
        frames["checksum"] = 0
        assert encode_header(track.header) + seal(frames) == data, file


def test_modes_of_real_files_tell_whole_seconds(captures: Path) -> None:
    for file in [*captures.glob("0470*.oao"), *captures.glob("tracks/*.oao")]:
        frames = oao.decode(file.read_bytes()).frames
        assert ((frames["mode"] == 0x0AD4) == (frames["utc"] % 1000 == 0)).all()


def test_the_frames_of_a_whole_file_are_not_copied() -> None:
    data = bytearray(TRACK)
    frames = oao.decode(data).frames
    assert np.shares_memory(frames, np.frombuffer(data, np.uint8))
    assert len(frames) == 20
    assert not oao.decode(TRACK).frames.flags.writeable


def test_a_stray_trailer_is_left_out() -> None:
    assert (oao.decode(TRACK + b"]}").frames == oao.decode(TRACK).frames).all()


@settings(deadline=None)
@given(st.sets(st.integers(0, 19)))
def test_the_sound_frames_of_a_damaged_file_are_there_in_order(damaged: set[int]) -> None:
    data = bytearray(TRACK)
    for frame in damaged:
        data[oao.HEADER_SIZE + oao.FRAME_SIZE * frame + 25] ^= 8
    track = oao.decode(data)
    kept = [frame for frame in range(20) if frame not in damaged]
    assert (track.frames == oao.decode(TRACK).frames[kept]).all()
    assert track.integrity.frames == len(kept)
    assert track.header == oao.decode_header(TRACK)


def test_frames_behind_a_damaged_header_are_there() -> None:
    track = oao.decode(bytes(10) + TRACK[10:])
    assert track.header is None
    assert (track.frames == oao.decode(TRACK).frames).all()


def test_another_kind_of_file_has_no_frames() -> None:
    for data in (b"", b"$GPRMC,1\r\n" * 100, bytes(5000) + TRACK[512:564]):
        track = oao.decode(data)
        assert track.header is None
        assert len(track.frames) == 0
        assert track.frames.dtype == oao.FRAME


def test_bytes_and_views_of_them_decode_alike() -> None:
    for data in (TRACK, bytearray(TRACK), memoryview(TRACK)):
        assert len(oao.decode(data).frames) == 20
