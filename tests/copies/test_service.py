from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from sse_twisted.config.settings import Copies
from sse_twisted.control.health import Condition
from sse_twisted.copies import target
from sse_twisted.copies.copy import Copy
from sse_twisted.copies.lineage import begin
from sse_twisted.copies.source import Look, Source
from sse_twisted.copies.target import Target
from sse_twisted.fleet import Stage
from tests.copies.samples import contents
from tests.support.event import VirtualEvent, log_of
from tests.support.virtual import at_once

MB = 1_000_000


@pytest.fixture
def stick(event: VirtualEvent, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a copy, as the settings have it, as if it were on another disk."""
    monkeypatch.setattr(target, "is_same_disk", lambda one, other: False)
    folder = tmp_path_factory.mktemp("stick")
    use(event, folder)
    return folder


def use(event: VirtualEvent, *folders: Path, required: bool = False) -> None:
    """Set the folders of the copies."""
    copies = Copies(tuple(map(str, folders)), required)
    event.settings = replace(event.settings, copies=copies)


def condition(event: VirtualEvent) -> Condition | None:
    assert event.collector is not None
    return next((each for each in event.collector.conditions() if each.subject == "copies"), None)


def tracks_of(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(folder).items() if path.startswith("gpslogs/")}


class TestCopies:
    def test_are_made_while_devices_are_collected(self, event: VirtualEvent, stick: Path) -> None:
        event.collect()
        event.advance(5)
        assert tracks_of(stick) == event.tracks()
        assert condition(event) == Condition("copies", True, "the only track is on 1 copy")

    def test_have_the_end_of_the_log_after_a_stop(self, event: VirtualEvent, stick: Path) -> None:
        event.collect()
        event.stop()
        assert contents(stick) == contents(event.root)
        assert b"Collector stopped" in (stick / "logs/server.log").read_bytes()

    def test_have_no_condition_if_there_are_none(self, event: VirtualEvent) -> None:
        event.collect()
        assert condition(event) is None

    def test_that_are_gone_neither_stop_collecting_nor_are_made_elsewhere(
        self, event: VirtualEvent, stick: Path
    ) -> None:
        event.collect()
        event.advance(10)
        pulled = stick.rename(stick.with_name("pulled"))
        event.device(602, log_of(602))
        event.arrive(602)
        assert event.until("motion-602 can be disconnected")
        assert event.until(f"ERROR Copy {stick} cannot be written: the folder is not there")
        event.advance(240)
        state = condition(event)
        assert state is not None
        assert not state.ok
        assert "not written for 4 min: the folder is not there" in state.text
        assert not stick.exists()
        assert len(event.said("cannot be written")) == 1
        pulled.rename(stick)
        assert event.until(f"INFO Copy {stick} is there: 2 tracks on it, 0 files to copy")
        assert tracks_of(stick) == event.tracks()

    def test_are_at_their_own_pace(
        self, event: VirtualEvent, stick: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        hanging, other = stick, tmp_path_factory.mktemp("other")
        use(event, hanging, other)

        def start(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
            target = getattr(function, "__self__", None)
            return Deferred() if getattr(target, "root", None) == hanging else at_once(function, *args)

        event.start_in_thread = start
        event.collect()
        event.advance(60)
        assert tracks_of(other) == event.tracks()
        state = condition(event)
        assert state is not None
        assert not state.ok
        assert f"copy {hanging}: its disk has not responded for 60 s" in state.text
        event.stop()
        assert contents(other) == contents(event.root)

    def test_follow_the_settings(
        self, event: VirtualEvent, stick: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        event.collect()
        event.advance(5)
        other = tmp_path_factory.mktemp("other")
        use(event, other)
        assert event.collector is not None
        event.collector.reload()
        before = tracks_of(stick)
        event.device(602, log_of(602))
        event.arrive(602)
        assert event.until("motion-602 can be disconnected")
        event.advance(5)
        assert tracks_of(other) == event.tracks()
        assert tracks_of(stick) == before
        assert [report.folder for report in event.collector.commands.copies()] == [str(other)]

    def test_that_have_all_tracks_are_told_once_when_the_devices_have_gone(
        self, event: VirtualEvent, stick: Path
    ) -> None:
        event.collect()
        event.advance(20)
        assert not event.said("Copies:")
        event.leave(601)
        event.until("INFO Copies: the only track is on 1 copy")
        event.advance(60)
        assert len(event.said("Copies: the only track is on 1 copy")) == 1

    def test_that_are_being_written_do_not_have_all_tracks_yet(self, event: VirtualEvent, stick: Path) -> None:
        waiting: list[Callable[[], object]] = []
        is_slow = False

        def start(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
            if not (is_slow and isinstance(getattr(function, "__self__", None), Target)):
                return at_once(function, *args)
            done: Deferred[Any] = Deferred()
            waiting.append(lambda: at_once(function, *args).chainDeferred(done))
            return done

        event.start_in_thread = start
        event.collect()
        event.leave(601)
        event.until("INFO Copies: the only track is on 1 copy")
        is_slow = True
        event.device(602, log_of(602))
        event.arrive(602)
        event.until("motion-602 can be disconnected")
        event.leave(602)
        event.advance(15)
        assert len(tracks_of(stick)) == 1
        assert not event.said("Copies: all 2 tracks")
        state = condition(event)
        assert state is not None
        assert "tracks are on" not in state.text
        assert "behind" in state.text
        is_slow = False
        for call in waiting:
            call()
        event.until("INFO Copies: all 2 tracks are on 1 copy")
        assert condition(event) == Condition("copies", True, "all 2 tracks are on 1 copy")

    def test_are_looked_after_seldom_if_a_look_takes_long(
        self, event: VirtualEvent, stick: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, looks = Source.look, 0

        def look(source: Source, before: Look) -> Look:
            nonlocal looks
            looks += 1
            event.reactor.rightNow += 2.0
            return real(source, before)

        event.collect()
        monkeypatch.setattr(Source, "look", look)
        event.advance(60)
        assert 3 <= looks <= 8
        assert tracks_of(stick) == event.tracks()

    def test_tell_of_a_file_without_a_readable_name(self, event: VirtualEvent, stick: Path) -> None:
        event.collect()
        (event.root / "results").mkdir(exist_ok=True)
        (event.root / os.fsdecode(b"results/Z\xfcrich\n.csv")).write_bytes(b"")
        event.until(rf"WARN Copy {stick} lacks results/Z\xdcfcrich\x0a.csv: its name is not UTF-8: rename it")
        state = condition(event)
        assert state is not None
        assert r"lacks 1 file: results/Z\xdcfcrich\x0a.csv: its name is not UTF-8" in state.text

    def test_on_the_disk_of_the_event_folder_are_remarked_on(
        self, event: VirtualEvent, stick: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        event.collect()
        assert event.said(f"WARN Copy {stick} is on the same disk as the event folder")
        event.advance(5)
        text = f"the only track is on 1 copy; copy {stick} is on the same disk as the event folder"
        assert condition(event) == Condition("copies", True, text, warning=True)

    def test_with_which_another_collector_went_on_are_left_alone_loudly(self, event: VirtualEvent, stick: Path) -> None:
        event.collect()
        event.advance(10)
        begin(stick, 0.0)
        event.device(602, log_of(602))
        event.arrive(602)
        assert event.until("motion-602 can be disconnected")
        assert event.until(f"CRITICAL Copy {stick} is left alone: another collector has gone on with it")
        event.advance(60)
        assert len(tracks_of(stick)) == 1
        assert len(event.said("left alone")) == 1
        state = condition(event)
        assert state is not None
        assert f"copy {stick}: left alone: another collector" in state.text


class TestARequiredCopy:
    def test_is_waited_for_by_the_verdict_which_says_so(self, event: VirtualEvent, stick: Path) -> None:
        stick.rmdir()
        use(event, stick, required=True)
        event.device(601, log_of(601))
        event.arrive(601)
        event.start()
        line = event.until("motion-601 must stay connected - waits for a copy of 1 track")
        assert f"{stick}: not written for 10 s: the folder is not there" in line
        event.advance(300)
        assert not event.is_collected(601)
        assert event.known(601).stage is Stage.ATTENTION
        assert len(event.said("must stay connected")) < 3
        stick.mkdir()
        assert event.until("motion-601 can be disconnected")
        assert tracks_of(stick) == event.tracks()

    def test_is_on_another_disk_than_the_event_folder(
        self, event: VirtualEvent, stick: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        use(event, stick, required=True)
        event.device(601, log_of(601))
        event.arrive(601)
        event.start()
        line = event.until("motion-601 must stay connected - waits for a copy of 1 track")
        assert f"{stick}: up to date, but on the same disk as the event folder" in line
        assert tracks_of(stick) == event.tracks()
        assert not event.is_collected(601)

    def test_is_one_of_several(
        self, event: VirtualEvent, stick: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = tmp_path_factory.mktemp("other")
        shutil.rmtree(stick)
        use(event, stick, other, required=True)
        event.collect()
        assert not event.said("must stay connected")
        assert tracks_of(other) == event.tracks()

    def test_is_needed_no_more_when_the_settings_say_so(self, event: VirtualEvent, stick: Path) -> None:
        stick.rmdir()
        use(event, stick, required=True)
        event.device(601, log_of(601))
        event.arrive(601)
        event.start()
        event.until("waits for a copy")
        use(event, stick)
        assert event.collector is not None
        event.collector.reload()
        assert event.until("motion-601 can be disconnected")

    def test_of_other_bytes_does_not_count(self, event: VirtualEvent, stick: Path) -> None:
        event.collect()
        event.advance(5)
        assert event.collector is not None
        (copy,) = (each for each in event.collector.copies._copies.values() if isinstance(each, Copy))
        (path,) = event.tracks()
        assert copy.target.has(path, "")
        assert not copy.target.has(path, "other")
