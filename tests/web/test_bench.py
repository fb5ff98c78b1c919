from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.web.bench import HYSTERESIS, MOST_ACROSS, Bench, Room, ZoneLayout, layout_of

COUNTS = st.fixed_dictionaries(
    {name: st.integers(0, 200) for name in ("left-early", "keep-on", "switch-off", "working")}
)


def counts(left_early: int = 0, keep_on: int = 0, switch_off: int = 0, working: int = 0) -> dict[str, int]:
    return {"left-early": left_early, "keep-on": keep_on, "switch-off": switch_off, "working": working}


@given(COUNTS)
def test_the_bench_is_full_and_not_too_full(count: dict[str, int]) -> None:
    shares = layout_of(count)
    assert min(share.across for share in shares.values()) >= 1
    assert sum(share.across for share in shares.values()) <= MOST_ACROSS


@given(COUNTS)
def test_alarms_become_dense_last(count: dict[str, int]) -> None:
    shares = layout_of(count)
    if shares["red"].dense:
        loose = layout_of(count | {"left-early": 0, "keep-on": 0})
        assert shares["red"].across < count["left-early"] + count["keep-on"] or loose["off"].dense


def test_few_tiles_are_large() -> None:
    assert layout_of(counts(keep_on=1, switch_off=4, working=3)) == {
        "red": ZoneLayout(1, dense=False, room=Room.NUMBERS),
        "off": ZoneLayout(2, dense=False, room=Room.NUMBERS),
        "work": ZoneLayout(2, dense=False, room=Room.NUMBERS),
    }


def test_an_empty_column_leaves_its_width_to_others() -> None:
    shares = layout_of(counts(keep_on=16, switch_off=8))
    assert shares == {
        "red": ZoneLayout(5, dense=False),
        "off": ZoneLayout(2, dense=False, room=Room.NAMES),
        "work": ZoneLayout(1, dense=False, room=Room.NUMBERS),
    }


def test_no_column_is_squeezed_to_keep_others_large() -> None:
    shares = layout_of(counts(left_early=1, keep_on=12, switch_off=10))
    assert (shares["off"].across, shares["off"].dense) == (4, False)


def test_working_devices_become_dense_first() -> None:
    shares = layout_of(counts(keep_on=4, switch_off=20, working=20))
    assert [name for name, share in shares.items() if share.dense] == ["work"]


def test_two_columns_of_a_zone_need_more_width_than_one() -> None:
    both = layout_of(counts(left_early=4, keep_on=4, switch_off=10, working=4))["red"].across
    assert both > layout_of(counts(keep_on=8, switch_off=10, working=4))["red"].across


@pytest.mark.parametrize("column", ["keep-on", "switch-off", "working"])
@pytest.mark.parametrize("usual", range(1, 40))
def test_a_few_devices_that_come_and_go_move_the_others_once(column: str, usual: int) -> None:
    bench = Bench()
    rest = counts(keep_on=3, switch_off=12, working=6)
    bench.layout(rest | {column: usual + HYSTERESIS})
    wide = bench.layout(rest | {column: usual})
    for more in (HYSTERESIS, 0, 1, HYSTERESIS, 2, 0):
        assert bench.layout(rest | {column: usual + more}) == wide


def test_width_is_released_when_it_is_no_longer_needed() -> None:
    bench = Bench()
    bench.layout(counts(switch_off=60, working=30))
    assert bench.layout(counts(switch_off=2)) == layout_of(counts(switch_off=2 + HYSTERESIS))


@pytest.mark.parametrize(("off", "room"), [(4, Room.NUMBERS), (8, Room.NAMES), (80, Room.NONE)])
def test_the_fewer_devices_the_larger_are_their_tiles(off: int, room: Room) -> None:
    assert layout_of(counts(keep_on=3, switch_off=off, working=6))["off"].room is room


def test_dense_tiles_have_larger_numbers_where_there_is_room_for_no_sign_below_them() -> None:
    off = {count: layout_of({"switch-off": count})["off"] for count in (20, 41, 80)}
    assert {count: (each.dense, each.room) for count, each in off.items()} == {
        20: (False, Room.NAMES),
        41: (True, Room.BESIDE),
        80: (True, Room.NONE),
    }
