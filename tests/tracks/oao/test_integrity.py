from __future__ import annotations

import gc
import random
import tracemalloc
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sse_twisted.simulator.headers import fletcher
from sse_twisted.tracks.format import Damage, Integrity
from sse_twisted.tracks.formats import FileVerifier
from sse_twisted.tracks.oao.header import decode_header
from sse_twisted.tracks.oao.integrity import DAMAGES_KEPT
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE
from tests.support.verified import verify
from tests.tracks.oao.frames import FRAMES, TRACK, at, sealed

FRAMES_OF_TRACK = frozenset(TRACK[at : at + FRAME_SIZE] for at in range(HEADER_SIZE, len(TRACK), FRAME_SIZE))
WHOLE = verify(TRACK)

offsets = st.integers(0, len(TRACK) - 1)


def inserted(frame: int, data: bytes) -> bytes:
    return TRACK[: at(frame)] + data + TRACK[at(frame) :]


def in_chunks(data: bytes, cuts: list[int]) -> Integrity:
    verifier = FileVerifier()
    for start, stop in pairwise([0, *sorted(cuts), len(data)]):
        verifier.feed(data[start:stop])
    return verifier.finish()


def looks_whole(data: bytes) -> bool:
    """No reader of frames can tell: the header is as before, and every frame is one of the track's."""
    frames = {data[i : i + FRAME_SIZE] for i in range(HEADER_SIZE, len(data), FRAME_SIZE)}
    return data[:HEADER_SIZE] == TRACK[:HEADER_SIZE] and frames <= FRAMES_OF_TRACK


def first_difference(data: bytes) -> int:
    both = zip(data, TRACK, strict=False)
    return next((i for i, (new, old) in enumerate(both) if new != old), min(len(data), len(TRACK)))


def passes_by_chance(data: bytes) -> bool:
    """One in 65,536 changes leaves the checksum of the header, or of the frame, as right as it was."""
    different = first_difference(data)
    start, length = (0, HEADER_SIZE) if different < HEADER_SIZE else (at((different - HEADER_SIZE) // FRAME_SIZE), 52)
    piece = data[start : start + length]
    return len(piece) == length and fletcher(piece) == (piece[2], piece[3])


def assert_located(data: bytes) -> Integrity:
    """The damage begins with the frame (or header) in which the bytes first differ, and is the only one."""
    integrity = verify(data)
    different = first_difference(data)
    frame_start = 0 if different < HEADER_SIZE else at((different - HEADER_SIZE) // FRAME_SIZE)
    assert not integrity.whole
    assert integrity.damage_count == 1
    assert integrity.damages[0].offset == frame_start
    assert (integrity.header is None) == (different < HEADER_SIZE)
    assert integrity.kind == "oao"
    return integrity


def test_a_written_track_is_whole() -> None:
    assert (
        Integrity(
            length=len(TRACK),
            kind="oao",
            header=decode_header(TRACK),
            fixes=FRAMES,
            damages=(),
            damage_count=0,
            unknown=0,
            trailer=b"",
            whole=True,
        )
        == WHOLE
    )
    assert WHOLE.whole


def test_every_real_file_is_whole(captures: Path) -> None:
    files = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    assert len(files) == 14
    for file in files:
        data = file.read_bytes()
        integrity = verify(data)
        assert integrity.whole, file
        assert integrity.fixes == (len(data) - HEADER_SIZE) / FRAME_SIZE
        assert (integrity.unknown, integrity.trailer) == (0, b"")


@pytest.mark.parametrize("size", [1, 51, 52, 53, 511, 512, 513, 1460, 65536, 262144])
def test_a_real_file_in_chunks_of_any_size_is_whole(captures: Path, size: int) -> None:
    data = (captures / "tracks/694_2023-10-10-1048.oao").read_bytes()
    assert in_chunks(data, list(range(size, len(data), size))) == verify(data)


@settings(deadline=None)
@given(offsets, st.integers(0, 7))
def test_a_flipped_bit_is_located(offset: int, bit: int) -> None:
    data = bytearray(TRACK)
    data[offset] ^= 1 << bit
    integrity = assert_located(bytes(data))
    if offset < HEADER_SIZE:
        assert integrity.damages == (Damage(0, HEADER_SIZE, "damaged header"),)
        assert integrity.fixes == FRAMES
    else:
        assert integrity.damages == (Damage(at((offset - HEADER_SIZE) // FRAME_SIZE), FRAME_SIZE, "damaged frame"),)
        assert integrity.fixes == FRAMES - 1
        assert integrity.header == WHOLE.header


@settings(deadline=None)
@given(offsets, st.integers(1, 600))
def test_lost_bytes_cost_no_frame_but_those_they_were_in(offset: int, count: int) -> None:
    data = TRACK[:offset] + TRACK[offset + count :]
    assume(not looks_whole(data) and not passes_by_chance(data))
    untouched = sum(at(frame) >= offset + count or at(frame + 1) <= offset for frame in range(FRAMES))
    assume(untouched)
    assert assert_located(data).fixes >= untouched


@settings(deadline=None)
@given(offsets, st.binary(min_size=1, max_size=600))
def test_added_bytes_cost_at_most_one_frame(offset: int, added: bytes) -> None:
    data = TRACK[:offset] + added + TRACK[offset:]
    assume(not looks_whole(data) and not passes_by_chance(data))
    assert assert_located(data).fixes >= FRAMES - 1


@settings(deadline=None)
@given(offsets, st.binary(min_size=1, max_size=600))
def test_overwritten_bytes_cost_no_frame_but_those_they_are_in(offset: int, other: bytes) -> None:
    data = (TRACK[:offset] + other + TRACK[offset + len(other) :])[: len(TRACK)]
    assume(data != TRACK and not passes_by_chance(data))
    end = offset + len(other)
    untouched = sum(at(frame) >= end or at(frame + 1) <= offset for frame in range(FRAMES))
    assume(untouched)
    integrity = verify(data)
    assert not integrity.whole
    assert integrity.fixes >= untouched
    assert integrity.damages[0].offset <= first_difference(data) < sum(_extent(integrity.damages[0]))


def _extent(damage: Damage) -> tuple[int, int]:
    return damage.offset, damage.length


@settings(deadline=None)
@given(st.integers(1, len(TRACK) - 1))
def test_a_cut_end_is_located_unless_it_is_between_two_frames(length: int) -> None:
    integrity = verify(TRACK[:length])
    frames, rest = divmod(length - HEADER_SIZE, FRAME_SIZE)
    if length < HEADER_SIZE:
        expected = Damage(0, length, "cut inside the header")
        assert integrity.damages == ((expected,) if length > 1 else ())
    elif rest:
        assert integrity.damages == (Damage(at(frames), rest, "cut inside a frame"),)
    else:
        assert integrity.whole
    assert integrity.fixes == max(0, frames)


def test_a_cut_between_two_frames_leaves_no_trace() -> None:
    integrity = verify(TRACK[:-FRAME_SIZE])
    assert integrity.whole
    assert integrity.fixes == FRAMES - 1


@st.composite
def damaged_tracks(draw: st.DrawFn) -> bytes:
    data = TRACK
    pieces = st.one_of(
        st.binary(max_size=80),
        st.just(b"]}"),
        st.builds(sealed, st.integers(0x0AD0, 0x0AD8), st.sampled_from([12, 30, 32, 34, 52, 60, 512])),
    )
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.one_of(offsets, st.integers(0, FRAMES).map(at)))
        count = draw(st.sampled_from([0, 1, 52, 100]))
        data = data[:start] + draw(pieces) * draw(st.sampled_from([1, 2, 20])) + data[start + count :]
    return data


@settings(deadline=None)
@given(damaged_tracks(), st.data())
def test_the_chunks_make_no_difference(data: bytes, choice: st.DataObject) -> None:
    cuts = choice.draw(st.lists(st.integers(0, len(data)), max_size=12))
    assert in_chunks(data, cuts) == verify(data)


@settings(deadline=None)
@given(damaged_tracks())
def test_byte_by_byte_makes_no_difference(data: bytes) -> None:
    assume(len(data) < 4000)
    assert in_chunks(data, list(range(1, len(data)))) == verify(data)


@settings(deadline=None)
@given(damaged_tracks())
def test_every_byte_of_a_damaged_track_is_accounted_for(data: bytes) -> None:
    integrity = verify(data)
    assume(integrity.kind == "oao")
    assert integrity.length == len(data)
    damaged = sum(damage.length for damage in integrity.damages)
    assert integrity.fixes * FRAME_SIZE + damaged <= len(data)
    if integrity.header is not None and not integrity.unknown:
        assert HEADER_SIZE + integrity.fixes * FRAME_SIZE + damaged + len(integrity.trailer) == len(data)


@settings(deadline=None)
@given(damaged_tracks(), st.integers(1, 400))
def test_everything_before_the_verified_offset_is_whole(data: bytes, size: int) -> None:
    assume(len(data) < 8000)
    verifier = FileVerifier()
    before = 0
    for start in range(0, len(data), size):
        verifier.feed(data[start : start + size])
        to = verifier.verified_to
        assert before <= to <= start + size
        assert to == before or verify(data[:to]).whole
        before = to


def test_the_verified_offset_is_where_to_resume() -> None:
    verifier = FileVerifier()
    verifier.feed(TRACK[:511])
    assert verifier.verified_to == 0
    verifier.feed(TRACK[511:513])
    assert verifier.verified_to == HEADER_SIZE
    verifier.feed(TRACK[513 : at(3) + 10])
    assert verifier.verified_to == at(3)
    verifier.feed(bytes(FRAME_SIZE) + TRACK[at(3) :])
    assert verifier.verified_to == at(3)


def test_nothing_can_be_resumed_without_a_header() -> None:
    verifier = FileVerifier()
    verifier.feed(b"\xd0\x0a" + bytes(510) + TRACK[HEADER_SIZE:])
    assert verifier.verified_to == 0
    integrity = verifier.finish()
    assert integrity.damages == (Damage(0, HEADER_SIZE, "damaged header"),)
    assert (integrity.header, integrity.fixes, integrity.kind) == (None, FRAMES, "oao")


def test_a_sealed_header_of_another_mode_is_damaged() -> None:
    integrity = verify(sealed(0x0AD8, HEADER_SIZE) + TRACK[HEADER_SIZE:])
    assert integrity.damages == (Damage(0, HEADER_SIZE, "damaged header"),)
    assert (integrity.kind, integrity.unknown) == ("oao", 0)


@pytest.mark.parametrize("mode", [0x0BD4, 0x0BD5, 0x00D5, 0xD50A])
def test_a_sealed_frame_of_another_family_is_damaged(mode: int) -> None:
    data = TRACK[: at(5)] + sealed(mode, FRAME_SIZE) + TRACK[at(6) :]
    assert verify(data).damages == (Damage(at(5), FRAME_SIZE, "damaged frame"),)


def test_a_lost_start_is_a_damaged_header() -> None:
    integrity = verify(TRACK[at(1) + 20 :])
    assert integrity.damages == (Damage(0, FRAME_SIZE - 20, "damaged header"),)
    assert (integrity.kind, integrity.fixes) == ("oao", FRAMES - 2)


def test_only_the_known_trailer_is_harmless() -> None:
    integrity = verify(TRACK + b"]}")
    assert integrity.whole
    assert (integrity.trailer, integrity.fixes, integrity.length) == (b"]}", FRAMES, len(TRACK) + 2)
    assert verify(TRACK[:HEADER_SIZE] + b"]}").whole
    for other in (b"]", b"}]", b"]}\n", b"]}]}", bytes(1024)):
        integrity = verify(TRACK + other)
        assert integrity.damages == (Damage(len(TRACK), len(other), "bytes that are not frames"),), other
        assert integrity.trailer == b""


def test_a_trailer_behind_a_damage_belongs_to_it() -> None:
    integrity = verify(TRACK[:-10] + b"]}")
    assert integrity.damages == (Damage(at(FRAMES - 1), 44, "cut inside a frame"),)


def test_a_header_alone_is_whole() -> None:
    integrity = verify(TRACK[:HEADER_SIZE])
    assert integrity.whole
    assert integrity.fixes == 0


def test_an_empty_file_is_of_no_kind() -> None:
    assert verify(b"") == Integrity(0, "unknown")
    assert not verify(b"").whole


def test_several_damages_are_in_order() -> None:
    data = bytearray(TRACK)
    for frame in (2, 3, 10):
        data[at(frame) + 30] ^= 255
    del data[at(15) : at(15) + 5]
    integrity = verify(data)
    assert integrity.damages == (
        Damage(at(2), 2 * FRAME_SIZE, "2 damaged frames"),
        Damage(at(10), FRAME_SIZE, "damaged frame"),
        Damage(at(15), FRAME_SIZE - 5, "bytes that are not frames"),
    )
    assert integrity.fixes == FRAMES - 4


def test_no_more_than_a_thousand_damages_are_kept() -> None:
    header, frames = TRACK[:HEADER_SIZE], TRACK[HEADER_SIZE:]
    integrity = verify(header + (frames[:FRAME_SIZE] + bytes(FRAME_SIZE)) * 3000)
    assert integrity.damage_count == 3000
    assert len(integrity.damages) == DAMAGES_KEPT
    assert integrity.fixes == 3000


@pytest.mark.parametrize(("mode", "length"), [(0x0AD1, 12), (0x0AD2, 34), (0x0AD3, 34), (0x0AD6, 32)])
def test_a_known_frame_that_is_not_decoded_is_checked_all_the_same(mode: int, length: int) -> None:
    for frame in (0, 5, FRAMES):
        integrity = verify(inserted(frame, 3 * sealed(mode, length)))
        assert integrity.whole
        assert (integrity.unknown, integrity.fixes) == (3, FRAMES)
    broken = bytearray(sealed(mode, length))
    broken[6] ^= 1
    assert verify(inserted(5, bytes(broken))).damages == (Damage(at(5), length, "bytes that are not frames"),)


@pytest.mark.parametrize("length", [5, 20, 52, 60, 104, 1024])
def test_intact_frames_of_an_unknown_mode_are_no_damage(length: int) -> None:
    for count, frame in product((1, 2, 7), (0, 5, FRAMES)):
        data = inserted(frame, b"".join(sealed(0x0ADF, length, payload) for payload in range(count)))
        integrity = verify(data)
        assert integrity.whole
        assert (integrity.unknown, integrity.fixes) == (count, FRAMES)
        assert verify(data + b"]}").whole


def test_a_track_of_unknown_frames_only_is_no_damage() -> None:
    strange = b"".join(sealed(0x0AD8, 64, payload % 256) for payload in range(5000))
    data = TRACK[:HEADER_SIZE] + strange
    assert verify(data).unknown == 5000
    assert verify(data).whole
    verifier = FileVerifier()
    verifier.feed(data)
    assert verifier.verified_to == HEADER_SIZE
    assert verifier.finish().whole
    assert verify(data[:-1]).damages == (Damage(HEADER_SIZE, len(strange) - 1, "bytes that are not frames"),)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"$GPRMC,"], ids=["random", "zip", "nmea"])
def test_another_kind_of_file_has_no_damages(start: bytes) -> None:
    data = start + random.Random(1).randbytes(100_000)
    integrity = verify(data)
    assert (integrity.header, integrity.fixes, integrity.damages, integrity.whole) == (None, 0, (), False)
    assert integrity.kind == {b"PK\x03\x04": "zip", b"$GPRMC,": "nmea"}.get(start, "unknown")
    assert integrity.length == len(data)


def test_a_frame_in_a_file_of_another_kind_is_chance() -> None:
    data = random.Random(2).randbytes(5000) + TRACK[at(1) : at(2)] + bytes(5000)
    assert verify(data) == Integrity(len(data), "unknown")


@pytest.mark.parametrize("frames", ["random", "zeros", "starts of frames", "starts of unknown frames", "every other"])
@pytest.mark.parametrize("header", [True, False], ids=["with header", "without"])
def test_large_nonsense_takes_little_memory(frames: str, header: bool) -> None:
    nonsense = {
        "random": lambda: random.Random(3).randbytes(8 << 20),
        "zeros": lambda: bytes(8 << 20),
        "starts of frames": lambda: b"\xd4\x0a" * (4 << 20),
        "starts of unknown frames": lambda: b"\xd7\x0a" * (4 << 20),
        "every other": lambda: (bytes(FRAME_SIZE) + TRACK[at(1) : at(2)]) * ((8 << 20) // 104),
    }[frames]()
    data = TRACK[:HEADER_SIZE] * header + nonsense
    verifier = FileVerifier()
    gc.collect()  # or what earlier tests left would count
    tracemalloc.start()
    for start in range(0, len(data), 65536):
        verifier.feed(data[start : start + 65536])
    integrity = verifier.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7 << 20
    assert integrity.length == len(data)
    assert not integrity.whole


def test_a_change_that_leaves_the_checksum_right_is_not_noticed() -> None:
    """So weak is the format; found by chance."""
    data = TRACK[:429] + b'WO\xe9"\x11\xe1\xbb\xa2' + TRACK[437:]
    assert data != TRACK
    assert passes_by_chance(data)
    assert verify(data).whole
