from __future__ import annotations

import errno
import itertools
import json
import os
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from sse_twisted.config.settings import Devices, Event, Settings
from sse_twisted.event_folder import partial
from sse_twisted.event_folder.files import move_file
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of
from tests.support.virtual import LateThreads, asked_for

HOUR = 3_600_000
OLD, NEW = "ABC601XYZ_601_20221017_090000.oao", "NEW9_601_20221017_090000.oao"
UNASSIGNED = "motion-601_20221017_090000.oao"


def collect_and_leave(event: VirtualEvent, *identifiers: int) -> None:
    """An afternoon, after which the devices are gone and the collector goes on."""
    event.start()
    event.arrive(*identifiers)
    for identifier in identifiers:
        event.until(f"motion-{identifier} can be disconnected")
    event.leave(*identifiers)
    for identifier in identifiers:
        event.until(f"motion-{identifier} has been disconnected")
    event.lines.clear()


def give_to(event: VirtualEvent, file_id: str, sailor: str = "Other") -> None:
    event.people[0] |= {"File ID": file_id, "First Name": sailor}
    event.write_roster()


def fetched(event: VirtualEvent, identifier: int = 601) -> list[bytes]:
    requests = event.servers[identifier].device.requests
    return [target for _, target in requests if target.startswith(b"/logs/")]


def names_in(event: VirtualEvent, identifier: int = 601) -> list[str]:
    return list(event.ledger(identifier))


class TestADeviceThatIsAway:
    def test_has_its_tracks_under_the_name_of_the_corrected_roster(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        collect_and_leave(event, 601)
        device.requests.clear()
        give_to(event, "NEW9")
        event.until(f"INFO motion-601 {OLD} is now {NEW}: Other 601", 10)
        assert event.tracks() == {f"gpslogs/20221017/{NEW}": device.logs[0].content}
        assert names_in(event) == [NEW]
        event.arrive(601)
        event.until("can be disconnected")
        assert fetched(event) == []
        assert len(event.said("is now")) == 1

    def test_has_them_after_the_next_start_too(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601))
        collect_and_leave(event, 601)
        event.stop()
        give_to(event, "NEW9")
        event.start()
        event.until(f"{OLD} is now {NEW}", 1)
        assert list(event.tracks()) == [f"gpslogs/20221017/{NEW}"]

    def test_assigns_its_tracks_to_their_owner(self, event: VirtualEvent) -> None:
        event.settings = Settings(devices=Devices(listed=("motion-601",)))
        event.person(700)
        event.device(601, log_of(601), person=False)
        collect_and_leave(event, 601)
        assert list(event.tracks()) == [f"gpslogs/unassigned/20221017/{UNASSIGNED}"]
        event.person(601)
        event.until(f"{UNASSIGNED} is now {OLD}: Sailor 601", 10)
        assert list(event.tracks()) == [f"gpslogs/20221017/{OLD}"]

    def test_loses_those_of_an_owner_who_was_removed_to_unassigned(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601))
        event.spares()
        collect_and_leave(event, 601)
        del event.people[0]
        event.write_roster()
        event.until(f"{OLD} is now {UNASSIGNED}: unassigned", 10)
        assert list(event.tracks()) == [f"gpslogs/unassigned/20221017/{UNASSIGNED}"]

    def test_keeps_those_whose_day_is_not_the_events_any_more_and_says_so_once(self, event: VirtualEvent) -> None:
        event.settings = Settings(event=Event(first_day=date(2022, 10, 17), last_day=date(2022, 10, 21)))
        event.device(601, log_of(601))
        event.spares()
        collect_and_leave(event, 601)
        for first in (18, 19):
            event.people[0]["Start Date"] = f"2022-10-{first}"
            event.settings = Settings(event=Event(first_day=date(2022, 10, first), last_day=date(2022, 10, 21)))
            event.write_roster()
            assert event.collector is not None
            event.collector.reload()
            event.advance(10)
        why = "its day is no longer one of the event"
        assert event.said("could not be renamed") == [f"WARN motion-601 {OLD} could not be renamed: {why}"]
        assert list(event.tracks()) == [f"gpslogs/20221017/{OLD}"]

    def test_keeps_them_while_the_roster_is_empty(self, event: VirtualEvent) -> None:
        event.settings = Settings(event=Event(first_day=None, last_day=None))
        event.device(601, log_of(601))
        collect_and_leave(event, 601)
        event.stop()
        roster = event.folder.roster.read_bytes()
        event.folder.roster.unlink()
        event.start()
        event.advance(20)
        assert list(event.tracks()) == [f"gpslogs/20221017/{OLD}"]
        event.folder.roster.write_bytes(roster.replace(b"ABC601XYZ", b"NEW9"))
        assert event.until(f"{OLD} is now {NEW}", 10)

    def test_has_the_time_zone_of_its_last_settings(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601, MORNING - 10 * HOUR))
        collect_and_leave(event, 601)
        settings = event.folder.device_folder(601) / "settings.json"
        event.stop()
        tree = json.loads(settings.read_text())
        tree["settings"]["timezone"] = "180"
        settings.write_text(json.dumps(tree))
        event.start()
        event.until("ABC601XYZ_601_20221016_230000.oao is now ABC601XYZ_601_20221017_010000.oao", 1)
        event.stop()
        settings.write_text("torn")
        give_to(event, "NEW9")
        event.start()
        assert event.until("ABC601XYZ_601_20221017_010000.oao is now NEW9_601_20221017_010000.oao", 1)

    def test_with_a_torn_ledger_waits_for_its_next_visit(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601))
        collect_and_leave(event, 601)
        event.folder.ledger_path(601).write_text("torn")
        give_to(event, "NEW9")
        event.until("motion-601 its tracks could not be renamed: the ledger is unreadable", 10)
        assert event.folder.ledger_path(601).read_text() == "torn"

    def test_harms_no_other_if_the_disk_refuses(self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch) -> None:
        for identifier in (601, 602):
            event.device(identifier, log_of(identifier))
        collect_and_leave(event, 601, 602)

        def refuse(path: Path, target: Path, within: Path) -> None:
            if path.name == OLD:
                raise PermissionError(13, "Permission denied", str(path))
            move_file(path, target, within)

        monkeypatch.setattr("sse_twisted.event_folder.moves.move_file", refuse)
        for person in event.people:
            person["File ID"] = f"NEW{person['Motion ID']}"
        event.write_roster()
        event.until("ERROR Cannot rename the tracks of motion-601 for now: Permission denied (", 10)
        event.until("is now NEW602_602_20221017_090000.oao", 1)
        monkeypatch.undo()
        event.person(603)
        assert event.until("is now NEW601_601_20221017_090000.oao", 10)
        assert sorted(Path(name).name[:6] for name in event.tracks()) == ["NEW601", "NEW602"]

    def test_waits_with_all_others_while_the_disk_is_full(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for identifier in (601, 602, 603):
            event.device(identifier, log_of(identifier))
        collect_and_leave(event, 601, 602, 603)
        before, ledgers = event.tracks(), [event.ledger(identifier) for identifier in (601, 602, 603)]

        def find_it_full(*_: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("sse_twisted.event_folder.moves.move_file", find_it_full)
        for person in event.people:
            person["File ID"] = f"NEW{person['Motion ID']}"
        event.write_roster()
        event.advance(10)
        assert not [line for line in event.said("ERROR") if "Cannot save the" not in line]
        assert event.said("CRITICAL") == ["CRITICAL Downloads pause: No space left on device"]
        assert event.tracks() == before
        assert [event.ledger(identifier) for identifier in (601, 602, 603)] == ledgers
        monkeypatch.undo()
        event.until("Downloads resume", 5)
        for identifier in (601, 602, 603):
            event.until(f"is now NEW{identifier}_{identifier}_20221017_090000.oao", 6)
        assert list(event.tracks().values()) == list(before.values())

    def test_is_not_looked_at_for_a_roster_that_is_saved_again_at_once(self, event: VirtualEvent) -> None:
        """Half a roster was saved, and the whole one three seconds later."""
        event.device(601, log_of(601))
        event.spares()
        event.people.append(event.people.pop(0))
        event.write_roster()
        collect_and_leave(event, 601)
        whole = event.folder.roster.read_bytes()
        event.folder.roster.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        event.until("Roster: removed motion-601", 5)
        event.folder.roster.write_bytes(whole)
        event.advance(20)
        assert not event.said("is now")
        assert list(event.tracks()) == [f"gpslogs/20221017/{OLD}"]


class TestADeviceThatIsHere:
    def test_has_its_tracks_moved_and_not_fetched_again(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        event.start()
        event.arrive(601)
        event.until("can be disconnected")
        device.requests.clear()
        give_to(event, "NEW9")
        event.until(f"{OLD} is now {NEW}: Other 601", 4)
        event.advance(1)
        assert event.is_collected(601)
        assert fetched(event) == []
        assert [Path(name).name for name in event.tracks()] == [NEW, "NEW9_601_20221017_100000.oao"]

    def test_whose_time_zone_was_corrected_brings_no_second_copy(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        collect_and_leave(event, 601)
        before = event.tracks()
        device.requests.clear()
        device.settings["settings"]["timezone"] = "120"
        event.arrive(601)
        event.until("can be disconnected")
        assert fetched(event) == []
        assert list(event.tracks().values()) == list(before.values())
        assert [Path(name).name[-10:-4] for name in event.tracks()] == ["100000", "110000"]

    def test_that_does_not_tell_its_settings_is_in_the_time_zone_that_it_was_in(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.settings["settings"]["timezone"] = "120"
        collect_and_leave(event, 601)
        before = event.tracks()
        device.add_fault(parse_fault("404")[0], path="/settings.json")
        event.arrive(601)
        event.until("settings are unknown")
        event.until("can be disconnected")
        assert event.tracks() == before
        assert not event.said("is now")

    def test_goes_on_with_a_track_that_was_cut_off_under_the_old_name(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601, fixes=1000))
        device.bytes_per_second, device.supports_range = 10_000, True
        event.arrive(601)
        event.start()
        event.until("queued")
        event.advance(3)
        event.stop()
        give_to(event, "NEW9")
        event.start()
        event.until("can be disconnected")
        files = [path.name for path in event.root.glob("gpslogs/**/*") if path.is_file()]
        assert files == [NEW]
        assert names_in(event) == [NEW]

    def test_replaces_a_half_track_of_the_original_under_the_old_name(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        collect_and_leave(event, 601)
        event.stop()
        content = device.logs[0].content
        path = event.root / "gpslogs" / "20221017" / OLD
        path.write_bytes(content[:5000])
        ledger = event.ledger(601)
        for key in ("outcome", "length", "sha256"):
            del ledger[OLD][key]
        event.folder.ledger_path(601).write_text(json.dumps(ledger))
        give_to(event, "NEW9")
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        assert event.tracks() == {
            f"gpslogs/20221017/{NEW}": content,
            f"gpslogs/superseded/20221017/{OLD}.1": content[:5000],
        }
        assert event.said(f"{OLD} is now {NEW}: Other 601; another file is kept in gpslogs/superseded")
        assert names_in(event) == [NEW]


class TestOneHandAtATime:
    """Threads take long here, and the roster changes when it hurts."""

    def test_a_visit_that_begins_asks_for_nothing_until_the_ledger_is_written(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        collect_and_leave(event, 601)
        event.stop()
        give_to(event, "NEW9")
        event.start_in_thread = LateThreads(event.reactor, itertools.chain([0.0] * 6, itertools.repeat(2.0))).start
        device.requests.clear()
        event.arrive(601)
        event.start()
        event.until("motion-601 is connected")
        event.until("is now")
        assert [target for _, target in device.requests] == [b"/info.json"]
        event.until("can be disconnected")
        assert fetched(event) == []
        assert names_in(event) == [NEW]

    def test_a_visit_that_lasts_is_not_disturbed(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR, 4000))
        device.bytes_per_second = 4000
        event.start()
        event.arrive(601)
        event.until("downloaded")
        ledger = event.ledger(601)
        give_to(event, "NEW9")
        event.advance(15)
        assert event.ledger(601) == ledger
        event.leave(601)
        event.until("left too early")
        assert event.until(f"{OLD} is now {NEW}", 10)

    def test_devices_take_their_turns(self, event: VirtualEvent) -> None:
        for identifier in (601, 602, 603):
            event.device(identifier, log_of(identifier))
        collect_and_leave(event, 601, 602, 603)
        event.stop()
        for person in event.people:
            person["File ID"] = f"NEW{person['Motion ID']}"
        event.write_roster()
        threads = LateThreads(event.reactor, [1.0])
        working: list[str] = []

        def start(function: Any, *args: Any, **kwargs: Any) -> Any:
            name = getattr(asked_for(function, *args), "__name__", "")
            done = threads.start(function, *args, **kwargs)
            if name in ("_steps", "next"):
                working.append(name)
                assert len(working) == 1
                done.addBoth(lambda result: (working.pop(), result)[1])
            return done

        event.start_in_thread = start
        event.start()
        event.until("is now NEW603_603_20221017_090000.oao")
        assert len(event.said("is now")) == 3

    def test_a_stop_waits_for_the_file_that_is_being_moved(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        collect_and_leave(event, 601)
        event.stop()
        give_to(event, "NEW9")
        event.start_in_thread = LateThreads(event.reactor, [1.0]).start
        event.start()
        event.advance(2.5)
        event.stop()
        assert sorted(names_in(event)) == ["ABC601XYZ_601_20221017_100000.oao", NEW]
        assert sorted(Path(name).name for name in event.tracks()) == sorted(names_in(event))
        assert not event.reactor.getDelayedCalls()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_partial_file_that_is_gone_keeps_no_device(event: VirtualEvent, is_away: bool) -> None:
    """A person has removed it while the collector ran, and then the roster is corrected."""
    device = event.device(601, log_of(601))
    device.add_fault(parse_fault("cut@9000")[0], path="/logs/")
    event.arrive(601)
    event.start()
    event.until("connection lost after")
    event.advance(0.2)
    (part,) = event.root.glob("gpslogs/**/.*.part")
    event.leave(601)
    event.advance(60.0 if is_away else 0.1)
    part.unlink()
    device.faults.clear()
    give_to(event, "NEW9")
    event.advance(30)
    event.arrive(601)
    event.until("motion-601 can be disconnected", 300)
    assert event.tracks() == {f"gpslogs/20221017/{NEW}": device.logs[0].content}


def test_a_disk_that_was_full_at_the_opening_keeps_no_device(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, is_full = partial._own_file, True

    def full(name: str, folder: int) -> BinaryIO:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opening(name, folder)

    monkeypatch.setattr(partial, "_own_file", full)
    event.device(601, log_of(601))
    event.arrive(601)
    event.start()
    event.until("Downloads pause")
    give_to(event, "NEW9")
    event.advance(1)
    is_full = False
    event.until("motion-601 can be disconnected", 300)
    assert list(event.tracks()) == [f"gpslogs/20221017/{NEW}"]
