from __future__ import annotations

import datetime
from typing import Any

import pytest

from sse_twisted.control.health import Condition, clock, copies, downloads, folder, hand_ins, names, scanning
from sse_twisted.copies.copy import CopyReport
from sse_twisted.fleet import Device, TrackSummary

TODAY = datetime.date(2022, 10, 17)
NOW = 1_666_022_400.0  # 2022-10-17, 16:00 UTC, in s


def device(identifier: int, end: float) -> Device:
    return Device(identifier, tracks=(TrackSummary("a", TODAY, 1, round(end * 1000), 1, 1, 1),))


def test_scanning_is_ok_while_scans_run_on_time() -> None:
    assert scanning(True, NOW - 2, 2.0, NOW).ok
    assert scanning(True, NOW - 100, 2.0, NOW).text == "the last scan was 100 s ago"
    assert not scanning(True, None, 2.0, NOW).ok
    assert not scanning(False, NOW, 2.0, NOW).ok


def test_no_response_of_a_name_server_may_be_a_lost_network() -> None:
    assert names("") == Condition("names", True)
    assert names("no name server has answered for 12 s").text.endswith(": has the laptop lost the WiFi?")


@pytest.mark.parametrize(("disk", "paused"), [("only 3 MB free", ""), ("", "requested by an operator")])
def test_downloads_pause_for_a_reason(disk: str, paused: str) -> None:
    assert downloads("", "").ok
    check = ". Check that the disk of the event folder is there, writable and not full" if disk else ""
    assert downloads(disk, paused).text == f"downloads paused: {disk or paused}{check}"


def test_downloads_are_not_well_while_the_disk_hangs() -> None:
    assert downloads("", "", "the disk has not answered for 6 s").text.endswith("has not answered for 6 s")


def test_an_event_folder_that_is_away_is_a_condition() -> None:
    assert folder("") == Condition("folder", True)
    assert folder("it has gone") == Condition("folder", False, "it has gone. Put it back, or plug its disk in again")


class TestClock:
    def test_it_is_ok_without_evidence_against_it(self) -> None:
        assert clock(NOW, TODAY, 3, [device(601, NOW - 600), device(602, NOW + 200)]).ok

    def test_two_tracks_that_end_in_the_future_are_evidence_against_it(self) -> None:
        late = [device(601, NOW + 7200), device(602, NOW + 3600)]
        assert clock(NOW, TODAY, 3, late).text == "tracks end 60 min in the future: the laptop's clock is behind"
        assert clock(NOW, TODAY, 3, late[:1]).ok

    def test_a_day_without_an_assigned_device_is_suspicious(self) -> None:
        around = TODAY - datetime.timedelta(1), TODAY + datetime.timedelta(1)
        for days in (None, around):
            condition = clock(NOW, TODAY, 0, [], days)
            assert not condition.ok
            assert condition.text == "no device is assigned on 2022-10-17: is the laptop's clock right?"

    def test_it_is_not_to_blame_once_the_event_is_over(self) -> None:
        last = TODAY - datetime.timedelta(1)
        text = "the event is over: its last day was 2022-10-16"
        assert clock(NOW, TODAY, 0, [], (last, last)) == Condition("clock", True, text)
        assert clock(NOW, TODAY, 1, [], (last, last)) == Condition("clock", True)

    @pytest.mark.parametrize(("days", "ok"), [(1, True), (60, True), (61, False), (18_000, False)])
    def test_it_is_to_blame_long_before_the_event(self, days: int, ok: bool) -> None:
        first = TODAY + datetime.timedelta(days)
        condition = clock(NOW, TODAY, 0, [], (first, first))
        assert condition.ok is ok
        assert condition.text.startswith("the event has not begun: its first day is" if ok else "no device is assigned")


class TestCopies:
    def report(self, **changes: Any) -> CopyReport:
        known: dict[str, Any] = {"ok": True, "text": "up to date", "behind": 0.0, "tracks": 71, "files_left": 0}
        return CopyReport(folder="/stick", bytes_left=0, **known | changes)

    def test_there_is_no_condition_without_one(self) -> None:
        assert copies((), 71) == ()

    @pytest.mark.parametrize(
        ("tracks", "text"),
        [
            (71, "all 71 tracks are on 2 copies"),
            (1, "the only track is on 2 copies"),
            (0, "2 copies up to date"),
        ],
    )
    def test_that_have_everything_say_so(self, tracks: int, text: str) -> None:
        assert copies((self.report(), self.report()), tracks) == (Condition("copies", True, text),)

    def test_one_that_is_lost_with_the_disk_of_the_event_folder_is_named(self) -> None:
        beside = self.report(beside="the event folder")
        text = "all 71 tracks are on 2 copies; copy /stick is on the same disk as the event folder"
        assert copies((self.report(), beside), 71) == (Condition("copies", True, text, warning=True),)

    def test_one_on_the_same_disk_is_a_warning_also_while_it_is_behind(self) -> None:
        beside = self.report(beside="the event folder", behind=20.0, text="20 s behind, 3 files to copy")
        text = "copy /stick 20 s behind, 3 files to copy; copy /stick is on the same disk as the event folder"
        assert copies((beside,), 71) == (Condition("copies", True, text, warning=True),)

    def test_a_copy_that_is_a_little_behind_is_named_and_well(self) -> None:
        late = self.report(behind=20.0, text="20 s behind, 3 files to copy")
        text = "copy /stick 20 s behind, 3 files to copy"
        assert copies((self.report(), late), 71) == (Condition("copies", True, text),)

    def test_nothing_is_said_of_copies_that_are_seconds_behind(self) -> None:
        assert copies((self.report(), self.report(behind=2.0)), 71) == (Condition("copies", True),)

    def test_only_copies_in_trouble_are_named_if_there_are_any(self) -> None:
        gone = self.report(ok=False, behind=240.0, text="not written for 4 min: No such file or directory")
        text = "copy /stick: not written for 4 min: No such file or directory"
        assert copies((self.report(behind=20.0), gone), 71) == (Condition("copies", False, text),)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 handed-in track of today has"), (2, "2 handed-in tracks of today have")]
)
def test_handed_in_tracks_without_an_owner_are_a_warning(count: int, text: str) -> None:
    assert hand_ins(count) == (Condition("hand-ins", True, f"{text} no owner", warning=True),)
    assert hand_ins(0) == ()
