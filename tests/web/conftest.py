"""Fixtures: a web server in virtual time with two assigned devices, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import BytecodeCache, Environment

from sse_twisted.web import rendering
from tests.support.event import VirtualEvent, log_of
from tests.web.browser import Theatre, Watcher, Watching, chromium
from tests.web.desk import Desk

if TYPE_CHECKING:
    from jinja2.bccache import Bucket
    from playwright.sync_api import Browser


class CompiledTemplates(BytecodeCache):
    """Templates of the board, compiled once for all tests: each of these starts a board of its own."""

    def __init__(self) -> None:
        self._bytecode: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled before."""
        if bucket.key in self._bytecode:
            bucket.bytecode_from_string(self._bytecode[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._bytecode[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def compiled_templates() -> Iterator[None]:
    """Have all boards of this process share their compiled templates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "Environment", partial(Environment, bytecode_cache=CompiledTemplates()))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests with a browser in one worker, for the sake of one start of the browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, started once."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def usual() -> dict[str, Any]:
    """Options of a browser's window where a test sets none; a module may override them."""
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
