"""Fixtures of the whole suite, and the strictness of trial that pytest-twisted leaves out."""

from __future__ import annotations

import datetime
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.support.event import VirtualEvent

settings.register_profile("untimed", deadline=None)  # a machine that has other things to do is no mistake of ours
settings.load_profile("untimed")

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for another process, or for a browser."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures, which is not part of the project."""
    if not CAPTURES.is_dir():
        pytest.skip(f"no captures of real devices at {CAPTURES}")
    return CAPTURES


@pytest.fixture
def event(tmp_path: Path) -> Iterator[VirtualEvent]:
    """An event in virtual time, in a folder of its own."""
    event = VirtualEvent(tmp_path)
    yield event
    if event.collector is not None:
        event.stop()


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime.timezone]:
    """A laptop whose clock is set to a zone 3.5 hours west of Greenwich."""
    monkeypatch.setenv("TZ", "XXX3:30")
    time.tzset()
    yield datetime.timezone(datetime.timedelta(hours=-3.5))
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[LogEvent]]:
    """Fail a test that leaves or logs a failure, unless the test takes it from this list.

    Whatever was there before the test is no garbage of it: else to look for that would take a fifth of all time.
    """
    gc.freeze()
    failures: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            failures.append(event)

    observer = cast(ILogObserver, observe)
    globalLogPublisher.addObserver(observer)
    yield failures
    gc.collect()
    globalLogPublisher.removeObserver(observer)
    assert not failures, "\n".join(str(event["log_failure"]) for event in failures)


@pytest.fixture(autouse=True)
def no_timer_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a call pending in the reactor."""
    yield
    from twisted.internet import reactor as installed

    reactor: Any = installed
    left = [call for call in reactor.getDelayedCalls() if call.active()]
    for call in left:
        call.cancel()
    assert not left, f"timers left in the reactor: {left}"
