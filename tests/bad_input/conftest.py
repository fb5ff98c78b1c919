"""The event that a test of this folder happens in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations

from tests.support.real_event import RealEvent


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]  # it has no annotations
async def event(tmp_path: Path) -> AsyncIterator[RealEvent]:
    """An event without devices; at the end of the test it is closed and checked."""
    from twisted.internet import reactor

    real = RealEvent(reactor, tmp_path / "event")
    yield real
    await real.close()
