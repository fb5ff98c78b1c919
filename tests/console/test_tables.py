"""Text wider than the screen: cut in overviews, wrapped in details."""

from __future__ import annotations

import datetime

from sse_twisted.console.tables import WIDTH, copies_table, device_text, fleet_table, missing_table, tracks_table
from sse_twisted.control.reports import DeviceReport, Missing
from sse_twisted.copies.copy import CopyReport
from sse_twisted.event_folder.track_report import TrackReport
from sse_twisted.fleet import Device, Stage
from sse_twisted.history.events import DeviceEvent

NAME = "ABC602XYZ_602_20221017_090000.oao"
REASON = f"1 of 2 tracks missing ({NAME}: connection lost after 200,000 bytes, and more words than there is room for)"
WHY = f"must stay connected - {REASON}; tried again in 2 s"
DEVICE = Device(602, sailor="Dylan Bowline", stage=Stage.ATTENTION, reason=REASON, findings=(f"finding: {REASON}",))
REMARK = "bytes that are not frames at byte 512"
DAMAGED = TrackReport(602, NAME, "completed", "damaged", 10**6, 1.0, 2.0, 3.0, REMARK, "", "")


def words(text: str) -> str:
    return " ".join(text.split())


def test_details_of_a_device_are_wrapped_not_cut() -> None:
    event = DeviceEvent(0.0, "warning", f"must stay connected - {REASON}, retry 1 in 2 s")
    report = DeviceReport(DEVICE, (), (event,), (DAMAGED,), ())
    text = device_text(report, WHY, datetime.UTC, 0.0)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    for whole in (f"status {WHY}", f"finding {DEVICE.findings[0]}", f"00:00:00 warning {event.text}"):
        assert whole in words(text)
    assert "…" not in text
    begin = next(number for number, line in enumerate(lines) if line.startswith("status"))
    assert lines[begin + 1].startswith(" " * 11)
    assert lines[begin + 1][11] != " "


def test_reasons_of_missing_devices_are_wrapped_not_cut() -> None:
    text = missing_table(
        [
            Missing(602, "motion-602", "Dylan Bowline", "attention", WHY),
            Missing(603, "motion-603", "Edith", "absent", "not seen yet"),
        ]
    )
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"motion-602 Dylan Bowline {WHY} motion-603" in words(text)


def test_the_damage_of_a_track_is_wrapped_not_cut() -> None:
    text = tracks_table([DAMAGED])
    assert max(map(len, text.splitlines())) <= WIDTH
    heading, *lines = text.splitlines()
    outcome = " ".join(line[heading.index("outcome") :] for line in lines)
    assert words(outcome) == f"damaged {REMARK}"


def test_the_fleet_has_one_line_for_each_device() -> None:
    lines = fleet_table([DEVICE], 0.0).splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["device", "sailor", "stage", "since", "battery", "tracks", "finding"]
    assert lines[1].endswith("…")
    assert len(lines[1]) == WIDTH


def test_no_name_is_too_long_for_a_table() -> None:
    odd = TrackReport(602, "x" * 5000, "y" * 5000, "z" * 5000, 1, 0, 0, 0, "r" * 5000, "", "")
    assert max(map(len, tracks_table([odd, DAMAGED]).splitlines())) <= WIDTH
    report = DeviceReport(Device(602, sailor="s" * 5000, findings=("f" * 5000,)), (), (), (odd,), (odd,))
    assert max(map(len, device_text(report, "w" * 5000, datetime.UTC, 0.0).splitlines())) <= WIDTH


def test_a_copy_that_shares_a_disk_says_so_beside_how_far_it_is() -> None:
    copy = CopyReport(
        "/stick", True, "up to date", 0.0, tracks=71, files_left=0, bytes_left=0, beside="the event folder"
    )
    (_, line) = copies_table([copy]).splitlines()
    assert line == "/stick      71        0  up to date, but on the same disk as the event folder"
