from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.web.bench import ACROSS, SLACK, Bench, Share, shares_of

COUNTS = st.fixed_dictionaries(
    {name: st.integers(0, 200) for name in ("left-early", "keep-on", "switch-off", "working")}
)


def counts(left_early: int = 0, keep_on: int = 0, switch_off: int = 0, working: int = 0) -> dict[str, int]:
    return {"left-early": left_early, "keep-on": keep_on, "switch-off": switch_off, "working": working}


@given(COUNTS)
def test_the_bench_is_full_and_not_too_full(count: dict[str, int]) -> None:
    shares = shares_of(count)
    assert min(share.across for share in shares.values()) >= 1
    assert sum(share.across for share in shares.values()) <= ACROSS


@given(COUNTS)
def test_what_must_be_kept_on_grows_dense_last(count: dict[str, int]) -> None:
    shares = shares_of(count)
    if shares["red"].dense:
        loose = shares_of(count | {"left-early": 0, "keep-on": 0})
        assert shares["red"].across < count["left-early"] + count["keep-on"] or loose["off"].dense


def test_few_tiles_are_large() -> None:
    assert shares_of(counts(keep_on=1, switch_off=4, working=3)) == {
        "red": Share(1, dense=False),
        "off": Share(2, dense=False),
        "work": Share(2, dense=False),
    }


def test_an_empty_column_gives_its_place_to_those_that_need_it() -> None:
    shares = shares_of(counts(keep_on=16, switch_off=8))
    assert shares == {"red": Share(5, dense=False), "off": Share(2, dense=False), "work": Share(1, dense=False)}


def test_no_column_is_squeezed_that_others_may_be_large() -> None:
    shares = shares_of(counts(left_early=1, keep_on=12, switch_off=10))
    assert shares["off"] == Share(4, dense=False)


def test_what_works_grows_dense_first() -> None:
    shares = shares_of(counts(keep_on=4, switch_off=20, working=20))
    assert [name for name, share in shares.items() if share.dense] == ["work"]


def test_alarms_and_what_must_be_kept_on_share_a_zone() -> None:
    multi_service = shares_of(counts(left_early=4, keep_on=4, switch_off=10, working=4))["red"].across
    assert multi_service > shares_of(counts(keep_on=8, switch_off=10, working=4))["red"].across


@pytest.mark.parametrize("column", ["keep-on", "switch-off", "working"])
@pytest.mark.parametrize("usual", range(1, 40))
def test_a_few_devices_that_come_and_go_move_the_others_once(column: str, usual: int) -> None:
    bench = Bench()
    rest = counts(keep_on=3, switch_off=12, working=6)
    bench.shares(rest | {column: usual + SLACK})
    wide = bench.shares(rest | {column: usual})
    for more in (SLACK, 0, 1, SLACK, 2, 0):
        assert bench.shares(rest | {column: usual + more}) == wide


def test_room_is_given_back_when_it_is_not_needed_any_more() -> None:
    bench = Bench()
    bench.shares(counts(switch_off=60, working=30))
    assert bench.shares(counts(switch_off=2)) == shares_of(counts(switch_off=2 + SLACK))
