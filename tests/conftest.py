"""Fixtures of the whole suite.

Every test, by fixtures that it need not ask for, fails on logged failures, on unhandled errors of Deferreds and on
calls that are left in the reactor: `trial` checks the same, pytest-twisted does not.
"""

from __future__ import annotations

import datetime
import gc
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import Phase, settings
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.support.event import VirtualEvent

# Hypothesis: no deadline, for the machine may be busy. The same examples in each run, so that a test fails again that
# has failed once; `python -m tests.fuzz` looks for new ones.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("unshrunk", settings.get_profile("suite"), phases=(Phase.explicit, Phase.generate))
settings.load_profile("suite")

# Bytecode is written, whatever the environment says: the tests start more than a hundred Python processes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# `tmp_path` is in memory where there is room: thousands of fsyncs would take longer than the tests.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2_000_000_000:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of `-n auto`: one more than processors, for many tests wait for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def captures() -> Path:
    """Captures of real devices, which are not part of the project; a test that needs them is skipped without."""
    if not CAPTURES.is_dir():
        pytest.skip(f"no captures of real devices at {CAPTURES}")
    return CAPTURES


@pytest.fixture
def event(tmp_path: Path) -> Iterator[VirtualEvent]:
    """An event in virtual time, without devices; its collector is stopped after the test."""
    event = VirtualEvent(tmp_path)
    yield event
    if event.collector is not None:
        event.stop()


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime.timezone]:
    """The time zone of this process during the test: 3.5 hours west of Greenwich."""
    monkeypatch.setenv("TZ", "XXX3:30")
    time.tzset()
    yield datetime.timezone(datetime.timedelta(hours=-3.5))
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[LogEvent]]:
    """Fail a test that logs a failure or leaves a failed Deferred, unless the test removes it from this list.

    Garbage is collected after each test, because a failed Deferred logs its error when it is deleted. Objects that
    existed before the test are frozen first: to search them each time would take a fifth of all CPU time.
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
