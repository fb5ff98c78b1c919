from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.tracks.oao.layout import FRAME_SIZE
from sse_twisted.tracks.oao.search import BATCH_SIZE, sound_runs
from tests.tracks.oao.frames import TRACK, at, sealed

FIVE = TRACK[at(0) : at(5)]


def runs(data: bytes, limit: int | None = None) -> list[tuple[int, int, int]]:
    return list(sound_runs(np.frombuffer(data, np.uint8), len(data) if limit is None else limit))


@given(st.integers(0, 200), st.integers(0, 200))
def test_frames_are_found_at_any_offset(before: int, between: int) -> None:
    found = runs(bytes(before) + FIVE + b"?" * between + FIVE + b"??")
    if between:
        assert found == [(before, FRAME_SIZE, 5), (before + len(FIVE) + between, FRAME_SIZE, 5)]
    else:
        assert found == [(before, FRAME_SIZE, 10)]


def test_frames_of_each_known_length_make_runs_of_their_own() -> None:
    others = [sealed(mode, length) for mode, length in ((0x0AD1, 12), (0x0AD2, 34), (0x0AD6, 32))]
    data = FIVE + others[0] * 2 + others[1] + others[2]
    assert runs(data) == [(0, FRAME_SIZE, 5), (260, 12, 2), (284, 34, 1), (318, 32, 1)]


def test_a_damaged_frame_is_left_out() -> None:
    for place in range(FRAME_SIZE):
        data = bytearray(FIVE)
        data[2 * FRAME_SIZE + place] ^= 1
        assert (0, FRAME_SIZE, 2) in runs(bytes(data))
        assert (3 * FRAME_SIZE, FRAME_SIZE, 2) in runs(bytes(data))


def test_no_frame_begins_at_the_limit() -> None:
    assert runs(b"?" + FIVE, 2) == [(1, FRAME_SIZE, 1)]
    assert runs(b"?" + FIVE, 1) == []
    assert runs(FIVE[:-1]) == [(0, FRAME_SIZE, 4)]


def test_a_frame_inside_another_is_part_of_it() -> None:
    inner = sealed(0x0AD1, 12)
    outer = bytearray(sealed(0x0AD3, 34))
    outer[10:22] = inner
    assert runs(_resealed(bytes(outer))) == [(0, 34, 1)]


def _resealed(frame: bytes) -> bytes:
    first = second = 0
    for byte in frame[:2] + frame[4:]:
        first = (first + byte) & 255
        second = (second + first) & 255
    return frame[:2] + bytes((first, second)) + frame[4:]


def test_starts_of_frames_everywhere_hide_none() -> None:
    noise = b"\xd4\x0a" * (BATCH_SIZE + 100)
    assert runs(noise + FIVE) == [(len(noise), FRAME_SIZE, 5)]
    assert runs(random.Random(1).randbytes(100_000)) == []
