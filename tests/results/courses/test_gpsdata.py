from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.results.courses.gpsdata import (
    GpsdataError,
    Row,
    compare,
    path_of,
    read_rows,
    row_of,
    track_key,
    write_rows,
)
from sse_twisted.results.courses.runs import Run

LINE = "1,XYZ838ABC_838_20231007_104540.oao,11:37:10,53.889,18.036,344.3"
ROW = Row("XYZ838ABC_838_20231007_104540.oao", 41_830, 53.889, 18.036, 344.3)
OTHER = Row("ABC601XYZ_601_20231007_100000.oao", 41_000, 40.0, 24.298, 0.1)


def test_a_row_is_written_as_the_other_program_does() -> None:
    assert write_rows([ROW]) == (LINE + "\r\n").encode()
    assert read_rows(LINE.encode()) == (ROW,)


def test_rows_are_sorted_by_file_and_time_and_numbered_through() -> None:
    earlier = Row(ROW.file, 36_000, 60, 16.199, 340.0)
    assert [line.split(",")[:3] for line in write_rows([ROW, OTHER, earlier]).decode().splitlines()] == [
        ["1", OTHER.file, "11:23:20"],
        ["2", ROW.file, "10:00:00"],
        ["3", ROW.file, "11:37:10"],
    ]


def test_the_file_of_a_course_is_where_the_results_software_looks() -> None:
    assert path_of(dt.date(2023, 10, 7), "S1") == "gpsdata/20231007/GPSDATA_20231007_S1.csv"


@pytest.mark.parametrize(
    ("end", "second"),
    [(41_830.1, 41_830), (41_830.099, 41_829), (86_399.0, 86_398), (86_401.0, 0), (90_000.5, 3_600)],
)
def test_the_time_is_cut_to_a_second_half_a_fix_before_the_end(end: float, second: int) -> None:
    run = Run(1e9 + end - 53.8888, 1e9 + end, 500, 359.96, 0, 1)
    row = row_of(ROW.file, run, 5, 1e9)
    assert row.end == second
    assert (row.duration, row.knots, row.course) == (53.889, 18.036, 0.0)


ROWS = st.builds(
    Row,
    st.sampled_from([ROW.file, OTHER.file]),
    st.integers(0, 86_399),
    st.integers(1, 10**6).map(lambda ms: ms / 1000),
    st.integers(1, 10**5).map(lambda knots: knots / 1000),
    st.integers(0, 3599).map(lambda course: course / 10),
)


@given(st.lists(ROWS))
def test_what_is_written_is_read_again(rows: list[Row]) -> None:
    assert read_rows(write_rows(rows)) == tuple(sorted(rows))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"1,x.oao,11:37:10,53.889,18.036", "line 1: expected 6 columns, got 5"),
        (LINE.encode() + b"\n\n2,x.oao,noon,53.889,18.036,1", "line 3: time data 'noon' does not match"),
        (b"1,x.oao,11:37:10,53.889,nan,1", "line 1: expected numbers"),
        (b"run,file,time,s,kn,deg", "line 1: "),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_line(data: bytes, text: str) -> None:
    with pytest.raises(GpsdataError, match=text):
        read_rows(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_rows_or_refused(data: bytes) -> None:
    try:
        rows = read_rows(data)
    except GpsdataError:
        return
    assert all(isinstance(row, Row) for row in rows)


def test_the_runs_of_two_files_are_matched_by_device_start_and_end() -> None:
    faster = Row("OTHER-ID_838_20231007_104540.oao", ROW.end + 1, 53.0, 18.339, 344.3)
    (pair,) = compare([ROW], [faster])
    assert (pair.ours, pair.theirs) == (ROW, faster)
    assert pair.knots == pytest.approx(-0.303)
    assert not pair.is_equal


def test_each_run_of_two_files_is_in_one_pair_or_alone() -> None:
    later = Row(ROW.file, ROW.end + 4, 53.889, 18.036, 344.3)
    found = compare([ROW, OTHER], [ROW, later])
    assert [(each.ours, each.theirs) for each in found] == [(OTHER, None), (ROW, ROW), (None, later)]
    assert [each.is_equal for each in found] == [False, True, False]
    assert found[0].knots is None


def test_the_clock_of_the_other_file_may_be_shifted() -> None:
    theirs = Row(ROW.file, ROW.end - 3600, ROW.duration, ROW.knots, ROW.course)
    (pair,) = compare([ROW], [theirs], shift=3600)
    assert pair.theirs == theirs


def test_a_course_of_0_and_one_of_360_degrees_are_equal() -> None:
    one, other = (Row(ROW.file, 1, 50.0, 19.0, course) for course in (0.0, 359.96))
    assert compare([one], [other])[0].is_equal


def test_a_file_of_no_track_is_matched_by_its_name() -> None:
    assert track_key("watch.fit") == "watch.fit"
    assert track_key(ROW.file) == "838_20231007_104540"


def test_the_published_rows_of_real_days_are_500_m(captures: Path) -> None:
    for line in (captures / "courses" / "runs.csv").read_text().splitlines()[1:]:
        track, _, _, number, *figures = line.split(",")[:8]
        (row,) = read_rows(",".join([number, track, *figures]).encode())
        assert row.duration * row.knots / 3600 * 1852 == pytest.approx(500, rel=1e-4)
