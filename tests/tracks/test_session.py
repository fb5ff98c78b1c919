from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.bests import Measures
from sse_twisted.tracks.format import Alpha, Rules, measured_rate
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.oao.decoding import fixes_of
from sse_twisted.tracks.oao.layout import FRAME, Frames
from sse_twisted.tracks.session import (
    SPEEDS,
    Session,
    in_time,
    knots,
    session_of,
)
from tests.tracks.voyages import PLAIN, START, best, gridded, sail, small_track


def session(frames: Frames, frequency: int = 5, rules: Rules = PLAIN) -> Session:
    return session_of(Measures(gridded(frames[in_time(fixes_of(frames).time)], frequency, rules)), rules)


def test_the_bests_of_real_sessions_are_what_their_headers_say(captures: Path) -> None:
    """But for 694: slower than the logging threshold in between, it has no complete window over 10 s or 500 m."""
    compared = 0
    for path in [*captures.glob("0470*.oao"), *captures.glob("tracks/*.oao")]:
        analysis = analyse(path.read_bytes())
        header, session = analysis.track.header, analysis.session
        assert header is not None
        assert session is not None
        assert session.maximum == header.max_speed
        for name in ("2s",) if path.name.startswith("694") else ("2s", "10s", "500m"):
            assert best(session, name) == header.bests[name][0].value, (path.name, name)
            compared += 1
    assert compared == 37


def test_an_esp_logger_s_speeds_are_those_of_its_own_results(captures: Path) -> None:
    text = (captures / "esp_Head_L_007.txt").read_text()
    session = analyse((captures / "esp_Head_L_007.oao").read_bytes()).session
    assert session is not None
    for name, pattern in {"2s": "S2", "10s": "S10", "100m": "M100", "500m": "M500", "1852m": "M1852"}.items():
        theirs = max(float(speed) for speed in re.findall(rf"([0-9.]+) km/h [^\n]* {pattern}\n", text))
        assert best(session, name) is not None
        assert 0.0036 * (best(session, name) or 0) == pytest.approx(theirs, abs=0.001), name


def test_a_window_begins_and_ends_with_its_fixes() -> None:
    fixes = sail(120)
    fixes["speed"] = 5000
    fixes["speed"][200:210] = 9000
    best = session(fixes).bests["2s"][0]
    assert (best.value, best.start, best.end) == (9000, START + 40_000, START + 41_800)
    best = session(fixes).bests["100m"][0]
    assert (best.end - best.start) / 1000 * best.value / 1000 == pytest.approx(100, abs=2)
    assert best.start <= START + 40_000 < START + 41_800 <= best.end


def test_five_runs_have_an_average_and_four_have_none() -> None:
    runs = session(sail(300, pause=10))
    assert runs.five_by_ten == sum(best.value for best in runs.bests["10s"]) / 5
    assert best(runs, "5x10s") == runs.five_by_ten
    assert session(sail(200, pause=10)).five_by_ten is None


def test_time_and_distance_are_those_of_the_fixes_that_count() -> None:
    fixes = sail(60)
    fixes["speed"], fixes["speed_accuracy"] = 5000, 300
    fixes["speed"][:50] = 200
    fixes["satellites"][290:] = 2
    sailed = session(fixes)
    assert (sailed.start, sailed.end) == (START, START + 57_800)
    assert sailed.moving == 240 * 200
    assert sailed.distance == 240 * 1000
    assert sailed.maximum == 5000


def test_a_firmware_without_alpha_has_none() -> None:
    assert "alpha500" in session(sail(120)).bests
    assert best(session(sail(120), rules=Rules(alpha=Alpha.NONE)), "alpha500") is None


def test_nothing_was_sailed_without_fixes() -> None:
    nothing = session(np.zeros(0, FRAME))
    assert all(best(nothing, name) is None for name in (*SPEEDS, "5x10s"))
    assert (nothing.distance, nothing.maximum, nothing.start, nothing.end) == (0, 0, 0, 0)


def test_a_clock_that_jumped_costs_only_the_fixes_of_the_wrong_time() -> None:
    fixes = sail(60)
    fixes["utc"][:3] = 1000
    fixes["utc"][100:105] += 400 * 86_400_000
    assert np.flatnonzero(~in_time(fixes_of(fixes).time)).tolist() == [0, 1, 2, 100, 101, 102, 103, 104]
    assert best(session(fixes), "10s") is not None


def test_fixes_from_before_the_first_are_left_out() -> None:
    fixes = sail(20)
    fixes["utc"][50:] -= 3_600_000
    assert in_time(fixes_of(fixes).time).tolist() == [True] * 50 + [False] * 50


def test_the_rate_is_the_header_s_or_that_of_the_fixes() -> None:
    assert decode(small_track(1)).rate == 5
    assert decode(bytes(10) + small_track()[10:]).rate == 5
    assert [measured_rate(fixes_of(sail(10, 10)[::step]).time) for step in (1, 2, 10, 100)] == [10, 5, 1, 0]


def test_a_knot_is_a_nautical_mile_an_hour() -> None:
    assert knots(514.4444444) == pytest.approx(1)
