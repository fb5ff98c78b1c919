"""Real Chromium, and a process with a board and simulated devices."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.stage import COUNT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page

PATIENCE = 60.0  # s until a test gives up; only a machine with much other work needs more than five
# No request to any other host, and no stored state.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; skips a test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium here")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Theatre:
    """The process of `tests.web.stage`."""

    def __init__(self, folder: Path, count: int = COUNT) -> None:
        self.folder = folder
        self.count = count  # devices, from 601 on
        self.address = ""
        self.said: list[str] = []
        self._lines: Queue[str] = Queue()
        self._process: subprocess.Popen[str] | None = None

    @property
    def token(self) -> str:
        """The token of this run."""
        return (self.folder / ".sse_twisted" / "web-token").read_text().strip()

    def open(self) -> None:
        """Start the process; a second start uses the same port."""
        port = self.address.rstrip("/").rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "tests.web.stage", str(self.folder), port, str(self.count)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        threading.Thread(target=self._hear, args=(self._process,), daemon=True).start()
        line = self.hears("The board is at ")
        self.address = re.findall(r"http://\S+?/", line)[0]

    def close(self) -> None:
        """Stop the process and check that it ends well."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(PATIENCE) == 0
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def play(self, *lines: str) -> None:
        """Send commands to the process."""
        assert self._process is not None
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hears(self, text: str) -> str:
        """Wait for a line of the log that contains the text."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no {text!r} in\n" + "\n".join(self.said)) from None
            if text in line:
                return line

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            self._lines.put(line.rstrip())


class Watcher:
    """A browser window with a context of its own; any error on a page fails the test."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.address = address
        self.mishaps: list[str] = []
        # Chromium draws animations with the processor.
        self._context: BrowserContext = browser.new_context(**{"reduced_motion": "reduce"} | options)
        self._context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.mishaps.append(str(error)))
        self.page.on("request", self._request)

    def goes_to(self, path: str = "/") -> Page:
        """Open a page."""
        self.page.goto(self.address.rstrip("/") + path)
        return self.page

    def sees(self, identifier: int, column: str) -> None:
        """Wait until a device is in a column."""
        self.page.locator(f"#{column} #device-{identifier}").wait_for(state="visible")

    def close(self) -> None:
        """Close the window; no script may have failed and no other host been asked."""
        self._context.close()
        assert not self.mishaps, self.mishaps

    def _console(self, message: Any) -> None:
        # The browser itself reports a lost connection and a refused command, which the page shows.
        expected = any(text in message.text for text in ("net::ERR", "401", "409"))
        if message.type in ("error", "warning") and not expected:
            self.mishaps.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.address):
            self.mishaps.append(f"asked for {request.url}")


def violations(page: Page) -> list[str]:
    """Return the violations that axe finds."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


def is_within_its_width(page: Page) -> bool:
    """Whether the page needs no horizontal scrolling, when all of it is there."""
    for _ in range(50):
        if page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            return True
        page.wait_for_timeout(100)
    return False


def box(element: Locator) -> FloatRect:
    """Return the position of an element in the window."""
    found = element.bounding_box()
    assert found is not None
    return found


def stickers(page: Page) -> dict[int, tuple[bool, float]]:
    """Of each device: whether its whole tile is in sight, and how large its number is, in px.

    All at one moment: what is inside of a tile is replaced whenever something changes, and has no size any more.
    """
    found = page.evaluate("""() => [...document.querySelectorAll(".tile")].map((tile) => {
        const { top, left, bottom, right } = tile.getBoundingClientRect();
        const inSight = top >= 0 && left >= 0 && bottom <= window.innerHeight && right <= window.innerWidth;
        const size = parseFloat(getComputedStyle(tile.querySelector(".number")).fontSize);
        return [Number(tile.dataset.id), inSight, size];
    })""")
    return {number: (in_sight, size) for number, in_sight, size in found}


def is_in_sight(element: Locator) -> bool:
    """Whether an element is completely inside the window."""
    inside = """element => {
        const { top, left, bottom, right } = element.getBoundingClientRect();
        return top >= 0 && left >= 0 && bottom <= window.innerHeight && right <= window.innerWidth;
    }"""
    return bool(element.evaluate(inside))


Watching = Callable[..., AbstractContextManager[Watcher]]
