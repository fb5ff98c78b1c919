from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from sse_twisted.simulator.headers import FullHeader, encode_header, read_header
from sse_twisted.simulator.writer import seal, write_track
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.claims import Claim, ClaimCheck
from sse_twisted.tracks.format import Best
from sse_twisted.tracks.oao.layout import FRAME_SIZE, HEADER_SIZE
from tests.tracks.voyages import frames_in, sail

FIXES = sail(900, pause=10)
COMPLETE = write_track(FIXES, identifier=601, firmware=3129, logging_threshold=0)
FILTERED = write_track(FIXES, identifier=601)


def header_of(track: bytes) -> FullHeader:
    return read_header(track[:HEADER_SIZE])


def with_header(track: bytes, header: FullHeader) -> bytes:
    return encode_header(header) + track[HEADER_SIZE:]


def claiming(track: bytes, name: str, best: Best) -> bytes:
    header = header_of(track)
    return with_header(track, evolve(header, bests={**header.bests, name: (best,)}))


def claim(track: bytes, name: str) -> Claim:
    """The first of that name."""
    return next(claim for claim in analyse(track).claims if claim.name == name)


def test_no_real_event_track_is_contradicted(captures: Path) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for path in captures.glob("tracks/*.oao"):
        found += Counter((claim.name, str(claim.check)) for claim in analyse(path.read_bytes()).claims)
    assert not [key for key in found if key[1] in ("contradicted", "unseen")]
    assert found["2s", "exact"] + found["1s", "exact"] == 110
    assert found["10s", "exact"] >= 45
    assert found["maximum", "exact"] == 11
    assert found["distance", "within bounds"] == 11


def test_the_claims_of_a_complete_real_track_are_met_to_the_millimetre(captures: Path) -> None:
    claims = analyse((captures / "0470_2022-07-16-1202.oao").read_bytes()).claims
    checks = Counter((claim.name, claim.check) for claim in claims)
    for name in ("1s", "2s", "10s", "500m", "1852m"):
        assert checks[name, ClaimCheck.EXACT] == 5
    assert not [claim for claim in claims if claim.check is ClaimCheck.CONTRADICTED]


@pytest.mark.parametrize("track", [COMPLETE, FILTERED], ids=["complete", "filtered"])
def test_what_the_writer_claims_is_met(track: bytes) -> None:
    claims = analyse(track).claims
    assert {claim.name for claim in claims} == {"1s", "2s", "10s", "500m", "1852m", "alpha500", "maximum", "distance"}
    for claim in claims:
        slow = claim.name in ("distance", "1852m", "alpha500") and track is FILTERED
        expected = {ClaimCheck.EXACT, ClaimCheck.WITHIN} if slow or claim.name == "distance" else {ClaimCheck.EXACT}
        assert claim.check in expected, claim


@pytest.mark.parametrize("track", [COMPLETE, FILTERED], ids=["complete", "filtered"])
@pytest.mark.parametrize("name", ["1s", "2s", "10s", "500m"])
def test_a_speed_that_was_not_sailed_is_contradicted(track: bytes, name: str) -> None:
    best = header_of(track).bests[name][0]
    above = claim(claiming(track, name, Best(best.second, best.value + 500)), name)
    assert above.check is ClaimCheck.CONTRADICTED
    assert above.is_above
    assert above.found == best.value
    below = claim(claiming(track, name, Best(best.second, 100)), name)
    assert below.check is ClaimCheck.CONTRADICTED
    assert not below.is_above


def test_a_true_speed_at_another_second_is_contradicted() -> None:
    best = header_of(COMPLETE).bests["2s"][0]
    assert claim(claiming(COMPLETE, "2s", Best(best.second - 30, best.value)), "2s").check is ClaimCheck.CONTRADICTED


def test_a_speed_at_a_time_that_nobody_logged_is_unseen() -> None:
    moved = claim(claiming(COMPLETE, "2s", Best(1, 5000)), "2s")
    assert (moved.check, moved.found, moved.is_above) == (ClaimCheck.UNSEEN, None, False)


def test_a_boast_where_only_slow_fixes_can_be_missing_is_contradicted() -> None:
    """Between two runs of event firmware nothing is stored; nobody was fast there."""
    second = (int(FIXES["utc"][0]) + 50_000) // 1000
    boast = claim(claiming(FILTERED, "2s", Best(second, 9000)), "2s")
    assert boast.check is ClaimCheck.CONTRADICTED
    assert boast.is_above
    assert claim(claiming(FILTERED, "2s", Best(second, 2000)), "2s").check is ClaimCheck.WITHIN


def test_frames_cut_off_between_two_frames_are_shown_by_the_claims() -> None:
    """Nothing else of such a file shows it."""
    frames = (len(FILTERED) - HEADER_SIZE) // FRAME_SIZE
    cut = FILTERED[: HEADER_SIZE + frames // 2 * FRAME_SIZE]
    analysis = analyse(cut)
    assert analysis.track.integrity.whole
    contradicted = {claim.name for claim in analysis.claims if claim.is_above}
    assert {"2s", "10s", "500m"} <= contradicted
    assert any("claims" in remark for remark in analysis.remarks)


def test_a_maximum_and_a_distance_that_are_not_sailed_are_contradicted() -> None:
    header = header_of(COMPLETE)
    fast = with_header(COMPLETE, evolve(header, max_speed=header.max_speed + 1))
    assert claim(fast, "maximum").found == header.max_speed
    for metres in (1_000_000_000, -header.distance // 2000):
        far = with_header(COMPLETE, evolve(header, distance=min(header.distance + 1000 * metres, 2**32 - 1)))
        assert claim(far, "distance").check is ClaimCheck.CONTRADICTED
        assert claim(far, "distance").is_above == (metres > 0)


def test_a_log_that_was_never_finalised_claims_nothing() -> None:
    assert analyse(with_header(COMPLETE, evolve(header_of(COMPLETE), end_date=0))).claims == ()


def test_a_header_alone_is_taken_at_its_word() -> None:
    """Without a fix there is nothing to hold against it."""
    assert analyse(COMPLETE[:HEADER_SIZE]).claims == ()


def test_a_claim_that_is_off_by_rounding_is_no_doubt() -> None:
    best = header_of(COMPLETE).bests["2s"][0]
    for more, doubtful in ((10, False), (11, True)):
        data = claiming(COMPLETE, "2s", Best(best.second, best.value + more))
        assert claim(data, "2s").is_doubtful is doubtful
        assert any("claims" in remark for remark in analyse(data).remarks) is doubtful


@pytest.mark.parametrize("firmware", [3111, 3129, 9004])
def test_a_clock_that_jumps_costs_no_claim_but_those_of_the_other_time(firmware: int) -> None:
    track = write_track(FIXES, identifier=601, firmware=firmware, logging_threshold=0)
    frames = frames_in(track).copy()
    frames["utc"][:10] = 1000
    data = track[:HEADER_SIZE] + seal(frames)
    assert {claim.name for claim in analyse(data).claims} == {claim.name for claim in analyse(track).claims}
