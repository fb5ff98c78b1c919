from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sse_twisted.config.settings import Settings, convert_settings
from sse_twisted.copies.identity import IDENTITY
from sse_twisted.daemon.check import check
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.lock import FolderLock
from sse_twisted.runtime.text import plural
from tests.copies.samples import write
from tests.support.event import VirtualEvent, log_of

NOW = datetime.datetime(2022, 10, 17, 12, tzinfo=datetime.UTC).timestamp()
DAY = 86_400
HEADING = "Motion ID,Start Date,End Date,File ID,First Name,Family Name\n"


def settings_with(**tables: dict[str, Any]) -> Settings:
    no_network = {"names": {"resolver_file": "", "hosts_file": ""}}
    return convert_settings(no_network | tables, Path("sse.toml"))


def roster(root: Path, *rows: str) -> Path:
    path = root / "config" / "motions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADING + "".join(f"{row}\n" for row in rows))
    return path


def checked(root: Path, settings: Settings | None = None) -> tuple[int, list[str]]:
    lines: list[str] = []
    count = check(EventFolder(root), settings or settings_with(), "sse.toml", NOW, lines.append)
    mistakes = [line.removeprefix("mistake: ") for line in lines if line.startswith("mistake: ")]
    assert len(mistakes) == count
    found = plural(count, "mistake") if count else "no mistakes"
    remarked = len([line for line in lines if line.startswith("remark: ")])
    assert lines[-1] == (f"{found}, {plural(remarked, 'remark')}" if remarked else found)
    assert all(line.isprintable() for line in lines)
    return count, mistakes


def plan(root: Path, settings: Settings | None = None, now: float = NOW) -> dict[str, str]:
    lines: list[str] = []
    check(EventFolder(root), settings or settings_with(), None, now, lines.append)
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def test_a_sound_event_has_no_mistakes(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other", "0,2022-10-15,2022-10-21,X,No,Device")
    assert checked(tmp_path) == (0, [])


def test_an_underscore_in_a_file_id_is_a_remark(tmp_path: Path) -> None:
    path = roster(tmp_path, "621,2022-10-15,2022-10-21,BUOY_621,Bo,Buoy")
    lines: list[str] = []
    assert check(EventFolder(tmp_path), settings_with(), None, NOW, lines.append) == 0
    remark = "File ID 'BUOY_621' has an underscore: the results software reads only 'BUOY' of it"
    assert f"remark: {path}: line 2: {remark}" in lines


def test_keys_of_server_json_that_are_not_used_are_remarks(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    file = tmp_path / "server.json"
    file.write_text('{"Event": "x",\n "Evnt": "y", "Queuing": {"Timeout": 1}}')
    lines: list[str] = []
    assert check(EventFolder(tmp_path), settings_with(), str(file), NOW, lines.append) == 0
    assert [line for line in lines if line.startswith("remark: ") and str(file) in line] == [
        f"remark: {file}: ignored, because the collector has no threads: Queuing.Timeout",
        f"remark: {file}: Evnt: unknown key, ignored (line 2); did you mean 'Event'?",
    ]


def test_it_says_what_would_be_done(tmp_path: Path) -> None:
    roster(tmp_path, *(f"{number},2022-10-15,2022-10-21,A{number},Ann,Other" for number in (601, 603, 602)))
    names = {"servers": ("10.0.0.1:5353",), "search": ("lan", "home"), "resolver_file": "", "hosts_file": ""}
    said = plan(tmp_path, settings_with(names=names, filters={"best_500m": 8}, scan={"interval": 3}))
    assert said["configuration"] == "none (defaults)"
    assert said["event folder"] == str(tmp_path)
    assert said["devices"] == "3: motion-601, motion-602, motion-603"
    assert said["days"] == "2022-10-15 to 2022-10-21"
    assert said["filter"] == "tracks under 8 knots over 500 m are skipped"
    assert said["names"] == "servers 10.0.0.1:5353; search domains lan, home; port 80"
    assert said["rounds"].startswith("scan every 3 s, detection 64 at once, inspection 16, downloads 16;")
    assert said["expected"].endswith("timezone 60, firmware any")


def test_many_devices_fit_on_one_line(tmp_path: Path) -> None:
    roster(tmp_path, *(f"{number},2022-10-15,2022-10-21,A,Ann,Other" for number in range(601, 701)))
    assert plan(tmp_path)["devices"].startswith("100: motion-601, motion-602, ")
    assert plan(tmp_path)["devices"].endswith(", motion-610 … motion-700")


def test_the_name_servers_of_the_system_are_said(tmp_path: Path) -> None:
    roster(tmp_path)
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("search lan\nnameserver 192.168.0.1\n")
    names = {"resolver_file": str(resolver), "hosts_file": ""}
    assert plan(tmp_path, settings_with(names=names))["names"] == "servers 192.168.0.1; search domains lan; port 80"
    resolver.unlink()
    assert plan(tmp_path, settings_with(names=names))["names"] == "servers none; search domains none; port 80"


def test_days_of_the_configuration_win(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    event = {"first_day": "2022-10-16", "last_day": "2022-10-17"}
    assert plan(tmp_path, settings_with(event=event))["days"] == "2022-10-16 to 2022-10-17"


def test_each_mistake_of_the_roster_has_its_file_and_line(tmp_path: Path) -> None:
    path = roster(
        tmp_path,
        "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other",
        "602,2022-10-15,2022-10-21,../../etc,Ann,Other",
        "60x,2022-10-15,2022-10-21,A,Ann,Other",
        "601,2022-10-21,2022-10-22,ABC,Bob,Other",
    )
    count, mistakes = checked(tmp_path)
    assert count == 3
    for line, mistake in zip((3, 4, 5), mistakes, strict=True):
        assert mistake.startswith(f"{path}: line {line}: ")


@pytest.mark.parametrize(("data", "why"), [(b"", "the file is empty"), (b"\0\1\2", "line 1: missing column")])
def test_a_file_that_is_no_roster_is_one_mistake(tmp_path: Path, data: bytes, why: str) -> None:
    path = roster(tmp_path)
    path.write_bytes(data)
    count, mistakes = checked(tmp_path)
    assert count == 1
    assert mistakes[0].startswith(f"{path}: {why}")


def test_a_folder_in_place_of_the_roster_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config" / "motions.csv"
    path.mkdir(parents=True)
    assert checked(tmp_path) == (1, [f"{path}: Is a directory"])


def test_no_roster_is_a_mistake_only_if_nobody_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "config" / "motions.csv"
    assert checked(tmp_path) == (1, [f"{path}: no roster, and no device listed in the configuration"])
    for devices in ({"listed": ("motion-470",)}, {"addresses": {"motion-470": "10.0.0.1"}}):
        assert checked(tmp_path, settings_with(devices=devices)) == (0, [])


def test_a_missing_event_folder_is_a_mistake(tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert checked(root)[1][0] == f"{root}: no such event folder; create it, with a config/motions.csv in it"
    assert not root.exists()


def remarks(root: Path, settings: Settings, now: float = NOW) -> list[str]:
    lines: list[str] = []
    check(EventFolder(root), settings, None, now, lines.append)
    return [line.removeprefix("remark: ") for line in lines if line.startswith("remark: ")]


ASKING = {"names": {"servers": ("10.0.0.1",), "resolver_file": "", "hosts_file": ""}}


def test_a_roster_can_be_checked_while_a_collector_works(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    assert remarks(tmp_path, settings_with(**ASKING)) == []
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert checked(tmp_path) == (0, [])
    (remark,) = remarks(tmp_path, settings_with(**ASKING))
    lock.release()
    assert f"is in use by another collector (process {os.getpid()} on " in remark


def test_how_many_are_expected_today_is_said_and_the_days_of_the_roster(tmp_path: Path) -> None:
    roster(
        tmp_path,
        "601,2022-10-15,2022-10-21,A,Ann,Other",
        "602,2022-10-17,2022-10-17,B,Bob,Other",
        "602,2022-10-17,2022-10-18,C,Cy,Other",
        "603,2022-10-18,2022-10-23,D,Di,Other",
    )
    event = {"first_day": "2022-10-16", "last_day": "2022-10-17"}
    lines: list[str] = []
    check(EventFolder(tmp_path), settings_with(event=event), None, NOW, lines.append)
    assert "               4 assignments of 3 devices, 2022-10-15 to 2022-10-23" in lines
    assert "today:         2022-10-17: 2 devices expected by the roster" in lines
    assert plan(tmp_path, now=NOW + 5 * DAY)["today"] == "2022-10-22: 1 device expected by the roster"
    just_before_midnight = NOW + 11 * 3600 - 1  # an hour behind the event
    assert plan(tmp_path, now=just_before_midnight)["today"].startswith("2022-10-17")
    assert plan(tmp_path, now=just_before_midnight + 1)["today"].startswith("2022-10-18")


def test_a_roster_of_last_year_is_remarked_and_one_of_next_week_is_not(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,A,Ann,Other", "602,2022-10-15,2022-10-19,B,Bob,Other")
    settings = settings_with(**ASKING)
    for early in (NOW - 7 * DAY, NOW, NOW + 4 * DAY):
        assert remarks(tmp_path, settings, early) == []
    assert plan(tmp_path, settings, NOW - 7 * DAY)["today"] == "2022-10-10: 0 devices expected by the roster"
    for late, today in ((NOW + 5 * DAY, "2022-10-22"), (NOW + 365 * DAY, "2023-10-17")):
        said = f"the roster ends on 2022-10-21, and today is {today}: are roster and clock right?"
        assert remarks(tmp_path, settings, late) == [said]
    assert plan(tmp_path, settings, NOW + 365 * DAY)["today"] == "2023-10-17: 0 devices expected by the roster"


def test_days_of_the_configuration_that_are_past_are_remarked(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,A,Ann,Other")
    settings = settings_with(**ASKING, event={"first_day": "2022-10-15", "last_day": "2022-10-16"})
    said = "the event ends on 2022-10-16 (event.last_day), and today is 2022-10-17: no later track is collected"
    assert remarks(tmp_path, settings) == [said]
    assert checked(tmp_path, settings) == (0, [])


def test_that_nobody_can_be_asked_for_names_is_remarked_if_there_are_any(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.1 motion-601\n")
    names = {"resolver_file": "", "hosts_file": str(hosts)}
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    assert remarks(tmp_path, settings_with(names=names, devices={"listed": ["10.0.0.2"]})) == []
    assert remarks(tmp_path, settings_with(names=names, devices={"listed": ["motion-602", "gps.lan"]})) == [
        "no name server configured to find 2 devices by name: motion-602, gps.lan"
    ]
    assert checked(tmp_path) == (0, [])


@pytest.mark.parametrize(
    ("scan", "limit", "seconds"),
    [(2.0, 64, 0), (2.0, 49, 3), (5.0, 8, 13), (5.0, 20, 0), (0.5, 100, 0), (0.5, 99, 2)],
)
def test_a_round_that_may_take_longer_than_its_interval_is_remarked(
    tmp_path: Path, scan: float, limit: int, seconds: int
) -> None:
    roster(tmp_path, *(f"{number},2022-10-15,2022-10-21,A{number},Ann,Other" for number in range(601, 701)))
    settings = settings_with(**ASKING, scan={"interval": scan}, detection={"limit": limit})
    said = f"a scan takes {seconds} s if no device is there ({limit} at once)"
    assert [remark.partition("; ")[0] for remark in remarks(tmp_path, settings)] == ([said] if seconds else [])
    assert checked(tmp_path, settings) == (0, [])


def test_it_touches_nothing(tmp_path: Path) -> None:
    roster(tmp_path, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    before = sorted(tmp_path.rglob("*"))
    checked(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_every_default_can_be_said(tmp_path: Path) -> None:
    assert plan(tmp_path, msgspec.structs.replace(settings_with()))["days"] == "all"


class TestAChangeOfTheRoster:
    @pytest.fixture
    def root(self, event: VirtualEvent) -> Path:
        """Six devices are collected, and the collector is stopped."""
        for identifier in range(601, 607):
            event.device(identifier, log_of(identifier))
        event.arrive(*range(601, 607))
        event.start()
        for identifier in range(601, 607):
            event.until(f"motion-{identifier} can be disconnected")
        event.stop()
        return event.root

    def remarks(self, root: Path) -> list[str]:
        lines: list[str] = []
        check(EventFolder(root), settings_with(), None, NOW, lines.append)
        return [line.removeprefix("remark: ") for line in lines if line.startswith("remark: ")]

    def test_that_is_none_has_no_remark(self, root: Path) -> None:
        assert [line for line in self.remarks(root) if "track" in line] == []

    def test_of_many_owners_is_said_to_wait_with_each_track(self, root: Path) -> None:
        path = EventFolder(root).roster
        path.write_bytes(path.read_bytes().replace(b"ABC", b"NEW"))
        said = self.remarks(root)
        assert any(line.startswith("6 stored tracks would change owner") for line in said)
        moved = "ABC601XYZ_601_20221017_090000.oao (Sailor 601) to NEW601XYZ_601_20221017_090000.oao (Sailor 601)"
        assert f"waits: {moved}" in said

    def test_of_few_owners_is_said_to_be_made(self, root: Path) -> None:
        path = EventFolder(root).roster
        path.write_bytes(path.read_bytes().replace(b"ABC601", b"NEW601"))
        assert [line for line in self.remarks(root) if line.startswith("would move: ABC601XYZ_601")]

    def test_that_lacks_devices_of_today_is_said_to_wait(self, root: Path) -> None:
        path = EventFolder(root).roster
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
        assert any(line.startswith("the roster lacks 3 devices of today (motion-604, ") for line in self.remarks(root))

    def test_that_is_spoilt_is_a_mistake_and_the_last_good_one_is_said(self, root: Path) -> None:
        path = EventFolder(root).roster
        path.write_bytes(path.read_bytes()[:200])
        assert checked(root)[0] >= 1
        assert "the last good roster would stay in force: 6 assignments of 6 devices, 2022-10-15 to 2022-10-21" in (
            self.remarks(root)
        )


def test_what_is_read_in_an_uncertain_way_is_a_remark(tmp_path: Path) -> None:
    path = roster(tmp_path, "601,09/10/2022,2022-10-21,HOX100UEA,Ann,Other")
    lines: list[str] = []
    assert check(EventFolder(tmp_path), settings_with(), None, NOW, lines.append) == 0
    remark = "dates such as 09/10/2022 are read with the day first; write YYYY-MM-DD to be certain"
    assert f"remark: {path}: {remark}" in lines


def test_copies_are_listed_and_remarked_on_where_they_would_not_be_written_now(tmp_path: Path) -> None:
    event = tmp_path / "event"
    roster(event, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    (tmp_path / "beside").mkdir()
    settings = settings_with(copies={"folders": [str(tmp_path / "beside"), "/media/nowhere"]})
    lines: list[str] = []
    check(EventFolder(event), settings, None, NOW, lines.append)
    assert "copy:          /media/nowhere" in lines
    assert "remark: copy /media/nowhere: no such folder now; create it, with its disk plugged in" in lines
    assert any(line.startswith(f"remark: copy {tmp_path / 'beside'}: it is on the same disk") for line in lines)


def test_copies_that_would_be_left_alone_are_mistakes(tmp_path: Path) -> None:
    event = tmp_path / "event"
    roster(event, "601,2022-10-15,2022-10-21,HOX100UEA,Ann,Other")
    for name in ("photos", "other", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "photos/sea.jpg").write_bytes(b"")
    write(tmp_path / "other", IDENTITY, b'{"event": "a", "copy": "b"}')
    write(event, ".sse_twisted/event-id", b"0" * 32)
    settings = settings_with(copies={"folders": [str(tmp_path / name) for name in ("photos", "other", "empty")]})
    lines: list[str] = []
    assert check(EventFolder(event), settings, None, NOW, lines.append) == 2
    mistakes = [line for line in lines if line.startswith("mistake: copy")]
    assert [line.partition(": copy ")[2] for line in mistakes] == [
        f"{tmp_path / 'photos'}: it is not empty, and no copy of this event: name an empty folder in it or elsewhere",
        f"{tmp_path / 'other'}: it is a copy of another event",
    ]
