"""When the state file is written, and what happens if it can't be. Its use at a start: `test_restore`."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sse_twisted.config.live import LiveConfig
from sse_twisted.config.settings import Settings
from sse_twisted.event_folder.folder import EventFolder, Stamps
from sse_twisted.event_folder.workplace import Workplace
from sse_twisted.fleet import Fleet, Stage
from sse_twisted.history.attendance import Attendance
from sse_twisted.history.store import SavedState, StateStore, load_state
from sse_twisted.runtime.disk import Disk
from sse_twisted.runtime.group_sync import Steps
from sse_twisted.simulator.faults import parse_fault
from tests.support.event import MORNING, VirtualEvent, log_of
from tests.support.virtual import LateThreads, asked_for


def collect(event: VirtualEvent) -> None:
    """Collect one device, which stays, and wait until its state is saved."""
    event.collect()
    event.advance(5)


@pytest.fixture
def writings(event: VirtualEvent) -> Iterator[list[float]]:
    """When the state file was written, in s of the clock."""
    times: list[float] = []
    keep = EventFolder.saving_state

    def note_and_keep(folder: EventFolder, data: bytes) -> Steps[None]:
        times.append(event.reactor.seconds())
        yield from keep(folder, data)

    with patch.object(EventFolder, "saving_state", note_and_keep):
        yield times


def saved(event: VirtualEvent, identifier: int = 601) -> Any:
    return json.loads(event.folder.state_file.read_bytes())["devices"].get(str(identifier))


def saved_answers(event: VirtualEvent) -> Any:
    return json.loads(event.folder.state_file.read_bytes())["answers"]


class TestWriting:
    def test_a_change_is_saved_at_once_and_further_ones_within_a_second_together(
        self, event: VirtualEvent, writings: list[float]
    ) -> None:
        for identifier in range(601, 621):
            event.device(identifier, log_of(identifier))
        event.start()
        event.advance(10)
        assert len(writings) == 1
        before = event.reactor.seconds()
        event.arrive(*range(601, 621))
        first = event.until("is connected").split()[1].removeprefix("motion-")
        assert saved(event, int(first))["stage"] == "connected"
        event.until("motion-620 can be disconnected")
        event.advance(5)
        seconds = writings[-1] - before
        assert len(writings) - 1 <= seconds + 1
        assert min(later - earlier for earlier, later in itertools.pairwise(writings)) >= 1.0
        assert {saved(event, identifier)["stage"] for identifier in range(601, 621)} == {"collected"}

    def test_progress_alone_is_not_saved(self, event: VirtualEvent, writings: list[float]) -> None:
        event.device(601, log_of(601, fixes=20_000)).bytes_per_second = 50_000
        event.arrive(601)
        event.start()
        event.until("queued")
        event.advance(3)
        count = len(writings)
        received = event.known(601).received
        event.advance(10)
        assert event.known(601).received > received
        assert len(writings) == count

    def test_an_idle_collector_writes_nothing(self, event: VirtualEvent, writings: list[float]) -> None:
        event.collect()
        event.advance(5)
        count = len(writings)
        event.advance(600)
        assert len(writings) == count

    def test_of_many_devices_only_those_that_have_changed_are_looked_at_again(self, event: VirtualEvent) -> None:
        for identifier in (601, 602, 603):
            event.device(identifier, log_of(identifier))
        event.arrive(601, 602)
        collector = event.start()
        event.until("motion-601 can be disconnected")
        event.until("motion-602 can be disconnected")
        event.advance(5)
        collector.fleet.update(602, battery=60)
        event.advance(5)
        with patch.object(EventFolder, "stamps", autospec=True, side_effect=EventFolder.stamps) as read:
            collector.fleet.update(602, battery=50)
            event.advance(5)
            assert [call.args[1] for call in read.call_args_list] == [602]
        assert (saved(event, 602)["battery"], saved(event, 601)["stage"]) == (50, "collected")
        assert len(saved_answers(event)) == 2
        event.arrive(603)
        event.until("motion-603 can be disconnected")
        event.advance(5)
        assert len(saved_answers(event)) == 3

    def test_after_one_that_failed_all_devices_are_looked_at_again(self, event: VirtualEvent) -> None:
        event.device(602, log_of(602))
        event.arrive(602)
        event.collect()
        event.until("motion-602 can be disconnected")
        event.advance(5)
        assert event.collector is not None
        with patch.object(EventFolder, "saving_state", side_effect=OSError(errno.EACCES, "no")):
            event.collector.fleet.update(602, battery=50)
            event.advance(1)
        with patch.object(EventFolder, "stamps", autospec=True, side_effect=EventFolder.stamps) as read:
            event.advance(10)
            assert {call.args[1] for call in read.call_args_list} == {601, 602}
        assert saved(event, 602)["battery"] == 50

    def test_answers_that_were_stored_after_a_write_are_in_the_next_one(self, event: VirtualEvent) -> None:
        def start_late(function: Any, *args: Any, **kwargs: Any) -> Deferred[Any]:
            is_write = getattr(asked_for(function, *args), "__name__", "") == "_round"
            return LateThreads(event.reactor, [1.5 if is_write else 0.0]).start(function, *args, **kwargs)

        event.start_in_thread = start_late
        device = event.collect()
        event.advance(30)
        device.latency = 1.0
        event.wake_all()
        event.advance(30)
        assert event.collector is not None
        event.collector.fleet.update(602, stage=Stage.CONNECTED)
        event.advance(30)
        state = load_state(event.folder.state_file)[0]
        assert state is not None
        assert state.knows(601, event.folder.stamps(601))

    def test_answers_that_were_removed_are_in_the_file_no_more(self, event: VirtualEvent) -> None:
        collect(event)
        assert list(saved_answers(event)) == ["601"]
        shutil.rmtree(event.folder.device_folder(601))
        assert event.collector is not None
        event.collector.fleet.update(601, battery=50)
        event.advance(5)
        assert saved_answers(event) == {}

    def test_nothing_is_written_before_the_state_is_restored(self, event: VirtualEvent, writings: list[float]) -> None:
        event.device(601, log_of(601)).add_fault(parse_fault("404")[0], path="/logs/")
        event.arrive(601)
        event.start()
        event.until("must stay connected")
        event.leave(601)
        event.until("left too early")
        event.stop()
        before = event.folder.state_file.read_bytes()
        del writings[:]
        event.start_in_thread = LateThreads(event.reactor, [10.0]).start
        event.start()
        event.advance(5)
        event.start_in_thread = LateThreads(event.reactor, [0.0]).start
        event.stop()
        assert writings == []
        assert event.folder.state_file.read_bytes() == before

    def test_changes_on_a_slow_disk_do_not_restart_the_writing(
        self, event: VirtualEvent, writings: list[float]
    ) -> None:
        fleet = Fleet(lambda: event.reactor.seconds(), Logger())
        disk = Disk(LateThreads(event.reactor, [3.0]).start, event.reactor, Logger(), lambda: None)
        work = Workplace(event.folder, disk, fleet, LiveConfig(Settings()), event.reactor, Logger())
        store = StateStore(work, Attendance(fleet))
        event.folder.prepare()
        store.startService()
        store.begin()
        for battery in range(20):
            fleet.update(601, battery=battery)
            event.reactor.advance(1)
        assert len(writings) >= 2
        store.stopService()
        event.reactor.pump([1.0] * 40)
        assert not event.reactor.getDelayedCalls()

    def test_the_last_write_is_after_the_last_visit_and_says_that_it_is(self, event: VirtualEvent) -> None:
        event.device(601, log_of(601))
        event.start()
        event.advance(2)
        assert json.loads(event.folder.state_file.read_bytes())["ended"] is False
        event.arrive(601)
        event.until("motion-601 can be disconnected")
        event.stop()
        state = json.loads(event.folder.state_file.read_bytes())
        assert state["ended"] is True
        assert state["devices"]["601"]["stage"] == "collected"
        assert not event.reactor.getDelayedCalls()

    def test_a_device_that_is_back_is_saved_before_it_is_asked_for_anything(self, event: VirtualEvent) -> None:
        device = event.collect()
        event.leave(601)
        event.until("has been disconnected")
        event.advance(2)
        stages: list[tuple[str, str]] = []
        store = EventFolder.storing_answer

        def look_and_store(folder: EventFolder, identifier: int, name: str, stored: bytes) -> Steps[None]:
            stages.append((name, saved(event)["stage"]))
            yield from store(folder, identifier, name, stored)

        with patch.object(EventFolder, "storing_answer", look_and_store):
            device.logs.append(log_of(601, MORNING + 3_600_000))
            event.arrive(601)
            event.until("motion-601 ABC601XYZ_601_20221017_100000.oao queued")
        assert stages[0] == ("info.json", "connected")
        assert all(stage not in ("gone", "collected") for _, stage in stages)


class TestADiskThatRefuses:
    def test_is_reported_once_and_collecting_and_saving_go_on(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep = EventFolder.saving_state
        refusing = True

        def refuse(folder: EventFolder, data: bytes) -> Steps[None]:
            if refusing:
                raise PermissionError(errno.EACCES, "Permission denied", str(folder.state_file))
            yield from keep(folder, data)

        monkeypatch.setattr(EventFolder, "saving_state", refuse)
        collect(event)
        (line,) = event.said("Cannot save the state of the devices")
        assert line.startswith("ERROR")
        assert not event.said("Downloads pause")
        refusing = False
        event.leave(601)
        event.until("has been disconnected")
        event.advance(2)
        assert saved(event)["stage"] == "gone"

    def test_when_it_was_full_is_written_to_once_there_is_room(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collect(event)
        full = True

        def refuse_if_full(function: Any) -> Any:
            def wrapped(*arguments: Any) -> Any:
                if full:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return function(*arguments)

            return wrapped

        monkeypatch.setattr(EventFolder, "saving_state", refuse_if_full(EventFolder.saving_state))
        monkeypatch.setattr(EventFolder, "check_writable", refuse_if_full(EventFolder.check_writable))
        event.leave(601)
        event.until("Downloads pause")
        event.advance(10)
        assert saved(event)["stage"] == "collected"
        full = False
        event.until("Downloads resume")
        event.advance(1)
        assert event.known(601).stage is Stage.GONE
        assert saved(event)["stage"] == "gone"

    def test_for_this_file_only_is_retried_without_a_change(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collect(event)

        def refuse(folder: EventFolder, data: bytes) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(folder.state_file))

        with monkeypatch.context() as patch:
            patch.setattr(EventFolder, "saving_state", refuse)
            event.leave(601)
            event.until("has been disconnected")
            event.advance(20)
            assert len(event.said("Cannot save the state of the devices")) == 1
        assert saved(event)["stage"] == "collected"
        event.advance(6)
        assert saved(event)["stage"] == "gone"

    def test_is_not_asked_to_hold_a_file_that_the_next_start_would_not_read(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collect(event)
        size = event.folder.state_file.stat().st_size
        monkeypatch.setattr("sse_twisted.history.store.MAX_SIZE", 100)
        assert event.collector is not None
        event.collector.fleet.update(601, findings=("odd",) * 100)
        event.advance(2)
        assert event.said("Cannot save the state of the devices, retrying: it would have ")
        assert event.folder.state_file.stat().st_size == size

    def test_keeps_the_alarms_where_names_and_findings_would_make_the_file_too_large(
        self, event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collect(event)
        monkeypatch.setattr("sse_twisted.history.store.MAX_SIZE", 1_000)
        assert event.collector is not None
        alarm = {"left_early": "3 of 3 tracks missing", "missing": ("a", "b"), "unnamed": 1, "wanted": 3}
        event.collector.fleet.update(601, stage=Stage.GONE, findings=("odd",) * 500, **alarm)
        event.advance(2)
        assert not event.said("Cannot save")
        kept = saved(event)
        assert (kept["left_early"], kept["unnamed"], kept["stage"]) == ("3 of 3 tracks missing", 3, "gone")
        assert not kept.keys() & {"findings", "missing", "tracks"}


class TestASavedState:
    SEEN = Stamps((10, 100), (11, 200))

    @pytest.mark.parametrize(
        ("answers", "known"),
        [
            (SEEN, True),
            (Stamps((9, 100), SEEN.listing), False),
            (Stamps((10, 101), SEEN.listing), False),
            (Stamps(SEEN.info, (12, 200)), False),
            (Stamps(SEEN.info, (11, 201)), False),
            (Stamps(), False),
        ],
    )
    def test_knows_the_answers_of_its_time_and_no_others(self, answers: Stamps, known: bool) -> None:
        state = SavedState(answers={601: self.SEEN})
        assert state.knows(601, answers) is known
        assert not state.knows(602, self.SEEN)
        assert state.knows(602, Stamps())

    @pytest.mark.parametrize(
        ("mtime", "known"),
        [
            (1_665_993_601_123_456_789, True),
            (1_665_993_601_120_000_000, True),  # exFAT
            (1_665_993_601_000_000_000, True),  # exFAT by FUSE
            (1_665_993_600_000_000_000, True),  # FAT
            (1_665_993_601_123_456_788, False),
            (1_665_993_601_130_000_000, False),
            (1_665_993_602_000_000_000, False),
            (1_665_993_599_000_000_000, False),
        ],
    )
    def test_knows_answers_that_were_copied_to_a_disk_with_coarse_times(self, mtime: int, known: bool) -> None:
        state = SavedState(answers={601: Stamps((1_665_993_601_123_456_789, 100), self.SEEN.listing)})
        assert state.knows(601, Stamps((mtime, 100), self.SEEN.listing)) is known
        assert not state.knows(601, Stamps((mtime, 101), self.SEEN.listing))

    @pytest.mark.parametrize(("written_at", "known"), [(10, False), (11, True), (12, True)])
    def test_of_version_1_knows_the_answers_up_to_its_own_time(self, written_at: int, known: bool) -> None:
        state = SavedState(written_at=written_at)
        assert state.knows(601, self.SEEN) is known
        assert state.knows(601, Stamps(self.SEEN.listing, self.SEEN.info)) is known

    def test_that_there_is_none_knows_no_answers(self) -> None:
        assert not SavedState().knows(601, self.SEEN)

    @pytest.mark.parametrize(
        ("answers", "listed"),
        [
            (SEEN, True),
            (Stamps((12, 100), SEEN.listing), False),
            (Stamps((12, 100), (13, 200)), True),
            (Stamps((9, 100), (9, 200)), True),
        ],
    )
    def test_tells_whether_a_device_was_listed_again_with_its_answers(self, answers: Stamps, listed: bool) -> None:
        assert SavedState(answers={601: self.SEEN}).may_be_listed(601, answers) is listed
        assert SavedState().may_be_listed(601, answers)
