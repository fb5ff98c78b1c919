"""Tracks of simulated devices, as the collector's own verification sees them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sse_twisted.simulator.listings import BESTS, emptied, make_entry, never_finalised
from sse_twisted.simulator.tracks import listing_entry, log_path, make_track, track_for_entry, track_of_size
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.claims import ClaimCheck
from sse_twisted.tracks.oao.layout import FRAME, HEADER_SIZE
from tests.support.verified import verify
from tests.tracks.voyages import best

START = 1_760_270_400_000
PATH = "/logs/2025/10/0601_2025-10-12-1300.oao"


def frames_of(track: bytes) -> Any:
    return np.frombuffer(track, FRAME, offset=HEADER_SIZE)


def an_entry(frames: int = 5000, **figures: int) -> dict[str, Any]:
    usual = {
        "start_date": START,
        "end_date": START + 3_600_000,
        "duration": 3_600_000,
        "distance": 12_345_678,
        "2s_best": 15_000,
        "10s_best": 14_500,
        "500m_best": 13_700,
        "1852m_best": 9_000,
        "a500m_best": 8_000,
        "1h_best": 3_000,
    }
    return make_entry(PATH, 512 + 52 * frames, **(usual | figures))


def test_a_sailed_track_is_whole_and_its_entry_is_its_header() -> None:
    track = make_track(601, START, 3600, seed=1, top=30)
    integrity = verify(track)
    assert integrity.whole
    assert integrity.header is not None
    assert (integrity.header.identifier, integrity.header.frequency) == (601, 5)
    entry = listing_entry(track, PATH)
    assert (entry["start_date"], entry["end_date"]) == (START, START + 3_600_000)
    assert entry["size"] == len(track) + 1024
    assert entry["500m_best"] == pytest.approx(30 * 514.44, rel=0.05)
    assert entry["2s_best"] >= entry["10s_best"] >= entry["500m_best"] >= entry["1852m_best"] > 0
    assert entry["a500m_best"] > 0


def test_a_sailed_track_holds_what_event_firmware_stores() -> None:
    frames = frames_of(make_track(601, START, 3600, seed=1))
    assert frames["speed"].min() >= 2572
    assert 1000 < frames.size < 18_000
    assert (np.diff(frames["utc"].astype(np.int64)) > 0).all()
    assert ((frames["utc"] % 1000 == 0) == (frames["mode"] == 0x0AD4)).all()


def test_a_track_is_the_same_for_a_seed() -> None:
    assert make_track(601, START, 900, seed=4) == make_track(601, START, 900, seed=4)
    assert make_track(601, START, 900, seed=4) != make_track(601, START, 900, seed=5)


@pytest.mark.parametrize("size", [512, 563, 564, 4096, 700_000, 4_000_000])
def test_a_track_of_a_size_is_whole_and_of_that_size_to_a_frame(size: int) -> None:
    track = track_of_size(601, size, START, knots=25)
    assert size - 52 < len(track) <= size
    assert verify(track).whole


def test_a_plain_track_has_one_speed_and_says_so() -> None:
    entry = listing_entry(track_of_size(601, 2_000_000, START, knots=25), PATH)
    assert [entry[name] for name in ("2s_best", "10s_best", "500m_best", "1852m_best", "1h_best")] == [12_861] * 5
    assert entry["a500m_best"] == 0
    assert entry["distance"] == pytest.approx(entry["duration"] * 12.861, rel=1e-6)


@pytest.mark.parametrize(
    "entry",
    [
        an_entry(),
        an_entry(frames=1),
        an_entry(frames=18_000),
        an_entry(frames=18_004),
        an_entry(frames=40, **dict.fromkeys(BESTS, 0)),
        an_entry(frames=500, end_date=START - 5000),
        an_entry(frames=500, end_date=START + 100),
        emptied(an_entry()),
    ],
)
def test_a_track_that_was_made_for_an_entry_is_whole_and_repeats_it(entry: dict[str, Any]) -> None:
    track = track_for_entry(entry, 601)
    assert len(track) == entry["size"] - 1024
    integrity = verify(track)
    assert integrity.whole
    assert integrity.header is not None
    assert integrity.header.identifier == 601
    assert listing_entry(track, PATH) | {"duration": 0} == entry | {"duration": 0}


def test_its_frames_are_later_and_later_between_start_and_end() -> None:
    utc = frames_of(track_for_entry(an_entry(), 601))["utc"].tolist()
    assert START < utc[0] < utc[-1] <= START + 3_600_000
    assert all(earlier < later for earlier, later in pairwise(utc))


@pytest.mark.parametrize(
    "bests",
    [
        {},
        {"2s_best": 15_003, "10s_best": 14_501, "500m_best": 13_888, "1852m_best": 9_001},
        {"2s_best": 3_500, "10s_best": 3_400, "500m_best": 3_001, "1852m_best": 0},
        {"2s_best": 0, "10s_best": 0, "500m_best": 8_333, "1852m_best": 8_002},
    ],
)
def test_its_speeds_bear_out_the_bests_to_the_millimetre(bests: dict[str, int]) -> None:
    analysis = analyse(track_for_entry(an_entry(**bests), 601))
    claims = [claim for claim in analysis.claims if claim.name in ("2s", "10s", "500m", "1852m")]
    assert {claim.check for claim in claims} == {ClaimCheck.EXACT}
    assert analysis.session
    assert all(best(analysis.session, claim.name) == claim.value for claim in claims)


def test_a_log_that_was_never_finalised_ends_inside_a_frame() -> None:
    entry = never_finalised(an_entry(frames=5003))
    track = track_for_entry(entry, 601)
    assert len(track) == entry["size"] - 1024
    integrity = verify(track)
    assert integrity.header is not None
    assert integrity.header.end_date == 0
    assert [damage.offset for damage in integrity.damages] == [512 + 52 * (len(track[512:]) // 52)]


def test_a_track_fits_every_entry_of_real_listings(captures: Path) -> None:
    checked = 0
    for listing in sorted(captures.glob("event-2022/motions/*/logs.json")):
        for entry in json.loads(listing.read_text())["logs"]:
            track = track_for_entry(entry, 601)
            assert len(track) == entry["size"] - 1024
            seen = listing_entry(track, entry["file"])
            assert {name: seen[name] for name in ("start_date", "end_date", "distance", "500m_best")} == {
                name: entry[name] for name in ("start_date", "end_date", "distance", "500m_best")
            }
            checked += verify(track).whole
    assert checked > 400


def test_a_log_is_named_by_its_start_in_the_time_zone_of_the_device() -> None:
    assert log_path(601, START) == PATH
    assert log_path(8, START, timezone=-600) == "/logs/2025/10/0008_2025-10-12-0200.oao"


def test_the_entry_of_a_real_track_is_that_of_the_device(captures: Path) -> None:
    for name in ("634_2022-10-19-1337", "631_2022-10-21-1004", "635_2022-10-16-1452"):
        identifier, _, start = name.partition("_")
        listing = json.loads((captures / f"event-2022/motions/motion-{identifier}/logs.json").read_text())["logs"]
        (entry,) = [entry for entry in listing if start in entry["file"]]
        content = (captures / f"tracks/{name}.oao").read_bytes()
        seen = listing_entry(content, entry["file"])
        figures = [key for key, value in entry.items() if isinstance(value, int)]
        assert {key: seen[key] for key in figures} == {key: entry[key] for key in figures}
