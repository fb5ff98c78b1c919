"""Whose a handed-in track is."""

from __future__ import annotations

import datetime as dt

import pytest

from sse_twisted.config.roster import parse_roster
from sse_twisted.handin.matching import Clues, match

DAY = dt.date(2026, 10, 12)
ROSTER = parse_roster(
    """Motion ID,Start Date,End Date,File ID,First Name,Family Name,Backup
601,2026-10-10,2026-10-16,ADA601ANC,Ada,Anchor,"932000001, Head_L"
602,2026-10-10,2026-10-12,BRY602BOW,Bryn,Bowline,168000002;0A:0B:0C:0D:0E:0F
602,2026-10-13,2026-10-16,CLE602COV,Cleo,Cove,
603,2026-10-10,2026-10-16,DAN603ANC,Dan,Anchor,watch of Dan
604,2026-10-10,2026-10-16,EVA604,Eva,Ångström,
""".encode()
).assignments


def owner(name: str, owner: str = "", serial: str = "", device: int = 0, day: dt.date = DAY) -> str:
    found = match(Clues(name, owner, serial, device), [day], ROSTER)
    return found.owner.file_id if found.owner else f"? {found.reason}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ADA601ANC_656_20221021_100010.sbp", "ADA601ANC"),
        ("ada601anc backup.fit", "ADA601ANC"),
        ("EVA604-2.gpx", "EVA604"),
        ("Bryn Bowline.fit", "BRY602BOW"),
        ("BowlineBryn.fit", "BRY602BOW"),
        ("AdaAnchor20221019.fit", "ADA601ANC"),
        ("bowline2.sbp", "BRY602BOW"),
        ("bryn_bowline_day3.sbn", "BRY602BOW"),
        ("day3 Cove.sbn", "CLE602COV"),
        ("Angstrom eva.gpx", "EVA604"),
        ("Dan Anchor.gpx", "DAN603ANC"),
        ("Head_L_007.gpy", "ADA601ANC"),
        ("watch of dan 2026.fit", "DAN603ANC"),
        ("Activity_8123.fit", "? no owner found"),
        ("EVA6041.gpx", "? no owner found"),
    ],
)
def test_the_name_of_the_file_tells_the_owner(name: str, expected: str) -> None:
    assert owner(name) == expected


def test_a_family_name_of_two_people_decides_nothing() -> None:
    found = match(Clues("anchor.sbp"), [DAY], ROSTER)
    assert found.owner is None
    assert found.reason == "several people fit by name of the sailor"
    assert {each.sailor for each in found.candidates} == {"Ada Anchor", "Dan Anchor"}


@pytest.mark.parametrize(
    ("serial", "expected"), [("932000001", "ADA601ANC"), ("0A0B0C0D0E0F", "BRY602BOW"), ("932", "? no owner")]
)
def test_the_serial_number_of_a_device_is_in_the_roster(serial: str, expected: str) -> None:
    assert owner("x.sbp", serial=serial).startswith(expected)


def test_a_name_that_was_typed_into_the_device_tells_its_owner() -> None:
    assert owner("x.sbp", owner="Bryn Bowline") == "BRY602BOW"


@pytest.mark.parametrize(("day", "expected"), [(12, "BRY602BOW"), (13, "CLE602COV")])
def test_an_event_device_that_was_read_by_cable_is_its_carriers(day: int, expected: str) -> None:
    assert owner("0602_log.oao", device=602, day=dt.date(2026, 10, day)) == expected


def test_clues_that_disagree_decide_nothing_and_name_both() -> None:
    found = match(Clues("Bryn Bowline.sbp", serial="932000001"), [DAY], ROSTER)
    assert found.owner is None
    assert found.reason == (
        "the clues disagree: column Backup of the roster (ADA601ANC) and name of the sailor (BRY602BOW)"
    )
    assert {each.file_id for each in found.candidates} == {"ADA601ANC", "BRY602BOW"}


def test_of_two_people_the_one_who_is_there_on_that_day_is_the_owner() -> None:
    roster = parse_roster(
        b"""Motion ID,Start Date,End Date,File ID,First Name,Family Name,Backup
601,2026-10-10,2026-10-12,ADA601ANC,Ada,Anchor,932000001
602,2026-10-13,2026-10-16,DAN602ANC,Dan,Anchor,932000001
"""
    ).assignments
    for clues in (Clues("anchor.sbp"), Clues("a.sbp", serial="932000001")):
        owners = [match(clues, [day], roster).owner for day in (DAY, dt.date(2026, 10, 13))]
        assert [each and each.file_id for each in owners] == ["ADA601ANC", "DAN602ANC"]
        assert match(clues, [DAY, dt.date(2026, 10, 13)], roster).owner is None
        assert match(clues, [dt.date(2025, 1, 1)], roster).owner is None
