from __future__ import annotations

from attrs import evolve

from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.format import ESP_RULES, Alpha, Best
from sse_twisted.tracks.oao.firmware import best_name, rules_of
from sse_twisted.tracks.oao.layout import HEADER_SIZE
from tests.tracks.voyages import small_track


def test_the_oldest_firmware_has_bests_over_1000_m_where_alpha_is_now() -> None:
    names = [best_name("alpha500", firmware) for firmware in (3068, 3108, 3109, 9004)]
    assert names == ["1000m", "1000m", "alpha500", "alpha500"]
    assert best_name("500m", 3068) == "500m"
    header = evolve(read_header(small_track()), firmware=3068, bests={"1000m": (Best(1_666_177_200, 7000),)})
    assert read_header(encode_header(header)).bests["1000m"] == (Best(1_666_177_200, 7000),)
    assert "alpha500" not in read_header(encode_header(header)).bests


def test_claims_of_the_oldest_firmware_are_checked_by_their_names() -> None:
    track = small_track()
    header = evolve(read_header(track), firmware=3068, bests={"1000m": (Best(1_666_177_203, 9000),)})
    claims = {claim.name: claim for claim in analyse(encode_header(header) + track[HEADER_SIZE:]).claims}
    assert claims["1000m"].check == "unseen"
    assert "alpha500" not in claims


def test_event_firmware_leaves_slow_fixes_out() -> None:
    stored = {firmware: rules_of(601, firmware).logging_threshold for firmware in (3129, 9002, 9004, 9005, 9007, 9008)}
    assert stored == {3129: 0, 9002: 2572, 9004: 2572, 9005: 1029, 9007: 1543, 9008: 1543}


def test_alpha_came_in_two_steps() -> None:
    steps = [rules_of(470, firmware).alpha for firmware in (3108, 3109, 3117, 3118)]
    assert steps == [Alpha.NONE, Alpha.EVERY_SECOND, Alpha.EVERY_SECOND, Alpha.FULL_RATE]


def test_a_logger_that_says_no_firmware_is_an_esp() -> None:
    assert rules_of(987, 0) is ESP_RULES
    assert rules_of(987, 9004) is not ESP_RULES
