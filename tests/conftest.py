"""Fixtures of the whole suite, and the strictness of trial that pytest-twisted leaves out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures, which is not part of the project."""
    if not CAPTURES.is_dir():
        pytest.skip(f"no captures of real devices at {CAPTURES}")
    return CAPTURES


@pytest.fixture(autouse=True)
def no_failure_is_left_unhandled() -> Iterator[None]:
    """Fail a test that leaves a Deferred's failure to the garbage collector, or logs one to Twisted's own log."""
    failures: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            failures.append(event)

    observer = cast(ILogObserver, observe)
    globalLogPublisher.addObserver(observer)
    yield
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
