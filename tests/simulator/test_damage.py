"""Damage inside a sailed track, as the collector's own verification sees it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from sse_twisted.simulator.damage import damage_track, grown, sealed
from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.tracks import make_track
from sse_twisted.tracks.format import Integrity
from tests.support.verified import verify
from tests.tracks.voyages import frames_in

START = 1_760_270_400_000


@cache
def track() -> bytes:
    return make_track(601, START, 900, seed=1)


def damaged(name: str, at: int = 0) -> bytes:
    changed = damage_track(track(), Fault(name, at=at))
    assert changed is not None
    return changed


def seen(name: str, at: int = 0) -> Integrity:
    return verify(damaged(name, at))


def test_a_seal_is_that_of_real_frames(captures: Path) -> None:
    real = (captures / "tracks/634_2022-10-19-1337.oao").read_bytes()
    assert sealed(real[:512]) == real[:512]
    assert all(sealed(real[at : at + 52]) == real[at : at + 52] for at in range(512, 52_512, 52))
    assert sealed(real[:2] + b"\0\0" + real[4:512]) == real[:512]


@pytest.mark.parametrize("at", [600, 5000, 40_000])
def test_a_flipped_bit_spoils_the_frame_that_it_is_in(at: int) -> None:
    (damage,) = seen("flipped-bit", at).damages
    assert (damage.offset, damage.length) == (at - (at - 512) % 52, 52)


def test_a_flipped_bit_is_in_the_middle_unless_said_otherwise() -> None:
    (damage,) = seen("flipped-bit-always").damages
    assert abs(damage.offset - len(track()) // 2) < 600


@pytest.mark.parametrize(("at", "length"), [(0, None), (512, 512), (1000, 512 + 52 * 9), (10**9, -52)])
def test_a_cut_at_a_frames_edge_leaves_whole_frames(at: int, length: int | None) -> None:
    cut = damaged("frame-cut", at)
    assert verify(cut).whole
    assert track().startswith(cut)
    if length is not None:
        assert len(cut) == (length if length > 0 else len(track()) + length)


def test_a_stray_end_of_json_is_known() -> None:
    assert seen("trailer").trailer == b"]}"


def test_a_foreign_track_is_whole_and_of_another_device() -> None:
    integrity = seen("foreign")
    assert integrity.whole
    assert integrity.header is not None
    assert integrity.header.identifier == 602


def test_an_unknown_frame_is_intact_and_unknown() -> None:
    integrity = seen("unknown-frame")
    assert integrity.unknown == 1
    assert integrity.fixes == verify(track()).fixes - 1


def test_an_empty_log_is_a_sound_header_alone() -> None:
    integrity = seen("empty-log")
    assert (integrity.whole, integrity.length, integrity.fixes) == (True, 512, 0)
    assert integrity.header is not None
    assert not any(integrity.header.bests.values())
    assert integrity.header.end_date == integrity.header.start_date == START


def test_a_log_that_was_never_finalised_has_a_sound_header_without_end_and_bests() -> None:
    integrity = seen("not-finalised")
    assert integrity.length % 512 == 0
    assert integrity.header is not None
    assert (integrity.header.end_date, integrity.header.distance) == (0, 0)
    assert not any(integrity.header.bests.values())


def test_a_grown_track_is_the_old_one_and_more() -> None:
    longer = grown(track(), 150)
    integrity = verify(longer)
    assert integrity.whole
    assert integrity.header is not None
    assert integrity.header.end_date == frames_in(longer)["utc"][-1]
    assert longer[512 : len(track())] == track()[512:]
    assert len(longer) == len(track()) + 150 * 52
    utc = [int.from_bytes(longer[at + 24 : at + 32], "little") for at in range(512, len(longer), 52)]
    assert all(earlier < later for earlier, later in pairwise(utc))


def test_a_log_without_frames_does_not_grow() -> None:
    assert grown(track()[:512], 10) == track()[:512]


@pytest.mark.parametrize("name", ["flipped-bit", "unknown-frame", "frame-cut"])
def test_a_log_without_frames_has_none_to_damage(name: str) -> None:
    assert damage_track(track()[:512], Fault(name)) is None


def test_a_fault_of_another_kind_changes_no_track() -> None:
    assert damage_track(track(), Fault("html")) is None
    assert damage_track(track(), Fault("flipped-bit", at=10**9)) is None
