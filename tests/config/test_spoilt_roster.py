"""A spoilt roster, or one that would undo much, leaves the old one in force until an operator decides."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_twisted.config.roster import Assignment, Roster, RosterError, parse_roster
from sse_twisted.config.roster_changes import TrackMove, needs_decision, successor
from sse_twisted.fleet import Stage
from tests.support.event import MORNING, VirtualEvent, begin_anew, log_of

HOUR = 3_600_000
DEVICES = range(601, 607)
WEEK = "2022-10-15,2022-10-21"


def afternoon(event: VirtualEvent, *, collected: bool = True) -> bytes:
    """Six devices on the roster, collected and gone; return the roster."""
    for identifier in DEVICES:
        event.device(identifier, log_of(identifier))
    event.start()
    if collected:
        event.arrive(*DEVICES)
        for identifier in DEVICES:
            event.until(f"motion-{identifier} can be disconnected")
        event.leave(*DEVICES)
        for identifier in DEVICES:
            event.until(f"motion-{identifier} has been disconnected")
    event.advance(3)
    event.lines.clear()
    return event.folder.roster.read_bytes()


def save(event: VirtualEvent, data: bytes) -> None:
    event.folder.roster.write_bytes(data)
    event.advance(12)


def trouble(event: VirtualEvent) -> str:
    assert event.collector is not None
    (condition,) = [each for each in event.collector.conditions() if each.subject == "roster"]
    assert condition.ok == (not condition.text)
    return condition.text


def roster(event: VirtualEvent) -> Roster:
    assert event.collector is not None
    return event.collector.live.roster


def damaged(whole: bytes) -> dict[str, bytes]:
    lines = whole.splitlines(keepends=True)
    return {
        "empty": b"",
        "heading alone": lines[0],
        "no usable line": lines[0] + b"601,?,?,ABC,Ann,Other\r\n",
        "fewer than half": b"".join(
            [lines[0], *(line.replace(b"2022-10-21", b"?") for line in lines[1:5]), *lines[5:]]
        ),
        "cut in a line": whole[:-12],
        "cut in the first row": whole[: len(lines[0]) + 20],
        "open quote": whole.replace(b"Sailor,604", b'"Sailor,604'),
        "workbook": b"PK\x03\x04" + bytes(100),
    }


SPOILT = (
    "empty",
    "heading alone",
    "no usable line",
    "fewer than half",
    "cut in a line",
    "cut in the first row",
    "open quote",
    "workbook",
)


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_roster_leaves_the_old_one_in_force_loudly(event: VirtualEvent, kind: str) -> None:
    whole = afternoon(event)
    before, tracks = roster(event), event.tracks()
    save(event, damaged(whole)[kind])
    assert roster(event) is before
    assert event.tracks() == tracks
    assert len(event.said("ERROR Cannot read the roster (")) == 1
    assert "the last good one stays in force. Correct config/motions.csv" in trouble(event)
    event.lines.clear()
    save(event, whole)
    assert event.said("INFO Roster: the file is valid again")
    assert not trouble(event)


@pytest.mark.parametrize("kind", [*SPOILT, "missing"])
def test_the_last_good_roster_counts_after_a_restart_too(event: VirtualEvent, kind: str) -> None:
    whole = afternoon(event, collected=False)
    before = roster(event)

    def spoil() -> None:
        if kind == "missing":
            event.folder.roster.unlink()
        else:
            event.folder.roster.write_bytes(damaged(whole)[kind])

    begin_anew(event, spoil)
    assert roster(event).assignments == before.assignments
    assert event.said("keeping the last good one, 6 assignments of 6 devices, 2022-10-15 to 2022-10-21")
    assert "stays in force" in trouble(event)
    event.arrive(601)
    event.until("motion-601 can be disconnected")
    assert list(event.tracks()) == ["gpslogs/20221017/ABC601XYZ_601_20221017_090000.oao"]


def test_without_a_former_roster_what_can_be_read_of_a_spoilt_one_is_in_force(event: VirtualEvent) -> None:
    for identifier in DEVICES:
        event.person(identifier)
    whole = event.folder.roster.read_bytes()
    event.folder.roster.write_bytes(whole[:-12])
    event.start()
    event.advance(3)
    assert roster(event).identifiers == set(DEVICES)
    assert "the file seems to be cut off: only what can be read is in force" in trouble(event)
    assert not event.folder.kept_roster.exists()
    save(event, whole)
    assert roster(event).identifiers == set(DEVICES)
    assert not trouble(event)
    assert event.folder.kept_roster.exists()


def test_a_torn_copy_of_the_roster_is_set_aside_and_the_file_counts(event: VirtualEvent) -> None:
    afternoon(event, collected=False)
    begin_anew(event, lambda: event.folder.kept_roster.write_bytes(b'{"format"'))
    assert event.said("ERROR Cannot read the saved roster: Input data was truncated; kept as ")
    assert event.folder.kept_roster.with_name("roster.json.unusable.1").exists()
    assert roster(event).identifiers == set(DEVICES)


def test_a_file_that_another_program_has_locked_is_read_later(event: VirtualEvent, monkeypatch: Any) -> None:
    whole = afternoon(event, collected=False)

    def locked(path: Path, limit: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("sse_twisted.config.roster_reader.read_bounded", locked)
        save(event, whole.replace(b"Sailor,601", b"Ann,601"))
        assert len(event.said("ERROR Cannot read the roster (")) == 1
    event.advance(5)
    assert event.said("Roster: added motion-601 ABC601XYZ Ann 601")
    assert not trouble(event)


class TestALineThatCannotBeRead:
    def test_leaves_its_device_its_former_assignment_until_it_is_readable_or_gone(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        save(event, whole.replace(b"603,2022-10-15", b"603,2022-1O-15"))
        assert roster(event).sailor(603) == "Sailor 603"
        assert event.tracks() == tracks
        text = "invalid Start Date '2022-1O-15': expected YYYY-MM-DD or DD/MM/YYYY"
        assert event.said(f"WARN Roster line 4: {text}; motion-603 stays with its former assignment")
        assert trouble(event).startswith(f"line 4: {text}")
        begin_anew(event)
        assert roster(event).sailor(603) == "Sailor 603"
        save(event, whole.replace(b"603,2022-10-15", b"603,2022-10-16"))
        assert str(roster(event).of(603)[0].first_day) == "2022-10-16"
        assert not trouble(event)
        save(event, b"".join(line for line in whole.splitlines(keepends=True) if not line.startswith(b"603")))
        assert not roster(event).of(603)

    def of(self, *rows: str) -> Roster:
        heading = "Entrant ID,Motion ID,Start Date,End Date,File ID"
        return parse_roster("\n".join([heading, *rows, f"9,699,{WEEK},Z", f"8,698,{WEEK},Y", ""]).encode())

    def after(self, former: Roster, new: Roster) -> list[str]:
        return sorted(str(each) for each in successor(former, new, former.assignments[0].first_day).assignments)[:-2]

    def test_is_recognised_by_its_entrant(self) -> None:
        former = self.of(f"1,601,{WEEK},A")
        assert self.after(former, self.of("1,601,?,2022-10-21,B")) == ["motion-601 A , 2022-10-15 to 2022-10-21"]

    def test_is_recognised_by_its_file_id_where_there_is_no_entrant(self) -> None:
        former = self.of(f",601,{WEEK},A")
        assert self.after(former, self.of("1,601,?,2022-10-21,A")) == ["motion-601 A , 2022-10-15 to 2022-10-21"]

    def test_is_recognised_by_its_device_where_neither_is_known(self) -> None:
        former = self.of(f"1,601,{WEEK},A")
        for entrant in ("", "10"):
            after = self.after(former, self.of(f"{entrant},601,{WEEK},A/1"))
            assert after == ["motion-601 A , 2022-10-15 to 2022-10-21"]

    def test_is_not_the_other_line_of_its_entrant(self) -> None:
        former = self.of(f"1,601,{WEEK},A", f"1,602,{WEEK},A2")
        new = self.of("1,601,2022-10-15,2022-10-18,A", "1,6o2,?,?,A2")
        assert self.after(former, new) == [
            "motion-601 A , 2022-10-15 to 2022-10-18",
            "motion-602 A2 , 2022-10-15 to 2022-10-21",
        ]


class TestDevicesThatVanish:
    def lacking(self, whole: bytes, *numbers: int) -> bytes:
        lines = whole.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith(tuple(f"{n},".encode() for n in numbers)))

    def test_are_removed_at_once_if_they_are_a_third_at_most(self, event: VirtualEvent) -> None:
        whole = afternoon(event, collected=False)
        save(event, self.lacking(whole, 601, 602))
        assert roster(event).identifiers == {603, 604, 605, 606}

    def test_are_looked_for_until_it_is_confirmed_if_they_are_more(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        event.device(610, log_of(610), person=False)
        save(event, self.lacking(whole, 601, 602, 603) + f"610,{WEEK},NEW610,New,One\r\n".encode())
        assert roster(event).identifiers == {*DEVICES, 610}
        assert trouble(event).startswith("the roster lacks 3 devices of today (motion-601, motion-602, motion-603); ")
        event.arrive(610, 601)
        event.until("motion-610 can be disconnected")
        event.until("motion-601 can be disconnected")
        assert set(event.tracks()) == {*tracks, "gpslogs/20221017/NEW610_610_20221017_090000.oao"}
        begin_anew(event)
        assert roster(event).identifiers == {*DEVICES, 610}
        assert trouble(event)
        assert event.collector is not None
        event.collector.roster.confirm()
        event.advance(12)
        assert roster(event).identifiers == {604, 605, 606, 610}
        assert not trouble(event)
        assert "gpslogs/unassigned/20221017/motion-602_20221017_090000.oao" in event.tracks()
        begin_anew(event)
        assert roster(event).identifiers == {604, 605, 606, 610}

    def test_stay_if_it_is_refused_until_the_roster_changes_again(self, event: VirtualEvent) -> None:
        whole = afternoon(event, collected=False)
        save(event, self.lacking(whole, 601, 602, 603))
        assert event.collector is not None
        event.collector.roster.refuse()
        assert not trouble(event)
        with pytest.raises(LookupError, match="refused already"):
            event.collector.roster.refuse()
        begin_anew(event)
        event.advance(5)
        assert roster(event).identifiers == set(DEVICES)
        assert not trouble(event)
        assert event.said("ERROR") == []
        save(event, self.lacking(whole, 601, 602, 603).replace(b"Sailor,604", b"Ann,604"))
        assert trouble(event)
        save(event, whole)
        assert not trouble(event)
        assert not roster(event).kept

    def test_of_yesterday_stay_too_over_a_restart_today(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        for number in (601, 602, 603):
            whole = whole.replace(f"{number},{WEEK}".encode(), f"{number},2022-10-15,2022-10-17".encode())
        save(event, whole)
        tracks = event.tracks()
        save(event, self.lacking(whole, 601, 602, 603))

        def next_day() -> None:
            event.utc += 86_400

        begin_anew(event, next_day)
        event.advance(12)
        assert trouble(event)
        assert event.tracks() == tracks

    def test_are_told_once(self, event: VirtualEvent) -> None:
        whole = afternoon(event, collected=False)
        save(event, self.lacking(whole, 601, 602, 603))
        event.advance(20)
        assert len(event.said("ERROR Roster: the roster lacks 3 devices of today")) == 1


class TestMovesOfTracks:
    """Each of these changes the owner of six tracks."""

    def renamed(self, whole: bytes, *numbers: int) -> bytes:
        for number in numbers or DEVICES:
            whole = whole.replace(f"ABC{number}XYZ".encode(), f"NEW{number}".encode())
        return whole

    def test_of_three_are_done_at_once(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        save(event, self.renamed(whole, 601, 602, 603))
        assert len(event.said("is now NEW60")) == 3
        assert not trouble(event)

    def test_of_four_wait_and_tracks_that_come_from_now_on_follow_at_once(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        save(event, self.renamed(whole))
        assert event.tracks() == tracks
        assert trouble(event).startswith("6 stored tracks would change owner: confirm or refuse the change")
        moved = "ABC601XYZ_601_20221017_090000.oao (Sailor 601) to NEW601_601_20221017_090000.oao (Sailor 601)"
        assert event.said(f"Roster: waiting: {moved}")
        event.servers[601].device.logs.append(log_of(601, MORNING + HOUR))
        event.arrive(601)
        event.until("motion-601 can be disconnected")
        assert set(event.tracks()) == {*tracks, "gpslogs/20221017/NEW601_601_20221017_100000.oao"}
        assert event.known(601).stage is Stage.COLLECTED

    def test_wait_over_a_restart_and_are_done_when_it_is_confirmed(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        save(event, self.renamed(whole))
        begin_anew(event)
        event.advance(20)
        assert event.tracks() == tracks
        assert trouble(event)
        assert event.collector is not None
        event.collector.roster.confirm()
        event.advance(12)
        assert {name.rpartition("/")[2][:6] for name in event.tracks()} == {f"NEW{number}" for number in DEVICES}
        assert not trouble(event)
        begin_anew(event)
        event.advance(12)
        assert not trouble(event)

    def test_that_are_refused_stay_undone_until_the_roster_changes_again(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        save(event, self.renamed(whole))
        assert event.collector is not None
        event.collector.roster.refuse()
        begin_anew(event)
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        event.advance(20)
        assert event.tracks() == tracks
        assert not trouble(event)
        save(event, whole)
        assert event.tracks() == tracks
        assert not trouble(event)
        save(event, self.renamed(whole))
        assert trouble(event)

    def test_that_a_start_finds_wait_too(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        begin_anew(event, lambda: event.folder.roster.write_bytes(self.renamed(whole)))
        event.advance(20)
        assert event.tracks() == tracks
        assert trouble(event)

    def test_of_another_version_are_not_confirmed(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        assert event.collector is not None
        with pytest.raises(LookupError, match="no change of the roster waits"):
            event.collector.roster.confirm()
        save(event, self.renamed(whole))
        with pytest.raises(LookupError, match="the roster has changed since"):
            event.collector.roster.confirm("12345678")
        question = event.collector.roster.question
        assert question is not None
        event.collector.roster.confirm(question.version)
        assert not trouble(event)


class TestADeviceThatIsReplacedAtNoon:
    def test_leaves_the_mornings_tracks_to_their_sailor_until_an_operator_decides(self, event: VirtualEvent) -> None:
        whole = afternoon(event)
        tracks = event.tracks()
        event.device(699, log_of(699, MORNING + 5 * HOUR), person=False)
        save(event, whole.replace(b"602,", b"699,", 1))
        name = "ABC602XYZ_602_20221017_090000.oao"
        assert event.tracks() == tracks
        assert event.said(f"WARN Roster: no line covers 1 stored track of motion-602 any more ({name}): if the device")
        assert trouble(event).startswith("1 stored track would change owner: confirm")
        event.arrive(699)
        event.until("motion-699 can be disconnected")
        assert "gpslogs/20221017/ABC602XYZ_699_20221017_140000.oao" in event.tracks()

    def test_is_no_other_sailor_whose_file_id_begins_in_the_same_way(self) -> None:
        monday = datetime.date(2022, 10, 17)
        short, long = (Assignment(621, monday, monday, file_id, "", "", 2) for file_id in ("BUOY", "BUOY_621"))
        elsewhere = Assignment(699, monday, monday, "BUOY", "", "", 3)
        move = TrackMove(621, "BUOY_621_621_20221017_090000.oao", "motion-621_20221017_090000.oao", monday, "B", "")
        assert not needs_decision([move], Roster((short, long)), Roster((elsewhere,)))
        mine = Assignment(699, monday, monday, "BUOY_621", "", "", 3)
        assert needs_decision([move], Roster((short, long)), Roster((mine,)))

    def test_is_written_with_two_lines_and_their_times(self, event: VirtualEvent) -> None:
        afternoon(event)
        tracks = event.tracks()
        event.device(699, log_of(699, MORNING + 5 * HOUR), person=False)
        with event.folder.roster.open("w") as file:
            file.write("Motion ID,Start Date,Start Time,End Date,End Time,File ID,First Name,Family Name\n")
            for number in DEVICES:
                last = "2022-10-17,12:30" if number == 602 else "2022-10-21,"
                file.write(f"{number},2022-10-15,,{last},ABC{number}XYZ,Sailor,{number}\n")
            file.write("699,2022-10-17,12:30,2022-10-21,,ABC602XYZ,Sailor,602\n")
        event.advance(10)
        assert not trouble(event)
        event.arrive(699)
        event.until("motion-699 can be disconnected")
        assert set(event.tracks()) == {*tracks, "gpslogs/20221017/ABC602XYZ_699_20221017_140000.oao"}


class TestADeviceThatIsNotExpected:
    def test_is_so_after_a_restart_and_on_its_day_only(self, event: VirtualEvent) -> None:
        afternoon(event, collected=False)
        assert event.collector is not None
        event.collector.commands.not_expected(602, "ill")
        begin_anew(event)
        assert event.collector.commands.why(602).startswith("not expected today (ill)")
        assert [missing.identifier for missing in event.collector.commands.missing()] == [601, 603, 604, 605, 606]
        event.utc += 86_400
        assert len(event.collector.commands.missing()) == 6

    def test_is_so_where_no_roster_is_good_enough_to_be_saved(self, event: VirtualEvent) -> None:
        event.person(601)
        event.person(602)
        event.folder.roster.write_bytes(event.folder.roster.read_bytes()[:-12])
        event.start()
        assert event.collector is not None
        event.collector.commands.not_expected(601, "ill")
        begin_anew(event)
        assert event.collector.commands.why(601).startswith("not expected today (ill)")

    def test_that_joins_is_expected_after_a_restart(self, event: VirtualEvent) -> None:
        afternoon(event, collected=False)
        assert event.collector is not None
        event.collector.commands.not_expected(602, "ill")
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        event.leave(602)
        begin_anew(event)
        assert not event.collector.live.excused


class TestAWorkbook:
    def test_in_place_of_the_roster_is_told_how_to_be_saved(self, event: VirtualEvent) -> None:
        afternoon(event, collected=False)
        event.folder.roster.rename(event.folder.roster.with_suffix(".xlsx"))
        event.advance(5)
        line = event.said("ERROR Cannot read the roster (no such file")[0]
        assert "motions.xlsx is a workbook: in Excel choose File > Save As, then 'CSV UTF-8 (Comma delimited)'" in line

    def test_that_is_newer_than_the_roster_is_told_once(self, event: VirtualEvent) -> None:
        whole = afternoon(event, collected=False)
        event.folder.roster.with_name("~$motions.xlsx").write_bytes(b"PK")
        save(event, whole + b"\r\n")
        assert not event.said("Roster: ")
        os.utime(event.folder.roster, (1, 1))
        event.folder.roster.with_suffix(".xlsx").write_bytes(b"PK")
        event.advance(20)
        assert len(event.said("WARN Roster: motions.xlsx is newer than motions.csv, and is not read")) == 1


REAL = Path(__file__).parents[3] / "shared" / "data" / "rosters"
EXCEL = {
    "dates": lambda text: re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", text).encode("cp1252"),
    "semicolons": lambda text: text.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
    "tabs": lambda text: text.replace(",", "\t").encode("utf-16"),
    "plain": lambda text: text.encode(),
}


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the rosters of ../shared")
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_edit_of_a_real_roster_loses_an_assignment_in_silence(data: st.DataObject) -> None:
    """Whatever is in force was in the file or in force before; what is lost is told line by line or waits."""
    year = data.draw(st.sampled_from(["2022", "2023", "2024", "2025"]))
    text = (REAL / f"motions-{year}.csv").read_text()
    former = parse_roster(text.encode())
    assert former.days is not None
    convert = EXCEL[data.draw(st.sampled_from(sorted(EXCEL)))]
    lines = text.splitlines(keepends=True)
    for number in data.draw(st.sets(st.integers(1, len(lines) - 1), max_size=4)):
        lines[number] = lines[number].replace("-1", data.draw(st.sampled_from(["-l", "/", "--"])), 1)
    saved = convert("".join(lines))
    saved = saved[: data.draw(st.integers(0, len(saved)) | st.just(len(saved)))]
    try:
        new = parse_roster(saved)
    except RosterError:
        return  # the former one stays
    if new.spoilt:
        return
    today = data.draw(st.dates(*former.days))
    following = successor(former, new, today)
    assert set(new.assignments) <= set(following.assignments)
    assert set(following.assignments) <= {*new.assignments, *former.assignments}
    named = {line.entrant for line in new.unreadable}
    lost = set(former.assignments) - set(following.assignments)
    assert not [each for each in lost if each.entrant in named]
    rows = saved.decode("utf-16" if saved[:2] == b"\xff\xfe" else "utf-8-sig", errors="replace")
    gone = [each for each in lost if f"{each.file_id}" in rows]
    assert not gone, "in the file, and not in force"
    before, after = former.carriers(today), following.carriers(today)
    assert 3 * len(before.keys() - after.keys()) <= len(before)
