from __future__ import annotations

import csv
from datetime import datetime

import pytest

from sse_twisted.simulator.headers import FullHeader, encode_header
from sse_twisted.simulator.writer import seal
from sse_twisted.tracks.csv_export import BATCH_SIZE, write_csv
from sse_twisted.tracks.format import Rules, Track
from sse_twisted.tracks.formats import decode
from sse_twisted.tracks.grid import usable
from sse_twisted.tracks.oao.decoding import fixes_of
from tests.tracks.exported import track_of
from tests.tracks.voyages import sail, small_track

FIXES = sail(20)


def rows(track: Track) -> list[dict[str, str]]:
    return list(csv.DictReader("".join(write_csv(track)).splitlines()))


@pytest.mark.parametrize(
    ("column", "field", "unit"),
    [
        ("lat_deg", "latitude", 1e7),
        ("lon_deg", "longitude", 1e7),
        ("altitude_m", "altitude", 1e3),
        ("speed_m_s", "speed", 1e3),
        ("course_deg", "heading", 1e5),
        ("fix", "fix", 1),
        ("satellites", "satellites", 1),
        ("speed_accuracy_m_s", "speed_accuracy", 1e3),
        ("horizontal_accuracy_m", "horizontal_accuracy", 1e3),
        ("vertical_accuracy_m", "vertical_accuracy", 1e3),
        ("course_accuracy_deg", "heading_accuracy", 1e5),
        ("hdop", "hdop", 1e2),
    ],
)
def test_a_column_holds_its_field_without_loss(column: str, field: str, unit: float) -> None:
    fixes = FIXES.copy()
    fixes["horizontal_accuracy"], fixes["vertical_accuracy"], fixes["heading_accuracy"] = 1284, 1713, 2_229_773
    fixes["latitude"][0] *= -1
    written = [round(float(row[column]) * unit) for row in rows(track_of(fixes))]
    assert written == fixes[field].tolist()


def test_times_are_utc_to_the_millisecond() -> None:
    fixes = FIXES.copy()
    fixes["utc"][1:] += 1
    times = [datetime.fromisoformat(row["utc"]).timestamp() for row in rows(track_of(fixes))]
    assert [round(time * 1000) for time in times] == fixes["utc"].tolist()
    assert rows(track_of(FIXES))[1]["utc"] == "2022-10-19T11:00:00.200Z"


def test_a_nautical_mile_in_an_hour_is_a_knot() -> None:
    fixes = FIXES[:1].copy()
    fixes["speed"] = 18_520
    assert rows(track_of(fixes))[0]["speed_kn"] == "36.000"


def test_a_fix_that_doesn_t_count_says_so() -> None:
    fixes = FIXES.copy()
    fixes["fix"][3], fixes["satellites"][4], fixes["speed_accuracy"][5], fixes["hdop"][3] = 0, 6, 1001, 9999
    written = rows(track_of(fixes))
    assert [int(row["usable"]) for row in written] == usable(fixes_of(fixes), Rules()).astype(int).tolist()
    assert [number for number, row in enumerate(written) if row["usable"] == "0"] == [3, 4, 5]
    assert [number for number, row in enumerate(written) if not row["hdop"]] == [3]


def test_a_long_track_comes_in_pieces_of_bounded_size() -> None:
    pieces = list(write_csv(track_of(sail(2500))))
    assert max(map(len, pieces)) < 200 * BATCH_SIZE
    assert len("".join(pieces).splitlines()) == 12_501


def test_an_empty_track_has_the_names_only() -> None:
    text = "".join(write_csv(decode(small_track(0))))
    assert text.count("\n") == 1
    assert text.startswith("utc,lat_deg,lon_deg,")


def test_what_can_t_be_written_down_is_left_out() -> None:
    fixes = FIXES[:5].copy()
    fixes["latitude"][0], fixes["utc"][4] = 900_000_001, 2**63
    assert len(rows(track_of(fixes))) == 3


def test_the_rules_of_the_device_decide_which_fix_counts() -> None:
    """An ESP logger counts fixes of five satellites or more, a Motion of seven."""
    fixes = FIXES[:3].copy()
    fixes["mode"], fixes["satellites"] = 0x0AD5, (4, 5, 7)
    esp = FullHeader(987, "", 0, 0, 0, 0, 0, 0, 0, {})
    assert [row["usable"] for row in rows(decode(encode_header(esp) + seal(fixes)))] == ["0", "1", "1"]
    assert [row["usable"] for row in rows(track_of(fixes))] == ["0", "0", "1"]
