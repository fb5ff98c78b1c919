"""The pause of downloads over restarts, and its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sse_twisted.daemon.collector import Collector
from tests.support.event import MORNING, VirtualEvent, begin_anew, log_of
from tests.support.virtual import LateThreads

PAUSED = "downloads paused: requested by an operator at 09:00, until midnight at the latest"
MIDNIGHT = 15 * 3600  # s from the start, at 08:00 UTC, to the midnight of UTC+1


def running(event: VirtualEvent) -> Collector:
    assert event.collector is not None
    return event.collector


def file_of(event: VirtualEvent) -> Path:
    return event.folder.state / "paused.json"


def downloads(event: VirtualEvent) -> str:
    """What the condition of the downloads says."""
    return next(each.text for each in running(event).conditions() if each.subject == "downloads")


@pytest.fixture
def paused(event: VirtualEvent) -> VirtualEvent:
    """An event whose downloads are paused, with a device that waits."""
    event.device(601, log_of(601))
    event.start().commands.pause()
    event.arrive(601)
    event.until("motion-601 must stay connected - 1 of 1 track missing, downloads are paused")
    return event


def test_a_restart_does_not_end_it_and_warns(paused: VirtualEvent) -> None:
    assert downloads(paused) == PAUSED
    begin_anew(paused)
    assert paused.said("WARN Downloads are still paused, as requested at 09:00 before this start")
    paused.until("motion-601 must stay connected - 1 of 1 track missing, downloads are paused")
    assert not paused.tracks()
    assert downloads(paused) == PAUSED
    begin_anew(paused)
    assert paused.said("WARN Downloads are still paused, as requested at 09:00 before this start")


def test_resume_ends_it_for_later_starts_too(paused: VirtualEvent) -> None:
    begin_anew(paused)
    running(paused).commands.resume()
    paused.until("motion-601 can be disconnected")
    assert not file_of(paused).exists()
    begin_anew(paused)
    assert not paused.said("paused")
    assert downloads(paused) == ""


def test_it_ends_with_the_day_in_the_zone_of_the_event(paused: VirtualEvent) -> None:
    paused.utc += MIDNIGHT - 60
    paused.advance(50 - paused.reactor.seconds())
    assert not paused.tracks()
    paused.advance(70)
    assert paused.said("WARN Downloads resumed: the pause of 2022-10-17 ended with its day")
    paused.until("motion-601 can be disconnected")
    assert not file_of(paused).exists()


def test_a_start_on_another_day_ends_it(paused: VirtualEvent) -> None:
    def a_day_passes() -> None:
        paused.utc += 86_400

    begin_anew(paused, a_day_passes)
    assert paused.said("WARN Downloads resumed: the pause of 2022-10-17 ended with its day")
    assert not paused.said("still paused")
    paused.until("motion-601 can be disconnected")
    assert not file_of(paused).exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"paused_at": "x"}', b'{"paused_at": -1}', b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_and_does_not_stop_the_start(event: VirtualEvent, content: bytes) -> None:
    event.device(601, log_of(601))
    event.folder.state.mkdir(mode=0o700)
    file_of(event).write_bytes(content)
    event.arrive(601)
    event.start()
    assert event.said("ERROR Saved pause is unreadable, downloads are not paused: ")
    event.until("motion-601 can be disconnected")
    assert (event.folder.state / "paused.json.unusable.1").read_bytes() == content
    assert not file_of(event).exists()


def test_it_is_on_disk_before_it_is_answered(event: VirtualEvent) -> None:
    event.start_in_thread = LateThreads(event.reactor, [3.0]).start
    collector = event.start()
    event.advance(1)
    answers: list[Any] = []
    answer: Deferred[None] = collector.commands.pause()
    answer.addCallback(lambda _: answers.append(json.loads(file_of(event).read_bytes())))
    assert collector.live.paused, "it does not wait for the disk to pause"
    event.advance(1)
    assert not answers
    event.advance(10)
    assert answers == [{"paused_at": MORNING / 1000 + 1}]


def test_the_last_of_several_commands_holds(event: VirtualEvent) -> None:
    collector = event.start()
    for command in (collector.commands.pause, collector.commands.resume) * 3:
        command()
    event.advance(1)
    assert not file_of(event).exists()
    collector.commands.pause()
    event.advance(1)
    assert file_of(event).exists()


def test_a_pause_that_cannot_be_saved_holds_until_the_restart_and_says_so(
    event: VirtualEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = event.start()
    event.advance(1)

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("sse_twisted.history.pause.write_whole", fail)
    failures: list[str] = []
    collector.commands.pause().addErrback(lambda failure: failures.append(failure.getErrorMessage()))
    event.advance(1)
    assert failures == ["downloads paused, but only until a restart: Input/output error"]
    assert collector.live.paused
