from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.ranking import Claim, ranking


def claim(identifier: int, speed: int, track: str = "a.oao", sailor: str = "") -> Claim:
    return Claim(identifier, sailor or f"Sailor {identifier}", f"ID{identifier}", track, {"500m": speed})


def ranks(*claims: Claim) -> list[tuple[int, int]]:
    return [(place.rank, place.id) for place in ranking(claims, "500m")]


def test_the_fastest_is_first() -> None:
    assert ranks(claim(601, 10_000), claim(602, 12_000), claim(603, 11_000)) == [(1, 602), (2, 603), (3, 601)]


def test_equal_speeds_share_a_rank_and_the_next_are_left_out() -> None:
    claims = [claim(601, 9_000), claim(602, 10_000), claim(603, 10_000), claim(604, 11_000)]
    assert ranks(*claims) == [(1, 604), (2, 602), (2, 603), (4, 601)]


def test_of_several_tracks_the_best_counts_and_is_named() -> None:
    (place,) = ranking([claim(601, 9_000, "a"), claim(601, 11_000, "b"), claim(601, 10_000, "c")], "500m")
    assert (place.track, round(place.knots, 2)) == ("b", 21.38)


def test_who_has_none_is_left_out() -> None:
    assert ranks(claim(601, 0), Claim(602, "", "", "", {"2s": 10_000})) == []


@given(st.lists(st.integers(0, 5), max_size=12))
def test_a_rank_is_one_more_than_the_number_of_those_who_are_faster(speeds: list[int]) -> None:
    places = ranking([claim(number, speed) for number, speed in enumerate(speeds, 1)], "500m")
    for place in places:
        mine = speeds[place.id - 1]
        assert place.rank == 1 + sum(speed > mine for speed in speeds)
    assert len(places) == sum(speed > 0 for speed in speeds)
