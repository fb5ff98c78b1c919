"""The event that a test of this folder happens in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations

from tests.support.real_event import RealEvent


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]  # it has no annotations
async def event(tmp_path: Path) -> AsyncIterator[RealEvent]:
    """An event without devices; at the end of the test it is closed and checked."""
    from twisted.internet import reactor

    real = RealEvent(reactor, tmp_path / "event")
    yield real
    await real.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A disk of 3 MB for the tracks; changed by the options of a remount."""
    place = tmp_path / "event" / "gpslogs"
    place.mkdir(parents=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place]).returncode:
        pytest.skip("only root can mount a small disk")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)

    yield remount
    subprocess.run(["umount", "-l", place], check=True)
