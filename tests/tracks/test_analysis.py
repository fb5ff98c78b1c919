from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.simulator.writer import seal, write_track
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.format import Damage
from sse_twisted.tracks.moments import utc
from sse_twisted.tracks.oao.layout import FRAME, FRAME_SIZE, HEADER_SIZE, Frames
from tests.fuzz import mutated
from tests.tracks.voyages import START, best, sail, small_track

TRACK = small_track(100)


def plain(fixes: Frames, end_date: int | None = None) -> bytes:
    """A complete track of plain firmware, with another end in its header."""
    data = write_track(fixes, identifier=601, firmware=3129, logging_threshold=0)
    header = read_header(data)
    return encode_header(evolve(header, end_date=end_date or header.end_date)) + data[HEADER_SIZE:]


def resealed(change: str, value: int, places: slice) -> bytes:
    """A track in which one column has another value at some places, with right checksums."""
    data = write_track(sail(120), identifier=601, firmware=3129, logging_threshold=0)
    frames = np.frombuffer(data, FRAME, offset=HEADER_SIZE).copy()
    frames[change][places] = value
    return data[:HEADER_SIZE] + seal(frames)


def test_real_tracks_have_nothing_remarkable_but_gaps(captures: Path) -> None:
    tracks = [*captures.glob("*.oao"), *captures.glob("tracks/*.oao")]
    assert len(tracks) == 14
    remarks = {path.name: analyse(path.read_bytes()).remarks for path in tracks}
    assert remarks.pop("0470_2022-07-16-1202.oao") == ("5 gaps of 10.6 s, the longest from 2022-07-16 12:15:37 UTC on",)
    assert set(remarks.values()) == {()}


def test_a_loss_has_its_place_its_fixes_and_its_time() -> None:
    start = HEADER_SIZE + 20 * FRAME_SIZE
    data = TRACK[:start] + bytes(3 * FRAME_SIZE) + TRACK[start + 3 * FRAME_SIZE :]
    (loss,) = analyse(data).losses
    assert loss.damage == Damage(start, 3 * FRAME_SIZE, "3 damaged frames")
    assert (loss.fixes, loss.since, loss.until) == (3, START + 20 * 200, START + 24 * 200)


def test_a_loss_at_either_end_has_no_time_there() -> None:
    (first,) = analyse(bytes(600) + TRACK[600:]).losses
    assert (first.since, first.until) == (None, START + 600)
    (last,) = analyse(TRACK[:-7]).losses
    assert (last.since, last.until) == (START + 48 * 200, None)


def test_speeds_without_a_position_count_for_nothing() -> None:
    fixes = sail(120)
    wild = fixes.copy()
    wild["speed"][100:120], wild["fix"][100:120], wild["satellites"][100:120] = 400_000, 0, 0
    analysis = analyse(write_track(wild, identifier=601, firmware=3129, logging_threshold=0))
    assert analysis.session is not None
    assert analysis.session.maximum < 20_000
    assert analysis.unusable == 20
    assert analysis.remarks == ()


def test_time_that_goes_back_is_remarked_with_its_byte() -> None:
    fixes = sail(120)
    data = plain(fixes)
    frames = np.frombuffer(data, FRAME, offset=HEADER_SIZE).copy()
    frames["utc"][300:] -= 2000
    remarks = analyse(data[:HEADER_SIZE] + seal(frames)).remarks
    assert f"time goes back by 1.8 s at byte {HEADER_SIZE + 300 * FRAME_SIZE:,}" in remarks


@pytest.mark.parametrize("year", [1970, 2080])
def test_fixes_of_another_time_are_left_out_and_remarked(year: int) -> None:
    moment = int(np.datetime64(f"{year}-01-01", "ms").astype(np.int64))
    analysis = analyse(resealed("utc", moment, slice(10, 13)))
    assert analysis.session is not None
    assert best(analysis.session, "10s") is not None
    text = f"3 fixes of another time, left out: the first of {year}-01-01 00:00:00 UTC at byte {512 + 10 * 52:,}"
    assert text in analysis.remarks


def test_a_best_that_is_known_only_roughly_is_remarked() -> None:
    remarks = analyse(resealed("speed_accuracy", 900, slice(None))).remarks
    assert "best 2s is known to ±1.7 knots only" in remarks
    assert "best 10s has fixes of 8 satellites" in analyse(resealed("satellites", 8, slice(None))).remarks


def test_gaps_of_a_complete_track_are_remarked() -> None:
    fixes = sail(120)
    remarks = analyse(plain(np.delete(fixes, slice(200, 250)))).remarks
    assert remarks[0] == f"a gap of 10.0 s, the longest from {utc(START + 199 * 200)} UTC on"


def test_gaps_of_event_firmware_are_remarked_where_nobody_can_have_been_slow() -> None:
    fixes = sail(120)
    fixes["speed"] = np.where(np.arange(600) < 400, 8000, 3000)
    lost = np.delete(fixes, [*range(200, 250), *range(500, 520)])
    remarks = analyse(write_track(lost, identifier=601)).remarks
    assert [remark for remark in remarks if "gap" in remark] == [
        f"a gap of 10.0 s at more than 10 knots, the longest from {utc(START + 199 * 200)} UTC on"
    ]


def test_a_track_that_ends_before_its_header_says_is_remarked() -> None:
    data = plain(sail(120))
    assert "ends 20.0 s before its header says" in analyse(data[: -100 * FRAME_SIZE]).remarks
    assert not analyse(data[: -4 * FRAME_SIZE]).remarks


def test_more_fixes_than_there_was_time_for_are_remarked() -> None:
    fixes = sail(120)
    assert "has 599 fixes, more than 5 a second" in analyse(plain(fixes, end_date=START + 100_000)).remarks


def test_an_empty_log_was_not_sailed() -> None:
    analysis = analyse(TRACK[:HEADER_SIZE])
    assert (analysis.session, analysis.claims, analysis.remarks, analysis.losses) == (None, (), (), ())


@pytest.mark.parametrize("data", [b"", b"\xd0\x0a\x00", b"<gpx></gpx>", bytes(100_000), b"\xff" * 5000])
def test_what_is_no_track_says_nothing(data: bytes) -> None:
    analysis = analyse(data)
    assert (analysis.session, analysis.claims, analysis.unusable) == (None, (), 0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_that_is_in_a_file_harms_its_reader(seed: int) -> None:
    """Fields of any value with right checksums, cut, mixed and damaged; memory is a few times that of the file."""
    data = mutated(TRACK, seed)
    tracemalloc.start()
    try:
        analyse(data)
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()
