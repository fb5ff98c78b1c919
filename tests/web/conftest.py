"""Fixtures: a web server in virtual time with two assigned devices, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event import VirtualEvent, log_of
from tests.web.browser import Theatre, Watcher, Watching, chromium
from tests.web.desk import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def reactor() -> Any:
    """The real one."""
    from twisted.internet import reactor as installed

    return installed


@pytest.fixture
def desk(event: VirtualEvent) -> Iterator[Desk]:
    """Devices 601 and 602 are assigned today and have a track each; the test decides when they arrive."""
    event.device(601, log_of(601))
    event.device(602, log_of(602))
    desk = Desk(event)
    yield desk
    desk.close()


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """A desk on which 601 can be switched off."""
    desk.event.arrive(601)
    desk.event.until("motion-601 can be disconnected")
    desk.advance(0.5)
    return desk


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, for all tests of a module."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def usual() -> dict[str, Any]:
    """What a browser's window is like where a test says nothing else; a module may have its own."""
    return {}


@pytest.fixture
def watching(browser: Browser, theatre: Theatre, usual: dict[str, Any]) -> Watching:
    """Opens windows on the theatre of the module."""

    @contextmanager
    def watch(**options: Any) -> Iterator[Watcher]:
        watcher = Watcher(browser, theatre.address, **usual | options)
        yield watcher
        watcher.close()

    return watch
