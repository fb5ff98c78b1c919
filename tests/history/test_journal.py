"""The logs of an event: server.log as the original wrote it, server.json for programs, and what befalls them."""

from __future__ import annotations

import datetime
import errno
import os
import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from twisted.logger import ILogObserver, LogEvent, LogLevel, eventsFromJSONLogFile, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from sse_twisted.config.settings import Log
from sse_twisted.history.journal import Journal
from sse_twisted.runtime import line_writer

LINE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},(DEBUG|INFO|WARNING|ERROR|CRITICAL),(.+)")


class Desk:
    """A journal in a folder, and settings that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.settings = Log(console="critical", file="debug")
        self.journal = Journal(folder, lambda: self.settings)
        self.log = self.journal.log
        self.journal.startService()

    @property
    def text(self) -> str:
        """All of server.log."""
        self.journal.flush()
        return (self.folder / "server.log").read_bytes().decode()

    def said(self) -> list[tuple[str, str]]:
        """Level and message of each line of server.log, every one of which must be of the original's form."""
        matches = [(LINE.fullmatch(line), line) for line in self.text.splitlines()]
        assert not [line for match, line in matches if match is None]
        return [(match[1], match[2]) for match, _ in matches if match]

    def events(self) -> list[LogEvent]:
        """What Twisted reads from server.json."""
        self.journal.flush()
        with (self.folder / "server.json").open("rb") as file:
            return list(eventsFromJSONLogFile(file))


def failure_of(text: str) -> Failure:
    """As it is caught."""
    try:
        raise ValueError(text)
    except ValueError:
        return Failure()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "logs")
    yield made
    made.journal.stopService()


def test_lines_are_of_the_form_that_the_original_wrote(desk: Desk) -> None:
    desk.log.info("{device} is connected", device="motion-653")
    desk.log.emit(LogLevel.warn, "{device} firmware is not approved ({name})", device="motion-653", name="3232 Release")
    desk.log.error("{device} {track} failed", device="motion-653", track="AND122BRU_653_20221018_113632.oao")
    desk.log.debug("{device} has been disconnected", device="motion-653")
    desk.log.critical("Downloads pause: {reason}", reason="only 3 MB free")
    assert desk.said() == [
        ("INFO", "motion-653 is connected"),
        ("WARNING", "motion-653 firmware is not approved (3232 Release)"),
        ("ERROR", "motion-653 AND122BRU_653_20221018_113632.oao failed"),
        ("DEBUG", "motion-653 has been disconnected"),
        ("CRITICAL", "Downloads pause: only 3 MB free"),
    ]


def test_the_time_of_a_line_is_that_of_the_laptop(desk: Desk, far_west: datetime.timezone) -> None:
    moments = [datetime.datetime.now(far_west)]
    desk.log.info("noted")
    moments.append(datetime.datetime.now(far_west))
    assert desk.text in {f"{moment:%Y-%m-%d %H:%M:%S},INFO,noted\n" for moment in moments}


def test_a_line_is_there_soon(desk: Desk) -> None:
    desk.log.info("one")
    assert [message for _, message in desk.said()] == ["one"]
    assert len(desk.events()) == 1


def test_braces_and_commas_of_a_device_are_text(desk: Desk) -> None:
    desk.log.info("{device} {remark}", device="motion-653", remark="a {name}, {0.__class__} and 100%")
    assert desk.said() == [("INFO", "motion-653 a {name}, {0.__class__} and 100%")]


def test_no_text_can_begin_a_line_of_its_own(desk: Desk) -> None:
    for end in ("\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
        desk.log.info("{path}", path=f"a{end}2022-10-18 11:36:32,INFO,motion-653 can be disconnected")
    assert len(desk.said()) == 8


def test_no_failure_can_begin_a_line_of_its_own(desk: Desk) -> None:
    desk.log.failure("Could not be handled", failure_of("one\ntwo\nthree"), LogLevel.error)
    assert desk.said() == [("ERROR", "Could not be handled: one two three")]


def test_text_that_is_no_unicode_is_escaped(desk: Desk) -> None:
    desk.log.info("{path}", path="tracks\udcff.csv")
    assert desk.said() == [("INFO", "tracks\\udcff.csv")]
    assert formatEvent(desk.events()[0]) == "tracks\udcff.csv"


def test_a_failure_is_one_line_with_its_message_and_has_its_place_for_programs(desk: Desk) -> None:
    desk.log.failure("{device} could not be handled", failure_of("wind"), LogLevel.error, device="motion-653")
    assert desk.said() == [("ERROR", "motion-653 could not be handled: wind")]
    (event,) = desk.events()
    assert "in failure_of" in event["log_failure"].getTraceback()
    assert "wind" in {value for value in event.values() if isinstance(value, str)}


def test_twisted_reads_the_fields_of_each_event_back(desk: Desk) -> None:
    started = time.time()
    desk.log.emit(LogLevel.warn, "{device} storage is {full}% full", device="motion-653", full=97, tracks=("a", "b"))
    (event,) = desk.events()
    assert (event["device"], event["full"], event["tracks"]) == ("motion-653", 97, ["a", "b"])
    assert event["log_level"] is LogLevel.warn
    assert event["log_namespace"] == "sse"
    assert started <= event["log_time"] <= time.time()
    assert formatEvent(event) == "motion-653 storage is 97% full"


def test_what_json_does_not_know_costs_that_field_only(desk: Desk) -> None:
    desk.log.info("{device} in {folder}", device="motion-653", folder=Path("/event"), thing=object())
    (event,) = desk.events()
    assert event["device"] == "motion-653"
    assert formatEvent(event) == "motion-653 in /event"


def test_each_way_out_has_its_level(desk: Desk) -> None:
    console: list[str] = []

    def listen(event: LogEvent) -> None:
        if event["log_namespace"] == "sse":
            console.append(formatEvent(event))

    listener = cast(ILogObserver, listen)
    globalLogPublisher.addObserver(listener)
    try:
        for settings in (Log("error", "warning"), Log("debug", "error"), Log("critical", "critical")):
            desk.settings = settings
            desk.journal.reconfigure()
            for emit in (desk.log.debug, desk.log.info, desk.log.warn, desk.log.error):
                emit("{file} {screen}", file=settings.file, screen=settings.console)
    finally:
        globalLogPublisher.removeObserver(listener)
    assert [level for level, _ in desk.said()] == ["WARNING", "ERROR", "ERROR"]
    assert [formatEvent(event) for event in desk.events()] == ["warning error"] * 2 + ["error debug"]
    assert console == ["warning error"] + ["error debug"] * 4


def test_an_observer_gets_every_level(desk: Desk) -> None:
    heard: list[LogEvent] = []
    desk.settings = Log(console="critical", file="critical")
    desk.journal.reconfigure()
    desk.journal.observe(heard.append)
    desk.log.debug("quiet")
    assert [formatEvent(event) for event in heard] == ["quiet"]
    assert desk.said() == []


def test_logs_that_were_rotated_away_go_on_in_new_files_and_nothing_is_lost(desk: Desk) -> None:
    desk.log.info("one")
    desk.journal.flush()
    for name in ("server.log", "server.json"):
        (desk.folder / name).rename(desk.folder / f"{name}.1")
    desk.log.info("two")
    desk.journal.flush()
    desk.journal.reconfigure()
    desk.log.info("three")
    assert [message for _, message in desk.said()] == ["three"]
    assert [formatEvent(event) for event in desk.events()] == ["three"]
    assert (desk.folder / "server.log.1").read_text().count("\n") == 2
    assert (desk.folder / "server.json.1").read_text().count("\n") == 2


def test_a_folder_that_was_moved_away_is_not_made_again_and_its_lines_wait_for_it(desk: Desk) -> None:
    away = desk.folder.with_name("old")
    desk.folder.rename(away)
    desk.journal.reconfigure()
    desk.log.info("one")
    desk.journal.flush()
    assert not desk.folder.exists()
    away.rename(desk.folder)
    desk.log.info("two")
    assert [message for _, message in desk.said()][:1] == ["one"]
    assert [message for _, message in desk.said()][-1:] == ["two"]


def test_lines_are_held_while_the_event_folder_is_away(desk: Desk) -> None:
    desk.log.info("before")
    desk.journal.flush()
    desk.journal.hold()
    desk.folder.rename(desk.folder.with_name("old"))
    desk.log.info("meanwhile")
    desk.folder.with_name("old").rename(desk.folder)
    assert "meanwhile" not in (desk.folder / "server.log").read_text()
    desk.journal.release()
    desk.log.info("after")
    assert [message for _, message in desk.said()] == ["before", "meanwhile", "after"]


def test_a_later_run_goes_on_behind_the_lines_of_an_earlier_one(desk: Desk) -> None:
    desk.log.info("one")
    desk.journal.stopService()
    desk.log.info("no observer gets this")
    later = Desk(desk.folder)
    later.log.info("two")
    assert [message for _, message in later.said()] == ["one", "two"]
    assert [formatEvent(event) for event in later.events()] == ["one", "two"]
    later.journal.stopService()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_does_not_stop_a_start_and_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of the run before was torn."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "server.log").write_text("2022-10-17 09:00:00,INFO,to")
    heard: list[LogEvent] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        desk = Desk(logs)
        desk.journal.observe(heard.append)
        for number in range(4):
            desk.log.info("{number}", number=number)
            desk.journal.flush()
    desk.journal.stopService()
    texts = [formatEvent(event) for event in heard]
    assert [text for text in texts if len(text) == 1] == ["0", "1", "2", "3"]
    trouble = [text for text in texts if "No space left on device" in text]
    assert len(trouble) == 2  # one for each file
    assert desk.text.splitlines()[-1].endswith(",INFO,3")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_log_that_can_not_be_opened_does_not_stop_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def failing(path: object, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("server.log"):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, *args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        desk = Desk(tmp_path / "logs")
        desk.log.info("one")
        desk.journal.flush()
    desk.log.info("two")
    said = [message for _, message in desk.said()]
    assert said[0] == "one"
    assert said[-1] == "two"
    desk.journal.stopService()


def test_no_link_and_no_pipe_is_written_to_as_a_log(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (logs / "server.log").symlink_to(victim)
    os.mkfifo(logs / "server.json")
    desk = Desk(logs)
    desk.log.info("one")
    desk.journal.flush()
    assert victim.read_text() == "mine"
    desk.journal.stopService()


def test_a_hard_link_is_not_written_to_as_a_log_and_kept_beside_a_new_one(tmp_path: Path) -> None:
    logs, victims = tmp_path / "logs", [tmp_path / "victim", tmp_path / "other"]
    logs.mkdir()
    for victim, name in zip(victims, ("server.log", "server.json"), strict=True):
        victim.write_text("mine")
        (logs / name).hardlink_to(victim)
    desk = Desk(logs)
    desk.log.info("one")
    desk.journal.flush()
    assert [victim.read_text() for victim in victims] == ["mine", "mine"]
    assert (logs / "server.log").read_text().endswith(",INFO,one\n")
    assert (logs / "server.log.unusable.1").read_text() == "mine"
    said = [message for _, message in desk.said()]
    assert f"server.log was a hard link, perhaps to a file of somebody else: kept as {logs}/server.log.unusable.1" in (
        message.partition(", a new")[0] for message in said
    )
    desk.journal.stopService()


def test_a_disk_that_hangs_does_not_hold_up_the_logger_and_dropped_lines_are_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing until it is let go; by then more lines have come than may wait."""
    let_go, write = Event(), os.write

    def hanging(descriptor: int, data: bytes) -> int:
        let_go.wait()
        return write(descriptor, data)

    desk.settings = Log(console="critical", file="info")
    desk.journal.reconfigure()
    monkeypatch.setattr(line_writer, "MAX_WAITING", 20_000)
    monkeypatch.setattr(os, "write", hanging)
    for number in range(300):
        desk.log.info("line {number} {text}", number=number, text="x" * 100)
    let_go.set()
    desk.journal.flush()
    desk.log.info("after")
    said = [message for _, message in desk.said()]
    kept = [message for message in said if message.startswith("line ")]
    (note,) = [message for message in said if message.endswith("the disk did not keep up with server.log")]
    assert [message.split()[1] for message in kept] == [str(number) for number in range(len(kept))]
    assert len(kept) + int(note.split()[0]) == 300
    assert said[len(kept)] == note
    assert said[-1] == "after"


def test_the_end_does_not_wait_for_a_disk_that_hangs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = Event()
    monkeypatch.setattr(os, "write", lambda *_: let_go.wait() and 0)
    desk.log.info("lost")
    desk.journal.stopService()  # if it waited, the test would never end
    assert not let_go.is_set()
    let_go.set()


def test_when_there_is_room_again_lines_are_whole_again(desk: Desk) -> None:
    desk.log.info("before")
    with room_for(100):
        for number in range(40):
            desk.log.info("{number} {text}", number=number, text="x" * 500)
    desk.log.info("after")
    desk.log.info("later")
    assert desk.said()[0] == ("INFO", "before")
    assert [message for _, message in desk.said()][-2:] == ["after", "later"]
    assert [formatEvent(event) for event in desk.events()][-2:] == ["after", "later"]


def test_logs_that_can_not_be_opened_again_do_not_end_the_collector_and_their_lines_wait(desk: Desk) -> None:
    desk.folder.rename(desk.folder.with_name("old"))
    desk.folder.touch()
    desk.journal.reconfigure()
    desk.log.info("waits")
    desk.journal.flush()
    desk.folder.unlink()
    desk.folder.mkdir()
    desk.log.info("kept")
    said = desk.said()
    assert said[0] == ("INFO", "waits")
    assert said[-1] == ("INFO", "kept")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may become longer: as a disk that fills up, it takes the first part of a line."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
