from __future__ import annotations

from sse_twisted.results.courses.ranking import Entrant, Scored, merged, rank

ENTRANTS = {key: Entrant(key, f"Sailor {key}", {"Craft Type": "Windsurf"}) for key in ("1", "2", "3")}


def run(entrant: str, knots: float, end: int = 0, track: str = "", course: str = "S1") -> Scored:
    return Scored(entrant, course, track or f"track of {entrant}", end, knots, 340.0)


def ranks(*runs: Scored) -> list[tuple[int, str, float]]:
    return [(standing.rank, standing.entrant, standing.knots) for standing in rank(runs, ENTRANTS)]


def test_the_best_run_of_each_entrant_counts() -> None:
    (first, second) = rank([run("1", 20.0), run("2", 25.123, 7, course="H1"), run("1", 22.0, 60)], ENTRANTS)
    assert (first.entrant, first.knots, first.course, first.end, first.runs) == ("2", 25.12, "H1", 7, 1)
    assert (second.entrant, second.knots, second.runs) == ("1", 22.0, 2)
    assert first.sailor == "Sailor 2"
    assert first.columns == {"Craft Type": "Windsurf"}


def test_equal_speeds_after_rounding_share_a_rank_and_the_next_is_skipped() -> None:
    assert ranks(run("1", 20.004), run("2", 20.001), run("3", 19.0)) == [(1, "1", 20.0), (1, "2", 20.0), (3, "3", 19.0)]


def test_inside_a_rank_three_decimals_count_and_then_the_time() -> None:
    assert [name for _, name, _ in ranks(run("1", 20.001, 5), run("2", 20.001, 4), run("3", 20.002, 9))] == [
        "3",
        "2",
        "1",
    ]


def test_the_earlier_of_two_equal_runs_is_the_best() -> None:
    assert rank([run("1", 20.0, 90), run("1", 20.0, 30)], ENTRANTS)[0].end == 30


def test_two_devices_of_one_sailor_make_one_run_with_the_mean_speed() -> None:
    both = (run("1", 20.123, 100, "one"), run("1", 20.128, 104, "other"))
    (only,) = merged(both)
    assert only == Scored("1", "S1", "one", 100, 20.13, 340.0)
    assert rank(both, ENTRANTS)[0].runs == 1


def test_each_run_joins_the_one_before_it() -> None:
    runs = [run("1", 20.0, end, str(end)) for end in (100, 104, 108, 113)]
    assert [each.end for each in merged(runs)] == [100, 113]


def test_runs_of_two_sailors_are_never_joined() -> None:
    assert len(merged([run("1", 20.0), run("2", 20.0)])) == 2


def test_means_are_rounded_as_python_rounds() -> None:
    """The results software rounds half to even: 20.125 is 20.12."""
    assert merged([run("1", 20.0, 0, "one"), run("1", 20.25, 1, "other")])[0].knots == 20.12


def test_who_is_not_on_the_roster_is_ranked_by_the_name_of_the_file() -> None:
    (standing,) = rank([run("GUEST1", 20.0)], ENTRANTS)
    assert (standing.entrant, standing.sailor) == ("GUEST1", "")


def test_nobody_has_sailed() -> None:
    assert rank([], ENTRANTS) == ()
