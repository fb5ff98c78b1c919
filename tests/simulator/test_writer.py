from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sse_twisted.simulator.headers import Position, encode_header, read_header
from sse_twisted.simulator.writer import LOGGING_THRESHOLD, seal, session_bests, write_track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.oao.firmware import BESTS
from sse_twisted.tracks.oao.layout import FRAME, HEADER_SIZE
from tests.support.verified import verify
from tests.tracks.voyages import START, frames_in, gridded, sail

LIVE = sail(300, pause=10)


def test_what_was_written_is_read_again() -> None:
    data = write_track(LIVE, identifier=601, nickname="WSW", logging_threshold=0)
    assert verify(data).whole
    for name in FRAME.names or ():
        if name not in ("mode", "checksum"):
            assert (frames_in(data)[name] == LIVE[name][1:]).all(), name
    header = read_header(data)
    assert (header.identifier, header.nickname, header.firmware) == (601, "WSW", 9004)
    assert (header.timezone, header.frequency, header.one_log_per_day) == (60, 5, False)
    assert (header.start_date, header.end_date) == (START, START + 299_800)
    assert header.max_speed == LIVE["speed"].max()
    assert header.end == Position(*(int(LIVE[-1][name]) for name in ("latitude", "longitude", "altitude")))


def test_modes_tell_whole_seconds() -> None:
    frames = frames_in(write_track(LIVE, identifier=601, logging_threshold=0))
    assert (frames["mode"][:6]).tolist() == [0x0AD5] * 4 + [0x0AD4, 0x0AD5]
    assert ((frames["mode"] == 0x0AD4) == (frames["utc"] % 1000 == 0)).all()


def test_event_firmware_stores_only_what_is_fast_and_counts_everything() -> None:
    live = LIVE.copy()
    live["speed"][100:103] = LOGGING_THRESHOLD - 1, LOGGING_THRESHOLD, LOGGING_THRESHOLD + 1
    event = decode(write_track(live, identifier=601))
    plain = decode(write_track(live, identifier=601, logging_threshold=0))
    assert event.header == plain.header
    fast = [fix["utc"] for fix in live[1:] if fix["speed"] > 2571]
    assert event.fixes.time.tolist() == fast
    assert 0 < len(event.fixes) < len(plain.fixes) == len(live) - 1


@pytest.mark.parametrize("frequency", [1, 5, 10])
def test_the_header_claims_the_bests_of_all_fixes(frequency: int) -> None:
    live = sail(300, frequency, pause=10)
    header = read_header(write_track(live, identifier=601, frequency=frequency))
    assert header.bests == session_bests(gridded(live, frequency))
    assert all(header.bests[window] for window in BESTS if window != "1h")


def test_fixes_that_don_t_count_are_stored_and_change_no_claim() -> None:
    wild = LIVE.copy()
    wild["fix"][100], wild["satellites"][100], wild["hdop"][100] = 0, 0, 9999
    wild["speed"][100] = 400_000
    track = decode(write_track(wild, identifier=601))
    assert track.header is not None
    assert track.fixes.speed.max() == 400_000
    assert track.header.max_speed == LIVE["speed"].max()


def test_an_empty_log_is_a_header() -> None:
    for count in (0, 1):
        data = write_track(LIVE[:count], identifier=601)
        assert len(data) == HEADER_SIZE
        assert verify(data).whole
    assert read_header(data).start_date == read_header(data).end_date == START


def test_the_fixes_are_left_as_they_were() -> None:
    before = LIVE.copy()
    write_track(LIVE, identifier=601)
    assert (before == LIVE).all()


def test_a_clock_that_goes_back_is_refused() -> None:
    with pytest.raises(ValueError, match="go back"):
        write_track(LIVE[::-1], identifier=601)


@settings(deadline=None)
@given(arrays.arrays(FRAME, st.integers(0, 5)))
def test_sealed_frames_are_sound_whatever_they_hold(frames: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
    frames["mode"] = 0x0AD5
    header = encode_header(read_header(write_track(LIVE[:1], identifier=601)))
    integrity = verify(header + seal(frames))
    assert integrity.whole
    assert integrity.fixes == len(frames)
