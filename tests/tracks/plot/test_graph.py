from __future__ import annotations

import pytest

from sse_twisted.tracks.plot.course import Mark
from sse_twisted.tracks.plot.graph import Graph, label, lanes

GRAPH = Graph(left=50, top=100, width=1000, height=300, start=0, end=100_000, highest=30)


def marks(*middles: int) -> list[Mark]:
    return [Mark("2 s", middle - 1000, middle + 1000, 20) for middle in middles]


def test_times_and_speeds_have_their_places() -> None:
    assert [GRAPH.x(time) for time in (0, 50_000, 100_000)] == [50, 550, 1050]
    assert [GRAPH.y(speed) for speed in (0, 15, 30)] == [400, 250, 100]


def test_values_beyond_the_edges_stay_at_them() -> None:
    assert [GRAPH.x(time) for time in (-1, 100_001)] == [50, 1050]
    assert GRAPH.y(31) == 100


def test_labels_that_would_overlap_are_in_rows_of_their_own() -> None:
    assert [lane for _, lane in lanes(GRAPH, marks(20_000, 60_000))] == [0, 0]
    assert [lane for _, lane in lanes(GRAPH, marks(21_000, 20_000, 22_000, 60_000))] == [1, 0, 2, 0]


def test_a_label_stays_inside_the_graph() -> None:
    half = len(label(0, marks(0)[0])) * 6.6 / 2 + 6
    (first, _), (last, _) = lanes(GRAPH, marks(0, 100_000))
    assert [first, last] == pytest.approx([50 + half, 1050 - half])


def test_a_label_has_number_name_and_speed() -> None:
    assert label(1, Mark("10 s", 0, 1, 19.444)) == "2  10 s  19.44"
