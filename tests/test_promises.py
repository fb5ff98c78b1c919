"""The ten promises, each with a test that fails when it breaks. Virtual time, real agents, simulated devices."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent

from sse_twisted.devices.motion import driver
from sse_twisted.event_folder.lock import FolderInUse
from sse_twisted.fleet import Stage
from sse_twisted.simulator.device import SimulatedLog
from sse_twisted.simulator.faults import Fault, parse_fault
from sse_twisted.tracks.formats import FileVerifier
from sse_twisted.visits.inspection import Inspector
from sse_twisted.visits.visit import Visit
from tests.support.event import MORNING, VirtualEvent, log_of, track

HOUR = 3_600_000
NAME = "ABC601XYZ_601_20221017_090000.oao"
FINAL = f"gpslogs/20221017/{NAME}"


class TestTheVerdictIsTrue:
    def test_it_follows_a_listing_that_is_younger_than_the_last_download(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        paths = [target.decode() for _, target in device.requests]
        last_download = max(n for n, path in enumerate(paths) if path.startswith("/logs/"))
        assert paths[last_download + 1 : last_download + 3] == ["/logs.json", "/info.json"]
        event.stop()

    def test_a_track_that_begins_during_the_last_download_is_fetched_before_it(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.bytes_per_second = 4000
        event.arrive(601)
        event.start()
        event.until("queued")
        device.logs.append(log_of(601, MORNING + HOUR))
        event.until("can be disconnected")
        assert len(event.tracks()) == 2
        event.stop()

    def test_a_failed_track_keeps_the_device_on_and_says_what_happens_next(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR), log_of(601, MORNING + 2 * HOUR))
        device.add_fault(parse_fault("stall@9000")[0], path=device.logs[1].path, times=2)
        event.arrive(601)
        event.start()
        reason = "1 of 3 tracks missing (timed out after 10 s without a byte)"
        event.until(f"motion-601 must stay connected - {reason}, retry 1 in 2 s")
        event.until(f"motion-601 must stay connected - {reason}, retry 2 in 4 s")
        assert event.known(601).stage is Stage.ATTENTION
        assert not event.said("can be disconnected")
        event.until("motion-601 can be disconnected")
        assert len(event.tracks()) == 3
        event.stop()

    def test_a_file_that_vanished_from_the_disk_is_missed(self, event: VirtualEvent) -> None:
        device = event.collect()
        (event.root / FINAL).unlink()
        event.wake_all()
        event.advance(1)
        assert event.tracks()[FINAL] == device.logs[0].content
        event.stop()

    def test_what_the_device_itself_holds_damaged_is_kept_and_said(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.add_fault(parse_fault("flipped-bit-always")[0])
        event.arrive(601)
        event.start()
        line = event.until("can be disconnected")
        assert f"{NAME} is damaged" in line
        assert "at byte" in line
        assert event.ledger(601)[NAME]["outcome"] == "damaged"
        assert any("damaged" in finding for finding in event.known(601).findings)
        event.stop()

    def test_an_empty_listing_is_asked_for_twice_and_said(self, event: VirtualEvent) -> None:
        device = event.device(601)
        event.arrive(601)
        event.start()
        line = event.until("can be disconnected")
        assert line == "INFO motion-601 can be disconnected - its listing is empty"
        assert event.said("must stay connected - its listing is empty, retry 1 in 2 s")
        assert [target for _, target in device.requests].count(b"/logs.json") == 2
        assert event.known(601).reason == "its listing is empty"
        event.stop()

    def test_less_than_a_plausible_listing_announces_is_never_enough(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.add_fault(parse_fault("frame-cut")[0], times=99)
        event.arrive(601)
        event.start()
        event.advance(200)
        assert not event.said("can be disconnected")
        assert event.tracks() == {}
        event.stop()

    def test_another_device_at_the_address_gets_no_verdict_for_this_one(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.add_fault(parse_fault("wrong-identifier")[0])
        event.arrive(601)
        event.start()
        event.advance(60)
        assert len(event.said("motion-601 is not at 10.0.2.89")) == 1
        assert not event.said("motion-601 can be disconnected")
        event.stop()


class TestAFileAtItsFinalNameIsWhole:
    def test_nothing_is_there_before_the_last_byte(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.bytes_per_second = 2000
        event.arrive(601)
        event.start()
        event.until("queued")
        content = device.logs[0].content
        while not event.is_collected(601):
            event.advance(0.1)
            assert set(event.tracks().values()) <= {content}
        assert event.tracks() == {FINAL: content}
        event.stop()

    def test_bytes_are_on_disk_before_the_name_and_the_name_before_the_ledger(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        happened: list[str] = []
        fsync, rename = os.fsync, os.rename

        def note_fsync(descriptor: int) -> None:
            happened.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
            fsync(descriptor)

        def note_rename(path: Path, target: Path, **folders: int) -> None:
            happened.append(f"rename {Path(target).name}")
            rename(path, target, **folders)

        event.device(601, log_of(601))
        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "rename", note_rename)
        event.arrive(601)
        event.start()
        event.until("downloaded")
        part = f"fsync .{NAME}.{len(track(601)) + 1024}.part"
        named = happened.index(f"rename {NAME}")
        assert part in happened[:named]
        assert happened[named + 1] == "fsync 20221017"
        assert "rename downloads.json" in happened[named:]
        event.stop()

    def test_what_was_cut_off_by_a_stop_is_gone_on_with(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601, fixes=1000))
        device.bytes_per_second = 10_000
        device.supports_range = True
        event.arrive(601)
        event.start()
        event.until("queued")
        event.advance(3)
        event.stop()
        assert event.tracks() == {}
        event.lines.clear()
        event.start()
        event.until("1 track of earlier runs incomplete")
        event.until("can be disconnected")
        assert list(event.tracks().values()) == [device.logs[0].content]
        event.stop()


class TestNothingIsLost:
    def test_a_grown_track_is_fetched_again_and_the_old_one_kept(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        before = device.logs[0].content
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        device.logs[0].grow(20)
        event.leave(601)
        event.until("has been disconnected")
        event.arrive(601)
        event.until("replaces an earlier version")
        event.advance(2)
        assert event.tracks() == {
            FINAL: device.logs[0].content,
            f"gpslogs/superseded/20221017/{NAME}.1": before,
        }
        event.stop()

    def test_two_tracks_of_one_second_stay_apart_when_one_is_deleted_on_the_device(self, event: VirtualEvent) -> None:
        second = SimulatedLog("/logs/2022/10/0601_second.oao", track(601, MORNING + 300, 300))
        device = event.device(601, log_of(601), second)
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        before = event.tracks()
        assert len(before) == 2
        event.leave(601)
        event.until("has been disconnected")
        del device.logs[0]
        event.lines.clear()
        event.arrive(601)
        event.until("can be disconnected")
        assert event.tracks() == before
        assert not event.said("queued")
        event.stop()

    def test_a_track_without_an_owner_is_fetched_and_said(self, event: VirtualEvent) -> None:
        event.person(601, last="2022-10-16")
        event.person(602)
        event.device(601, log_of(601), person=False)
        event.arrive(601)
        event.start()
        event.until("is unassigned: no roster line covers it, it goes to gpslogs/unassigned/20221017")
        event.until("can be disconnected")
        assert list(event.tracks()) == ["gpslogs/unassigned/20221017/motion-601_20221017_090000.oao"]
        event.stop()

    def test_a_device_that_leaves_early_is_an_error_and_again_at_the_end(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601))
        device.add_fault(parse_fault("404")[0], path="/logs/")
        event.arrive(601)
        event.start()
        event.until("must stay connected")
        event.leave(601)
        lost = f"ERROR motion-601 left too early - Sailor 601: 1 of 1 track missing ({NAME})"
        event.until(lost)
        event.stop()
        assert len(event.said(lost)) == 2


class TestStateNeverStopsAStart:
    @pytest.mark.parametrize("ledger", [b"", b'{"ABC601XYZ_601_2', b"[]", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000])
    def test_a_torn_ledger_is_set_aside_and_rebuilt_from_the_tracks(self, event: VirtualEvent, ledger: bytes) -> None:
        device = event.collect()
        event.stop()
        whole = event.ledger(601)
        path = event.folder.device_folder(601) / "downloads.json"
        path.write_bytes(ledger)
        device.requests.clear()
        event.lines.clear()
        event.start()
        event.until("ledger is unreadable")
        event.until("can be disconnected")
        assert event.ledger(601) == whole
        assert (path.parent / "downloads.json.unusable.1").read_bytes() == ledger
        assert not [target for _, target in device.requests if target.startswith(b"/logs/")]
        event.stop()


class TestTheDeviceIsSpared:
    def test_one_connection_at_a_time_and_none_idle(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601), log_of(601, MORNING + HOUR))
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        event.advance(0.1)
        assert device.most_connections == 1
        assert device.open_connections == 0
        event.stop()

    def test_no_probe_comes_while_a_transfer_runs(self, event: VirtualEvent) -> None:
        device = event.device(601, log_of(601, fixes=4000))
        device.bytes_per_second = 4000
        event.arrive(601)
        event.start()
        event.until("queued")
        event.advance(1)
        asked = len(device.requests)
        event.advance(45)
        assert device.open_connections == 1
        assert len(device.requests) == asked
        event.stop()


class TestTheReactorIsNeverBlocked:
    def test_syncs_checksums_and_long_listings_are_a_matter_of_threads(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event.device(601, log_of(601)).add_fault(Fault("10000-entries", 300))
        event.arrive(601)
        collector = event.start()
        in_thread = threading.local()
        start = collector.disk._start

        def start_noted(function: Any, *args: Any, **kwargs: Any) -> Any:
            in_thread.now = True
            try:
                return start(function, *args, **kwargs)
            finally:
                in_thread.now = False

        happened: list[tuple[str, bool]] = []  # what, and whether in a thread

        def watch(owner: Any, name: str, *, least: int = 0) -> None:
            original = getattr(owner, name)

            def watched(*args: Any, **kwargs: Any) -> Any:
                if not least or len(args[0]) > least:
                    happened.append((name, getattr(in_thread, "now", False)))
                return original(*args, **kwargs)

            monkeypatch.setattr(owner, name, watched)

        monkeypatch.setattr(collector.disk, "_start", start_noted)
        watch(os, "fsync")
        watch(FileVerifier, "feed")
        watch(driver, "parse_json", least=16 * 1024)
        event.until("downloaded")
        assert set(happened) == {("fsync", True), ("feed", True), ("parse_json", True)}
        event.stop()


class TestLoopsLive:
    def test_a_round_that_fails_is_logged_and_the_next_one_comes(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        event.device(601, log_of(601))
        collector = event.start()
        monkeypatch.setattr(collector.live, "targets", lambda: 1 / 0)
        event.until("A round of ScannerService failed")
        monkeypatch.undo()
        assert {failure["log_failure"].type for failure in logged_failures} == {ZeroDivisionError}
        logged_failures.clear()
        event.arrive(601)
        event.until("can be disconnected")
        assert collector.scanner.rounds > 1
        event.stop()

    def test_a_device_that_breaks_the_code_harms_no_other(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        event.device(601, log_of(601))
        event.device(602, log_of(602))
        event.start()
        settings, broken = Inspector.settings, [601]

        async def fail_once(inspector: Inspector, visit: Visit) -> None:
            if visit.identifier in broken:
                broken.remove(visit.identifier)
                raise KeyError("a mistake of ours")
            await settings(inspector, visit)

        monkeypatch.setattr(Inspector, "settings", fail_once)
        event.arrive(601, 602)
        event.until("motion-601 could not be handled")
        event.until("motion-602 can be disconnected")
        event.until("motion-601 can be disconnected")
        assert [failure["log_failure"].type for failure in logged_failures] == [KeyError]
        logged_failures.clear()
        event.stop()

    @pytest.mark.parametrize("fault", ["no-headers", "stall@3000", "reset", "drip:0.5"])
    def test_stopping_cannot_hang_on_a_device(self, event: VirtualEvent, fault: str) -> None:
        device = event.device(601, log_of(601))
        event.arrive(601)
        device.add_fault(parse_fault(fault)[0])
        event.start()
        event.advance(2.5)
        event.stop()
        event.leave(601)
        event.advance(1)
        assert event.reactor.getDelayedCalls() == []
        assert device.open_connections == 0


class TestTimeIsUtc:
    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
    def test_the_zone_of_the_laptop_changes_no_name(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch, zone: str
    ) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        event.collect()
        event.stop()
        monkeypatch.undo()
        time.tzset()
        assert list(event.tracks()) == [FINAL]

    def test_the_day_is_that_of_the_devices_time_zone(self, event: VirtualEvent) -> None:
        just_before_midnight_utc = MORNING + 15 * HOUR + 50 * 60_000
        device = event.device(601, log_of(601, just_before_midnight_utc))
        device.settings["settings"]["timezone"] = "60"
        event.arrive(601)
        event.start()
        event.until("can be disconnected")
        assert list(event.tracks()) == ["gpslogs/20221018/ABC601XYZ_601_20221018_005000.oao"]
        event.stop()


class TestOneCollectorPerEventFolder:
    def test_a_second_one_says_who_holds_it(self, event: VirtualEvent) -> None:
        event.start()
        second = VirtualEvent(event.root)
        with pytest.raises(FolderInUse, match=f"process {os.getpid()} on"):
            second.start()
        event.stop()
        second.start()
        second.stop()
