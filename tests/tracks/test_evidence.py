from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from sse_twisted.tracks.evidence import (
    WEEK_ROLLOVER,
    are_twins,
    evidence_of,
    is_rolled_over,
    without_rollover,
)
from sse_twisted.tracks.format import Evidence, Track
from sse_twisted.tracks.formats import decode
from tests.tracks.voyages import START, small_track
from tests.tracks.written import fit, gpx, gpy, points, sbn, sbp, ubx

FIXES = points(200)
SBP = decode(sbp(FIXES))


def track_of(kind: str) -> Track:
    return decode({"ubx": ubx, "sbn": sbn, "gpy": gpy, "gpx": gpx, "sbp": sbp}[kind](FIXES))


@pytest.mark.parametrize("kind", ["ubx", "gpy"])
def test_the_length_on_the_device_proves_that_the_end_is_not_missing(kind: str) -> None:
    track = track_of(kind)
    assert evidence_of(track) is Evidence.CONSISTENT
    assert evidence_of(track, listed_length=track.integrity.length) is Evidence.PROVEN
    for length in (track.integrity.length + 1, 0):
        assert evidence_of(track, listed_length=length) is Evidence.CONSISTENT


def test_an_oao_without_a_listing_is_consistent_and_with_one_proven() -> None:
    data = small_track(30)
    for sent in (data, data + b"]}"):
        assert evidence_of(decode(sent)) is Evidence.CONSISTENT
        assert evidence_of(decode(sent), listed_length=len(data)) is Evidence.PROVEN


def test_a_damaged_track_is_never_proven() -> None:
    damaged = decode(ubx(FIXES)[:-1])
    assert evidence_of(damaged, listed_length=damaged.integrity.length) is Evidence.CONSISTENT


def test_the_length_proves_nothing_of_bytes_without_checksums() -> None:
    for kind in ("sbp", "gpx"):
        track = track_of(kind)
        assert evidence_of(track, listed_length=track.integrity.length) is Evidence.AS_HANDED_IN


def test_a_twin_shows_that_an_sbp_is_consistent() -> None:
    twin = decode(ubx([evolve(point, speed=point.speed + 9) for point in FIXES]))
    assert are_twins(SBP, twin)
    assert evidence_of(SBP, twin=twin) is Evidence.CONSISTENT
    assert evidence_of(SBP, twin=decode(sbp(FIXES))) is Evidence.CONSISTENT  # fetched once more


@pytest.mark.parametrize(
    "other",
    [
        FIXES[:150],
        [*FIXES[:100], evolve(FIXES[100], speed=9000), *FIXES[101:]],
        [*FIXES[:100], evolve(FIXES[100], latitude=FIXES[100].latitude + 9), *FIXES[101:]],
        [evolve(point, time=point.time + 86_400_000) for point in FIXES],
        [],
    ],
    ids=["shorter", "speed", "place", "day", "nothing"],
)
def test_another_track_is_no_twin(other: list[object]) -> None:
    assert not are_twins(SBP, decode(ubx(other)))  # type: ignore[arg-type]
    assert evidence_of(SBP, twin=decode(ubx(other))) is Evidence.AS_HANDED_IN  # type: ignore[arg-type]


def test_a_fit_proves_itself() -> None:
    data = fit(points(5, rate=1))
    assert [evidence_of(decode(each)) for each in (data, data[:-1])] == [Evidence.PROVEN, Evidence.AS_HANDED_IN]


def test_times_before_2007_are_those_of_a_receiver_that_rolled_over() -> None:
    track = decode(sbp(points(10, start=START - WEEK_ROLLOVER)))
    assert is_rolled_over(track.fixes.time)
    assert without_rollover(track).fixes.time.tolist() == [point.time for point in points(10)]
    assert not is_rolled_over(SBP.fixes.time)
    assert not is_rolled_over(np.empty(0, np.int64))


@pytest.mark.parametrize(
    ("name", "is_later"),
    [
        ("ABC601XYZ_601_20221019_120000.sbp", True),
        ("gt11 2022-10-20.sbp", True),
        ("ABC601XYZ_601_20221021_120000.sbp", False),
        ("20221399_20221019.5.sbp", True),
        ("932000000.sbp", False),
        ("20221019/track.sbp", False),
    ],
)
def test_a_name_with_the_true_date_corrects_the_week_rollover(name: str, is_later: bool) -> None:
    early = points(20, start=START - WEEK_ROLLOVER)
    track = decode(sbp(early), name)
    assert track.fixes.time.tolist() == [point.time for point in (points(20) if is_later else early)]
    assert decode(sbp(points(20)), name).fixes.time.tolist() == [point.time for point in points(20)]
