"""The event that a test of this folder happens in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]  # it has no annotations

from tests.support.real_event import RealEvent, folder_in_memory


@pytest.fixture
def root() -> Iterator[Path]:
    """Where the event folder will be."""
    with folder_in_memory() as folder:
        yield folder / "event"


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]  # it has no annotations
async def event(root: Path) -> AsyncIterator[RealEvent]:
    """An event without devices; at the end of the test it is closed and checked."""
    from twisted.internet import reactor

    real = RealEvent(reactor, root)
    yield real
    await real.close()
