from __future__ import annotations

import pytest
from attrs import evolve

from sse_twisted.tracks.analysis import Analysis, analyse
from sse_twisted.tracks.doubts import Doubt, spikes_of
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.report import report_of
from tests.tracks.voyages import START
from tests.tracks.written import Point, gpy, points, sbn, sbp, text


def sailed(count: int = 300, rate: int = 1) -> list[Point]:
    """At about 8 m/s, and faster for twenty seconds."""
    return [
        evolve(point, speed=(10_000 if count // 2 <= at < count // 2 + 20 * rate else 8000) + 20 * (at % 3))
        for at, point in enumerate(points(count, rate))
    ]


def changed(at: int, *speeds: int, **values: int) -> Analysis:
    fixes = sailed()
    for place, speed in enumerate(speeds, at):
        fixes[place] = evolve(fixes[place], speed=speed, **values)
    return analyse(sbn(fixes))


def doubts(analysis: Analysis, name: str) -> tuple[Doubt, ...]:
    return analysis.doubts[name][0]


def test_an_ordinary_session_has_no_doubts() -> None:
    analysis = analyse(sbn(sailed()))
    assert analysis.session is not None
    assert not any(any(each) for each in analysis.doubts.values())
    assert analysis.remarks == ("speeds of GT-31 lag by about 1 s: mind it at gates",)


@pytest.mark.parametrize("speeds", [(29_950,), (24_650, 21_090, 11_910)])
def test_a_spike_is_a_rise_that_nobody_can_sail_and_that_is_soon_over(speeds: tuple[int, ...]) -> None:
    analysis = changed(50, *speeds)
    assert Doubt.SPIKE in doubts(analysis, "2s")
    assert "best 2s has a spike: its speed rises faster than anybody can sail" in analysis.remarks
    knots = speeds[0] / 1852 * 3.6
    assert f"the fastest fix is a spike: {knots:.1f} knots at 2022-10-19 11:00:50 UTC" in analysis.remarks


def test_a_spike_behind_a_gap_is_found() -> None:
    fixes = sailed()
    fixes[50] = evolve(fixes[50], speed=29_950)
    assert spikes_of(decode(sbn([*fixes[:44], *fixes[50:]]))).nonzero()[0].tolist() == [44]


def test_impossible_speed_is_a_spike_however_it_came() -> None:
    assert Doubt.SPIKE in doubts(changed(50, *range(8000, 44_000, 3000)), "2s")


def test_a_crash_and_a_start_are_none() -> None:
    assert Doubt.SPIKE not in doubts(changed(160, 0, 0, 0, 0), "2s")
    assert not spikes_of(decode(sbn([evolve(point, speed=0) for point in sailed()[:20]] + sailed()[20:]))).any()


def test_a_spike_at_5_hz_is_a_faster_rise() -> None:
    fixes = sailed(300, rate=5)
    fixes[160] = evolve(fixes[160], speed=11_500)
    assert not spikes_of(decode(sbp(fixes))).any()
    fixes[160] = evolve(fixes[160], speed=11_700)
    assert spikes_of(decode(sbp(fixes))).any()


@pytest.mark.parametrize(
    ("values", "doubt", "remark"),
    [
        ({"satellites": 4}, Doubt.SATELLITES, "best 2s has fixes of 4 satellites"),
        ({"hdop": 520}, Doubt.HDOP, "best 2s has fixes of HDOP 5.2"),
        ({"speed_error": 1100}, Doubt.SPEED_ERROR, "best 2s is known to ±2.1 knots only"),
    ],
)
def test_poor_accuracy_within_a_best_is_remarked(values: dict[str, int], doubt: Doubt, remark: str) -> None:
    analysis = changed(160, 10_100, 10_200, 10_100, **values)
    assert doubts(analysis, "2s") == (doubt,)
    assert remark in analysis.remarks


def test_poor_accuracy_elsewhere_is_not() -> None:
    analysis = changed(20, 8000, satellites=3, hdop=900, speed_error=2500)
    assert doubts(analysis, "2s") == ()


def test_the_fixes_of_a_best_are_found_where_time_goes_back() -> None:
    fixes = [evolve(point, satellites=3) if point.speed > 9000 else point for point in sailed()]
    fixes[20], fixes[21], fixes[155], fixes[280] = fixes[21], fixes[20], fixes[280], fixes[155]
    analysis = analyse(sbn(fixes))
    assert any("time goes back" in remark for remark in analysis.remarks)
    assert doubts(analysis, "2s") == (Doubt.SATELLITES,)
    assert analysis.doubts["2s"][1:] == ((),) * len(analysis.doubts["2s"][1:])


def test_a_faster_logger_may_have_a_larger_speed_error() -> None:
    for error, expected in ((2000, ()), (2100, (Doubt.SPEED_ERROR,))):
        fixes = [evolve(point, speed_error=error) for point in sailed(300, rate=5)]
        assert analyse(sbp(fixes)).doubts["2s"][0] == expected


def test_an_esp_logger_does_not_count_what_is_poor() -> None:
    fixes = [evolve(point, speed=20_000, satellites=3) if at == 50 else point for at, point in enumerate(sailed())]
    analysis = analyse(gpy(fixes))
    assert analysis.session is not None
    assert (analysis.session.maximum, analysis.unusable) == (10_040, 1)


def test_a_speed_that_a_watch_repeats_is_remarked() -> None:
    waves = [evolve(point, speed=8000 + 50 * (at % 3)) for at, point in enumerate(points(300, rate=1))]
    for count, expected in ((4, ()), (5, (Doubt.REPEATED,))):
        fixes = [evolve(point, speed=11_000) if 50 <= at < 50 + count else point for at, point in enumerate(waves)]
        analysis = analyse(sbn(fixes))
        assert doubts(analysis, "2s") == expected
        said = "best 2s is of one speed that is repeated 5 times or more" in analysis.remarks
        assert said == bool(expected)
    assert doubts(analysis, "500m") == ()
    assert doubts(analyse(sbp([evolve(point, speed=8000) for point in points(300, rate=5)])), "2s") == ()


def test_a_spike_within_an_hour_does_not_spoil_the_track() -> None:
    fixes = points(4000, rate=1)
    fixes[2000] = evolve(fixes[2000], speed=12_100)
    faster = [evolve(point, speed=13_000 + 20 * (at % 2)) if at > 3900 else point for at, point in enumerate(fixes)]
    analysis = analyse(sbn(faster))
    assert Doubt.SPIKE in doubts(analysis, "1h")
    assert not report_of(analysis, 1)["doubtful"]


def test_a_track_that_is_1024_weeks_early_is_remarked() -> None:
    early = points(60, rate=1, start=START - 1024 * 7 * 86_400_000)
    remark = "dated 2003-03-05; a new file of that date is 1,024 weeks early (GPS week rollover): 2022-10-19"
    assert remark in analyse(sbp(early)).remarks
    assert not any("rollover" in each for each in analyse(sbp(sailed())).remarks)


def test_a_serial_or_a_name_is_in_no_remark() -> None:
    data = sbn(sailed()).replace(text(), text())
    assert not any("932000000" in remark or "ABC115" in remark for remark in analyse(data).remarks)
