from __future__ import annotations

import datetime
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sse_twisted.config.file_id import parse_file_id
from sse_twisted.config.roster import Assignment, Roster, RosterError, parse_roster

HEADING = "Motion ID,Start Date,End Date,File ID,First Name,Family Name,Tally"
FIRST, LAST = datetime.date(2022, 10, 15), datetime.date(2022, 10, 21)
ROW = "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other,100"


def roster_of(*rows: str, heading: str = HEADING) -> Roster:
    return parse_roster("\n".join([heading, *rows, ""]).encode())


def mistakes(roster: Roster) -> list[tuple[int, str]]:
    return [(mistake.line, mistake.text) for mistake in roster.mistakes]


def remarks(roster: Roster) -> list[tuple[int, str]]:
    return [(remark.line, remark.text) for remark in roster.remarks]


def only(roster: Roster) -> Assignment:
    assert mistakes(roster) == []
    (assignment,) = roster.assignments
    return assignment


def test_a_row_says_who_carries_which_device_when() -> None:
    assert only(roster_of(ROW)) == Assignment(601, FIRST, LAST, "HOX100UEA", "Ann Other", "100", 2)


def test_a_person_has_the_device_on_the_first_and_the_last_day_and_between() -> None:
    assignment = only(roster_of(ROW))
    day = datetime.timedelta(days=1)
    assert [assignment.covers(d) for d in (FIRST - day, FIRST, FIRST + day, LAST, LAST + day)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_columns_come_in_any_order_among_others() -> None:
    heading = "Craft Type,File ID,Entrant ID, End Date ,Family Name,Motion ID,,Start Date,Status,First Name,"
    roster = roster_of("Kite,HOX100UEA,1,2022-10-21,Other,601,x,2022-10-15,Pro Fleet,Ann,,more", heading=heading)
    assert only(roster) == Assignment(601, FIRST, LAST, "HOX100UEA", "Ann Other", "", 2)


def test_names_and_tally_may_be_missing() -> None:
    heading, row = HEADING.rsplit(",", 3)[0], ROW.rsplit(",", 3)[0]
    assert only(roster_of(row, heading=heading)) == Assignment(601, FIRST, LAST, "HOX100UEA", "", "", 2)
    assert only(roster_of(row)).sailor == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("between", [",", ";"])
def test_any_spreadsheet_may_have_written_it(end: str, mark: bytes, between: str) -> None:
    text = end.join([HEADING, ROW, "", ",,,,,,", "  ", ROW.replace("601", "602")]).replace(",", between)
    roster = parse_roster(mark + text.encode())
    assert mistakes(roster) == []
    assert [assignment.identifier for assignment in roster.assignments] == [601, 602]
    assert {assignment.sailor for assignment in roster.assignments} == {"Ann Other"}


@pytest.mark.parametrize("start", ["\n", "\r\n\r\n"])
def test_blank_lines_before_the_heading_are_passed_over(start: str) -> None:
    assert only(parse_roster(f"{start}{HEADING}\n{ROW}\n".encode())).identifier == 601


def test_the_code_page_of_windows_is_read_and_said() -> None:
    roster = parse_roster(f"{HEADING}\n{ROW.replace('Ann', 'Zoë')}\n".encode("cp1252"))
    assert [assignment.sailor for assignment in roster.assignments] == ["Zoë Other"]
    assert mistakes(roster) == []
    assert remarks(roster) == [(2, "not UTF-8: the file is read as Windows-1252")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_line_that_is_not_utf_8_is_named(end: str, mark: bytes) -> None:
    rows = [ROW.replace("601", str(number)) for number in range(601, 612)]
    rows[9] = rows[9].replace("Ann", "Zoë")
    data = end.join([HEADING, *rows, ""]).encode("cp1252")
    assert [line for line, _ in remarks(parse_roster(mark + data))] == [11]


def test_a_quoted_name_may_have_commas_and_line_breaks_but_a_message_has_none() -> None:
    roster = roster_of(ROW.replace("Ann", '"Ann,\nthe ""fast"""'), ROW.replace("601", "602"))
    assert roster.assignments[0].sailor == 'Ann, the "fast" Other'
    assert [assignment.line for assignment in roster.assignments] == [3, 4]


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x07", "\u202e", "\u2028", "\t"])
def test_no_control_character_comes_through(character: str) -> None:
    assert only(roster_of(ROW.replace("Ann", f"A{character}nn"))).sailor == "A nn Other"


def test_a_tally_is_one_line() -> None:
    assert only(roster_of(ROW.replace(",100", ',"1\n\x1b00"'))).tally.isprintable()


def test_an_entrant_without_a_device_is_none() -> None:
    for number in ("0", "-1", "-999", "+0", "00", ""):
        roster = roster_of(ROW.replace("601", number))
        assert (roster.assignments, roster.mistakes) == ((), ())


@pytest.mark.parametrize(
    "number",
    [
        "601",
        " 601 ",
        "0601",
        "+601",
        "000601",
        "601.0",
        "601.",
        "motion-601",
        "Motion-601",
        "#601",
        "'601",
        "\xa0601\xa0",
        "601 (spare)",
        "601 lent",
        '"=""601"""',
    ],
)
def test_a_device_is_a_number(number: str) -> None:
    assert only(roster_of(ROW.replace("601", number))).identifier == 601


@pytest.mark.parametrize(
    "number", ["6O1", "601.5", "1e3", "motion-", "1234567", "\uff16\uff10\uff11", "6 01", "--1", "601 602", "601/602"]
)
def test_an_invalid_number_costs_its_line_only(number: str) -> None:
    roster = roster_of(ROW.replace("601", number), ROW.replace("601", "602"))
    assert [assignment.identifier for assignment in roster.assignments] == [602]
    assert mistakes(roster) == [(2, f"invalid Motion ID {number!r}: expected a number")]


@pytest.mark.parametrize("column", ["Start Date", "End Date"])
@pytest.mark.parametrize(
    ("date", "why"),
    [
        ("2022-10-2", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("20221015", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("2022-W41-6", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("15/10", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("15/10.2022", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("2022-10-15 noon", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("15-Foo-2022", "expected YYYY-MM-DD or DD/MM/YYYY"),
        ("15/13/2022", "not in the calendar"),
        ("2022-13-01", "not in the calendar"),
        ("2023-02-29", "not in the calendar"),
        ("0000-01-01", "not in the calendar"),
    ],
)
def test_an_invalid_date_costs_its_line_only(column: str, date: str, why: str) -> None:
    day = "2022-10-15" if column == "Start Date" else "2022-10-21"
    roster = roster_of(ROW.replace(day, date), ROW.replace("601", "602"))
    assert [assignment.identifier for assignment in roster.assignments] == [602]
    assert mistakes(roster) == [(2, f"invalid {column} {date!r}: {why}")]


def test_notes_outside_the_named_columns_are_ignored() -> None:
    heading, beyond = f"{HEADING},", ",".join(["" for _ in HEADING.split(",")])
    roster = roster_of(f"{ROW},x", f"{beyond},Spare below", f"{beyond},,far away", heading=heading)
    assert (only(roster).line, roster.mistakes) == (2, ())


@pytest.mark.parametrize("column", ["Start Date", "End Date"])
def test_an_empty_date_costs_its_line_only(column: str) -> None:
    day = "2022-10-15" if column == "Start Date" else "2022-10-21"
    assert mistakes(roster_of(ROW.replace(day, ""), ROW.replace("601", "602"))) == [(2, f"{column} is empty")]


def test_a_last_day_before_the_first_costs_its_line_only() -> None:
    assert mistakes(roster_of(ROW.replace("2022-10-21", "2022-10-14"))) == [
        (2, "End Date 2022-10-14 is before Start Date 2022-10-15")
    ]


@pytest.mark.parametrize(
    "file_id", ["", "..", "../../x", "a/b", "a\\b", "/etc", ".x", "a:b", "a\0", "x" * 81, "<b>", "%2e", "CON.1"]
)
def test_a_file_id_that_is_not_safe_in_a_file_name_costs_its_line(file_id: str) -> None:
    roster = roster_of(ROW.replace("HOX100UEA", file_id), ROW.replace("601", "602"))
    assert [assignment.identifier for assignment in roster.assignments] == [602]
    ((line, text),) = mistakes(roster)
    assert (line, text.startswith(f"invalid File ID {file_id!r}: ")) == (2, True)


@pytest.mark.parametrize("file_id", ["BUOY_621", "DE 101XYZ", "Zo\u00eb", "a.b"])
def test_a_file_id_may_be_any_that_is_safe_in_a_file_name(file_id: str) -> None:
    assert only(roster_of(ROW.replace("HOX100UEA", file_id))).file_id == file_id


def test_an_underscore_in_a_file_id_is_remarked_once() -> None:
    row = ROW.replace("HOX100UEA", "BUOY_621")
    later = row.replace("2022-10-15", "2022-10-22").replace("2022-10-21", "2022-10-23")
    roster = roster_of(row, later, ROW.replace("601", "602"))
    assert mistakes(roster) == []
    (remark,) = roster.remarks
    assert remark.line == 2
    assert remark.text.startswith("File ID 'BUOY_621' has an underscore")


def test_file_ids_that_differ_only_by_case_are_a_mistake_that_costs_no_line() -> None:
    rows = [ROW, ROW.replace("601", "602").replace("HOX", "hox"), ROW.replace("601", "603").replace("HOX", "hox")]
    roster = roster_of(*rows)
    assert [assignment.file_id for assignment in roster.assignments] == ["HOX100UEA", "hox100UEA", "hox100UEA"]
    ((line, text),) = mistakes(roster)
    assert line == 3
    assert text.startswith("File ID 'hox100UEA' differs only by case from 'HOX100UEA' in line 2: ")


def test_short_rows_are_mistakes_if_they_lack_what_counts() -> None:
    roster = roster_of("601", "602,2022-10-15", "603,2022-10-15,2022-10-21", "604,2022-10-15,2022-10-21,A", "0")
    assert [assignment.identifier for assignment in roster.assignments] == [604]
    assert [line for line, _ in mistakes(roster)] == [2, 3, 4]


def test_of_two_assignments_of_a_device_on_one_day_the_first_counts_and_the_second_is_reported() -> None:
    roster = roster_of(
        ROW,
        ROW.replace("2022-10-15", "2022-10-22").replace("2022-10-21", "2022-10-30"),
        ROW.replace("2022-10-15", "2022-10-20").replace("HOX", "ABC"),
        ROW.replace("601", "602"),
    )
    assert [assignment.file_id for assignment in roster.of(601)] == ["HOX100UEA", "HOX100UEA", "ABC100UEA"]
    assert mistakes(roster) == [(4, "motion-601 is already assigned on 2022-10-20: line 2 counts")]
    assert next(a for a in roster.of(601) if a.covers(LAST)).line == 2


def test_what_is_known_of_a_device_and_of_the_event() -> None:
    later = ROW.replace("2022-10-15", "2022-10-22").replace("2022-10-21", "2022-10-23").replace("Ann", "Bob")
    roster = roster_of(ROW, later, ROW.replace("601", "602").replace("2022-10-15", "2022-10-14"))
    assert roster.identifiers == {601, 602}
    assert roster.days == (datetime.date(2022, 10, 14), datetime.date(2022, 10, 23))
    assert roster.sailor(601) == "Ann Other / Bob Other"
    assert roster.sailor(603) == ""
    assert roster.of(603) == ()
    assert Roster().days is None


def test_a_quote_that_is_never_closed_does_not_hide_the_lines_behind_it_in_silence() -> None:
    roster = roster_of(ROW.replace("Ann", '"Ann'), *(ROW.replace("601", str(number)) for number in range(602, 630)))
    assert len(roster.identifiers) == 29 or mistakes(roster)


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("name", ['"Ann', '"Ann "the fast""'])
def test_the_line_with_unbalanced_quotes_is_named(name: str, blank: int) -> None:
    rows = [ROW.replace("601", str(number)) for number in range(601, 631)]
    rows[9] = rows[9].replace("Ann", name)
    roster = parse_roster("\n".join(["\n" * blank + HEADING, *rows, ""]).encode())
    (mistake,) = mistakes(roster)
    assert mistake[0] == 11 + blank
    assert mistake[1].startswith("unbalanced quotes (")


def test_a_stray_quote_in_a_file_that_quotes_everything_costs_no_line_in_silence() -> None:
    rows = [HEADING, *(ROW.replace("601", str(number)) for number in range(601, 630))]
    text = "".join(f'"{row}"\n'.replace(",", '","') for row in rows).replace('"Ann"', '"Ann "the fast""', 1)
    roster = parse_roster(text.encode())
    assert roster.identifiers == set(range(601, 630))
    assert len(mistakes(roster)) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\r\n\n", "the file is empty"),
        (f"{ROW}\n".encode(), "line 1: missing column 'Motion ID', 'Start Date', 'End Date', 'File ID'"),
        (b"Motion ID,Start Date,End Date\n", "line 1: missing column 'File ID'"),
        (b"motion id,Start Date,End Date,FileId No\n", "line 1: missing column 'File ID' (the heading has 'FileId No'"),
        (b"Motion ID,Start Date,End Date,File ID,Motion ID\n", "line 1: duplicate column 'Motion ID'"),
        (b"\0\0\0\0", "line 1: missing column"),
        (b"\n\nMotion ID\n", "line 3: missing column"),
        (b'\n"Motion ID', "line 2: missing column"),
        (b"PK\x03\x04\x14\0\x06\0", "it is a workbook, not CSV: in Excel choose File > Save As, then 'CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is a workbook, not CSV: in Excel"),
        (f"{HEADING}\n{ROW}\n".encode() + b'601,"' + b"x" * 200_000, "line 3: field larger than field limit"),
    ],
)
def test_a_file_without_any_usable_line_is_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(RosterError) as caught:
        parse_roster(data)
    assert str(caught.value).startswith(why)


CELLS = st.one_of(
    st.sampled_from(["601", "0", "2022-10-15", "HOX", '"', "..", "\n", "\r", "\0", ";"]), st.text(max_size=4)
)


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf\0")
@example(b'"')
def test_any_bytes_are_a_roster_or_refused(data: bytes) -> None:
    for start in ("", f"{HEADING}\n", f"{HEADING}\n{ROW}\n", f"{HEADING}\n".replace(",", ";")):
        with suppress(RosterError):
            assert isinstance(parse_roster(start.encode() + data), Roster)


@given(st.lists(st.lists(CELLS, max_size=8), max_size=4))
def test_any_row_gives_a_name_of_a_file_and_a_line_of_text(rows: list[list[str]]) -> None:
    with suppress(RosterError):
        roster = roster_of(*(",".join(row) for row in rows))
        for assignment in roster.assignments:
            assert parse_file_id(assignment.file_id) == assignment.file_id
            assert assignment.identifier > 0
            assert assignment.sailor.isprintable()
            assert assignment.tally.isprintable()
        assert all(mistake.text.isprintable() for mistake in roster.mistakes)


def test_the_roster_of_a_real_event(captures: Path) -> None:
    roster = parse_roster((captures / "event-2022" / "config" / "motions.csv").read_bytes())
    assert mistakes(roster) == []
    assert len(roster.assignments) == 23
    assert roster.days == (FIRST, LAST)
    assert roster.assignments[-1] == Assignment(651, FIRST, LAST, "LTX126CSP", "Sailor 126", "126", 27)
    assert roster.identifiers == {int(path.name[7:]) for path in (captures / "event-2022" / "motions").iterdir()}


class TestWhatExcelMakesOfIt:
    @pytest.mark.parametrize(
        "date",
        [
            "15/10/2022",
            "15.10.2022",
            "15/10/22",
            "15-10-2022",
            "15.10.22",
            "15/10/2022 00:00",
            "15/10/2022 00:00:00",
            "2022-10-15 00:00",
            "2022-10-15T00:00:00",
            "2022-10-15 12:00:00 AM",
            "2022/10/15",
            "2022-10-15",
            "15.10.2022.",
            "15-Oct-22",
            "15 October 2022",
            "15-Oct-2022",
            "44849",
            "\xa015/10/2022 ",
        ],
    )
    def test_a_date_is_read_as_spreadsheets_write_it(self, date: str) -> None:
        assignment = only(roster_of(ROW.replace("2022-10-15", date)))
        assert (assignment.first_day, assignment.last_day) == (FIRST, LAST)

    def test_single_digits_are_read(self) -> None:
        roster = roster_of(ROW.replace("2022-10-15", "5/1/23").replace("2022-10-21", "13/1/23"))
        assert only(roster).first_day == datetime.date(2023, 1, 5)

    def test_the_month_comes_first_only_where_the_file_shows_it(self) -> None:
        rows = [
            ROW.replace("2022-10-15", "10/9/2022").replace("2022-10-21", last) for last in ("10/11/2022", "10/21/2022")
        ]
        roster = roster_of(rows[0], rows[1].replace("601", "602"))
        assert [a.first_day for a in roster.assignments] == [datetime.date(2022, 10, 9)] * 2
        assert remarks(roster) == [(3, "dates have the month first, since the second number of this line is over 12")]
        assert not mistakes(roster)

    def test_otherwise_the_day_comes_first_which_is_remarked_once(self) -> None:
        row = ROW.replace("2022-10-15", "09/10/2022").replace("2022-10-21", "12/10/2022")
        roster = roster_of(row, row.replace("601", "602"))
        assert [a.first_day for a in roster.assignments] == [datetime.date(2022, 10, 9)] * 2
        text = "dates such as 09/10/2022 are read with the day first; write YYYY-MM-DD to be certain"
        assert remarks(roster) == [(0, text)]

    def test_a_day_over_12_settles_the_order_without_a_remark(self) -> None:
        roster = roster_of(ROW.replace("2022-10-15", "09/10/2022").replace("2022-10-21", "21/10/2022"))
        assert only(roster).first_day == datetime.date(2022, 10, 9)
        assert not roster.remarks

    def test_a_file_with_both_orders_is_a_mistake_where_a_date_may_be_either(self) -> None:
        british, other = ROW.replace("2022-10-15", "15/10/2022"), ROW.replace("2022-10-21", "10/21/2022")
        either = ROW.replace("2022-10-15", "09/10/2022")
        roster = roster_of(british, other.replace("601", "602"), either.replace("601", "603"))
        assert roster.identifiers == {601}
        why = "the file has the day first on line 2, but the month first on line 3; write YYYY-MM-DD"
        assert mistakes(roster) == [
            (3, f"invalid End Date '10/21/2022': {why}"),
            (4, f"invalid Start Date '09/10/2022': {why}"),
        ]

    def test_a_time_behind_a_date_does_not_count_which_is_remarked(self) -> None:
        roster = roster_of(ROW.replace("2022-10-15", "15/10/2022 12:30"))
        assert only(roster).first_day == FIRST
        text = "the time 12:30 behind Start Date is ignored: write it into a column 'Start Time'"
        assert remarks(roster) == [(2, text)]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
    def test_unicode_text_with_tabs_is_read(self, encoding: str, end: str) -> None:
        text = end.join((HEADING, ROW.replace("Ann", "Zoë"), "")).replace(",", "\t")
        assert only(parse_roster(text.encode(encoding))).sailor == "Zoë Other"

    def test_utf_16_with_its_big_endian_mark_is_read(self) -> None:
        data = b"\xfe\xff" + f"{HEADING}\n{ROW}\n".encode("utf-16-be")
        assert only(parse_roster(data)).identifier == 601

    @pytest.mark.parametrize("declaration", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;;;;;"])
    def test_the_line_that_tells_excel_the_delimiter_is_no_row(self, declaration: str) -> None:
        assignment = only(roster_of(ROW.replace(",", ";"), heading=f"{declaration}\r\n{HEADING.replace(',', ';')}"))
        assert (assignment.identifier, assignment.line) == (601, 3)

    def test_a_decimal_comma_beside_semicolons_is_read(self) -> None:
        row = ROW.replace(",", ";").replace("601", "601,0")
        assert only(roster_of(row, heading=HEADING.replace(",", ";"))).identifier == 601

    @pytest.mark.parametrize(
        "title", ["Weymouth Speed Week 2022", "Weymouth Speed Week,,,,,,", "Motion ID;of everybody", '"A, ""B""",,']
    )
    def test_a_title_may_stand_above_the_heading(self, title: str) -> None:
        roster = roster_of(ROW, heading=f"{title}\n\n{HEADING}")
        assert (only(roster).identifier, only(roster).line) == (601, 4)

    @pytest.mark.parametrize(
        "name", ["motion id", "Motion_ID", "MOTION ID ", "Motion\u00a0ID", "motionid", "Motion-ID"]
    )
    def test_a_heading_is_known_however_it_is_spelt(self, name: str) -> None:
        assert only(roster_of(ROW, heading=HEADING.replace("Motion ID", name))).identifier == 601

    def test_lines_of_delimiters_and_blank_lines_at_the_end_are_no_rows(self) -> None:
        assert only(roster_of(ROW, "", ",,,,,,", ";;;;;", " \u00a0,", "\t\t")).identifier == 601

    @pytest.mark.parametrize(
        ("name", "column", "instead"),
        [
            ("Given Name", "First Name", "First Name"),
            ("Surname", "Family Name", "Family Name"),
            ("Sail No", "Tally", "Tally"),
            ("Frist Name", "First Name", "First Name"),
            ("Familly Name", "Family Name", "Family Name"),
        ],
    )
    def test_a_misspelt_column_that_is_optional_is_remarked(self, name: str, column: str, instead: str) -> None:
        roster = roster_of(ROW, heading=HEADING.replace(column, name))
        assert only(roster).identifier == 601
        assert remarks(roster) == [(1, f"column {name!r} is ignored: rename it to {instead!r} if it is that one")]

    def test_a_column_that_is_there_twice_is_remarked_if_it_is_optional(self) -> None:
        roster = roster_of(f"{ROW},200", heading=f"{HEADING},Tally")
        assert only(roster).tally == "200"
        assert remarks(roster) == [(1, "duplicate column 'Tally': the last one counts")]

    def test_of_two_spellings_of_a_column_the_exact_one_counts(self) -> None:
        assert only(roster_of(f"{ROW},777", heading=f"{HEADING},motion_id")).identifier == 601

    def test_columns_of_other_programs_are_not_remarked(self) -> None:
        assert not roster_of(ROW + ",a,b,c,d", heading=f"{HEADING},Craft Type,Class,Status,Entry Type").remarks


class TestDamage:
    ROWS = tuple(ROW.replace("601", str(number)) for number in range(601, 611))

    def spoilt(self, text: str) -> str:
        return parse_roster(text.encode()).spoilt

    def test_a_whole_file_is_not_damaged(self) -> None:
        assert self.spoilt("\n".join([HEADING, *self.ROWS])) == ""

    def test_a_heading_alone_is_damaged(self) -> None:
        assert self.spoilt(f"{HEADING}\n") == "there is no line below the heading"

    def test_a_file_without_a_usable_line_is_damaged(self) -> None:
        assert self.spoilt(f"{HEADING}\n{ROW.replace('601', 'x')}") == "no line names a device and can be read"

    def test_a_file_of_which_less_than_half_can_be_read_is_damaged(self) -> None:
        bad = [row.replace("2022-10-21", "?") for row in self.ROWS]
        assert self.spoilt("\n".join([HEADING, *bad[:5], *self.ROWS[5:]])) == ""
        assert self.spoilt("\n".join([HEADING, *bad[:6], *self.ROWS[6:]])) == "only 4 of 10 lines can be read"

    def test_a_file_that_is_cut_in_a_line_is_damaged(self) -> None:
        text = "\n".join([HEADING, *self.ROWS])
        why = "line 11, the last one, has only 6 of 7 columns: the file seems to be cut off"
        assert self.spoilt(text[: -len(",100")]) == why

    def test_empty_cells_that_excel_leaves_out_at_the_end_of_rows_are_no_damage(self) -> None:
        assert self.spoilt("\n".join([HEADING, *(row.removesuffix(",100") for row in self.ROWS)])) == ""

    def test_a_quote_that_is_never_closed_is_damage(self) -> None:
        text = "\n".join([HEADING, *self.ROWS]).replace("Ann", '"Ann', 1)
        assert self.spoilt(text) == "a quote in the row of line 2 is never closed"


class TestTimesOfDay:
    HEADING = f"{HEADING},Start Time,End Time"

    def test_an_assignment_begins_and_ends_at_a_time_of_its_days(self) -> None:
        assignment = only(roster_of(f"{ROW},12:30,17:05:30", heading=self.HEADING))
        assert (assignment.start_time, assignment.end_time) == (datetime.time(12, 30), datetime.time(17, 5, 30))
        assert assignment.period == "2022-10-15 12:30 to 2022-10-21 17:05"

    def starts(self, row: str, day: datetime.date, clock: str) -> bool:
        moment = datetime.datetime.combine(day, datetime.time.fromisoformat(clock))
        return only(roster_of(row, heading=self.HEADING)).covers_start(day, moment)

    def test_the_times_count_on_the_first_and_the_last_day_only(self) -> None:
        row, day = f"{ROW},12:30,15:00", datetime.timedelta(days=1)
        assert [self.starts(row, FIRST, clock) for clock in ("12:29:59", "12:30", "23:00")] == [False, True, True]
        assert [self.starts(row, FIRST + day, clock) for clock in ("06:00", "12:00", "18:00")] == [True, True, True]
        assert [self.starts(row, LAST, clock) for clock in ("06:00", "14:59:59", "15:00")] == [True, True, False]

    def test_two_people_may_share_a_device_on_one_day(self) -> None:
        row = ROW.replace("2022-10-21", "2022-10-15")
        other = row.replace("HOX", "ABC")
        roster = roster_of(f"{row},,12:30", f"{other},12:30,", heading=self.HEADING)
        assert not mistakes(roster)
        roster = roster_of(f"{row},,12:31", f"{other},12:30,", heading=self.HEADING)
        assert mistakes(roster) == [(3, "motion-601 is already assigned on 2022-10-15: line 2 counts")]

    def test_an_invalid_time_costs_its_line_only(self) -> None:
        for text, why in (
            ("noon", "expected HH:MM or HH:MM:SS"),
            ("25:00", "not a time of day"),
            ("13:00 pm", "not a time of day"),
        ):
            roster = roster_of(f"{ROW},{text},", heading=self.HEADING)
            assert mistakes(roster) == [(2, f"invalid Start Time {text!r}: {why}")]

    def test_the_twelve_hours_of_excel_are_read(self) -> None:
        assert only(roster_of(f"{ROW},12:30:00 PM,12:05 am", heading=self.HEADING)).period.endswith(" 00:05")

    def test_an_end_before_the_start_on_one_day_costs_its_line_only(self) -> None:
        row = ROW.replace("2022-10-21", "2022-10-15")
        assert mistakes(roster_of(f"{row},12:30,12:30", heading=self.HEADING)) == [
            (2, "End Time 12:30 is not after Start Time 12:30")
        ]


@pytest.mark.parametrize("year", ["2022", "2023", "2024", "2025"])
def test_the_roster_of_a_real_season_is_undamaged_and_two_buoys_are_remarked(captures: Path, year: str) -> None:
    roster = parse_roster((captures / "rosters" / f"motions-{year}.csv").read_bytes())
    assert all("has an underscore" in remark.text for remark in roster.remarks)
    assert len(roster.remarks) == (2 if year == "2025" else 0)
    assert not roster.spoilt
    assert {m.text.partition(" '")[0] for m in roster.mistakes} <= {"invalid File ID"}
