from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.results.ranking import Figure, Sailed, figures_of, ranking
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.report import report_of
from tests.support.event import track

ENTRY = {"500m_best": 20_057, "10s_best": 20_074, "2s_best": 20_094, "status": "completed"}


def sailed(identifier: int, speed: int, track: str = "a.oao", sailor: str = "") -> Sailed:
    figures = {"500m": Figure(speed, True)} if speed else {}
    return Sailed(identifier, sailor or f"Sailor {identifier}", f"ID{identifier}", track, figures)


def ranks(*tracks: Sailed) -> list[tuple[int, int]]:
    return [(place.rank, place.id) for place in ranking(tracks, "500m")]


def report(**claimed: tuple[int, str]) -> dict[str, Any]:
    """The report of a real track with other claims."""
    data = track(601)
    claims = {name: {"value": value, "bearing": bearing} for name, (value, bearing) in claimed.items()}
    return report_of(analyse(data), len(data)) | {"sha256": "abc", "claimed": claims}


def test_the_fastest_is_first() -> None:
    assert ranks(sailed(601, 10_000), sailed(602, 12_000), sailed(603, 11_000)) == [(1, 602), (2, 603), (3, 601)]


def test_equal_speeds_share_a_rank_and_the_next_ranks_are_skipped() -> None:
    tracks = [sailed(601, 9_000), sailed(602, 10_000), sailed(603, 10_000), sailed(604, 11_000)]
    assert ranks(*tracks) == [(1, 604), (2, 602), (2, 603), (4, 601)]


def test_the_best_of_several_tracks_counts_and_is_named() -> None:
    (place,) = ranking([sailed(601, 9_000, "a"), sailed(601, 11_000, "b"), sailed(601, 10_000, "c")], "500m")
    assert (place.track, round(place.knots, 2)) == ("b", 21.38)


def test_a_sailor_without_a_figure_has_no_place() -> None:
    assert ranks(sailed(601, 0), Sailed(602, "", "", "", {"2s": Figure(10_000, True)})) == []


@given(st.lists(st.integers(0, 5), max_size=12))
def test_a_rank_is_one_more_than_the_number_of_faster_sailors(speeds: list[int]) -> None:
    places = ranking([sailed(number, speed) for number, speed in enumerate(speeds, 1)], "500m")
    for place in places:
        mine = speeds[place.id - 1]
        assert place.rank == 1 + sum(speed > mine for speed in speeds)
    assert len(places) == sum(speed > 0 for speed in speeds)


class TestTheFigureOfATrack:
    def test_is_the_claim_without_a_report(self) -> None:
        assert figures_of(ENTRY, None) == {
            "500m": Figure(20_057, False),
            "10s": Figure(20_074, False),
            "2s": Figure(20_094, False),
        }

    @pytest.mark.parametrize("bearing", ["exact", "within bounds"])
    def test_is_the_claim_that_the_fixes_confirm(self, bearing: str) -> None:
        figures = figures_of(ENTRY, report(**{"1h": (7_000, bearing), "500m": (20_057, "exact")}))
        assert figures["1h"] == Figure(7_000, True)
        assert figures["500m"] == Figure(20_057, True)

    def test_is_that_of_the_fixes_if_the_device_forgot_a_part_of_it(self) -> None:
        figures = figures_of({}, report(**{"10s": (12_000, "exact"), "2s": (12_000, "unseen")}))
        assert (figures["10s"], figures["2s"]) == (Figure(20_074, True), Figure(20_094, True))

    def test_is_that_of_the_fixes_if_they_contradict_the_claim(self) -> None:
        assert figures_of(ENTRY | {"2s_best": 30_000}, report(**{"2s": (30_000, "contradicted")}))["2s"] == Figure(
            20_094, True
        )

    def test_is_that_of_the_fixes_without_a_claim(self) -> None:
        assert figures_of({}, report())["10s"] == Figure(20_074, True)

    def test_is_the_claim_if_its_fixes_are_missing(self) -> None:
        entry = ENTRY | {"2s_best": 21_000}
        assert figures_of(entry, report(**{"2s": (21_000, "unseen")}))["2s"] == Figure(21_000, False)

    def test_is_the_claim_if_the_report_is_of_another_file(self) -> None:
        assert figures_of(ENTRY | {"sha256": "other"}, report())["2s"] == Figure(20_094, False)
        assert figures_of(ENTRY | {"sha256": "abc"}, report())["2s"] == Figure(20_094, True)

    @pytest.mark.parametrize("value", [None, 0, -5, "20", True, 1.5])
    def test_is_missing_without_a_speed_in_the_ledger(self, value: object) -> None:
        assert figures_of({"2s_best": value}, None) == {}
