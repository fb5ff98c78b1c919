from __future__ import annotations

import json

import pytest
from attrs import evolve

from sse_twisted.simulator.headers import encode_header, read_header
from sse_twisted.simulator.writer import write_track
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.format import Best
from sse_twisted.tracks.report import (
    COLUMNS,
    Report,
    best_of,
    complaint,
    details,
    heading,
    is_track,
    report_of,
    row,
    totals_of,
)
from tests.tracks.voyages import START, sail

TRACK = write_track(sail(400, pause=10), identifier=601, nickname="WSW", firmware=3129, logging_threshold=0)

TWICE = (
    "damaged frame at byte 564 (52 bytes, 1 fix lost between 2022-10-19 11:00:00 and 11:00:00 UTC); and 1 more damage"
)


def report(data: bytes) -> Report:
    return report_of(analyse(data), len(data))


def test_a_report_is_plain_data_for_json() -> None:
    whole = report(TRACK)
    assert json.loads(json.dumps(whole)) == whole
    assert (whole["kind"], whole["bytes"], whole["whole"], whole["fixes"]) == ("oao", len(TRACK), True, 1999)
    assert whole["header"]["start"] == START


def test_a_speed_is_there_in_three_units() -> None:
    speed = report(TRACK)["session"]["maximum"]
    assert speed["m/s"] == read_header(TRACK).max_speed / 1000
    assert speed["m/s"] * 3.6 == pytest.approx(speed["km/h"], abs=0.01)
    assert speed["kn"] * 1.852 == pytest.approx(speed["km/h"], abs=0.01)


def test_the_claims_are_counted_and_the_contradicted_ones_listed() -> None:
    header = read_header(TRACK)
    best = header.bests["2s"][0]
    boast = encode_header(evolve(header, bests={**header.bests, "2s": (Best(best.second, best.value + 500),)}))
    bold = report(boast + TRACK[512:])
    honest = report(TRACK)["claims"]
    assert bold["claims"] == honest | {"exact": honest["exact"] - 5, "contradicted": 1}
    assert bold["contradicted"] == [
        {"name": "2s", "second": best.second, "value": best.value + 500, "found": best.value}
    ]
    assert bold["claimed"]["2s"] == {"value": best.value + 500, "bearing": "contradicted"}
    assert (bold["doubtful"], report(TRACK)["doubtful"]) == (True, False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TRACK, ""),
        (b"", "not a track: the file is empty"),
        (b"$GPRMC,", "not a track that can be read (nmea)"),
        (bytes(10) + TRACK[10:], "damaged header at byte 0 (512 bytes, 10 fixes lost)"),
        (TRACK[:-1], "cut inside a frame at byte 104,408 (51 bytes, 1 fix lost)"),
        (
            TRACK[:600] + b"?" + TRACK[601:900] + b"?" + TRACK[901:],
            TWICE,
        ),
    ],
)
def test_a_complaint_is_one_line(data: bytes, said: str) -> None:
    assert complaint(report(data)) == said
    assert is_track(report(data)) == (data not in (b"", b"$GPRMC,"))


def test_an_error_is_the_complaint() -> None:
    assert complaint({"error": "Permission denied"}) == "Permission denied"


def test_the_totals_are_those_of_the_fixes() -> None:
    whole = report(TRACK)
    totals = totals_of(whole)
    assert totals is not None
    assert (totals.duration, totals.best_500m) == (399_600, best_of(whole, "500m"))
    assert totals.distance == pytest.approx(read_header(TRACK).distance, rel=0.001)
    assert totals_of(report(TRACK[:512])) is None


def test_a_row_has_a_figure_for_each_column_of_the_heading() -> None:
    first, *others = row("a.oao", report(TRACK), 10, "kn")
    assert first.index("consistent") == heading(10, "kn").index("evidence")
    assert others == []
    assert first.split()[:2] == ["a.oao", "601"]
    assert len(first.split()) == 4 + 1 + len(COLUMNS) + 4
    assert first.split()[-4:] == ["oao", "5", "Doppler", "consistent"]
    assert [*row("a.oao", report(TRACK[:512]), 10, "kn")] == ["a.oao          601  no fixes"]


def test_the_details_name_the_device_its_claims_and_its_bests() -> None:
    lines = [*details(report(TRACK), "m/s")]
    assert lines[0] == "    WSW, firmware 3129, 5 Hz, 2022-10-19 11:00:00 to 2022-10-19 11:06:39 UTC"
    assert lines[1] == "    1,999 fixes, 0 of them unusable"
    assert lines[2].startswith("    claims: ")
    assert [line.split()[0] for line in lines[3:]] == ["2s", "10s", "500m", "alpha500", "1852m", "1s", "100m", "250m"]
    assert [*details({"error": "x"}, "kn")] == []
