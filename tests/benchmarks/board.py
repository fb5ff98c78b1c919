"""What the board costs, and how soon a change is on it: many readers of a large fleet that changes all the time."""

from __future__ import annotations

import csv
import datetime
import re
import selectors
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from sse_twisted.simulator.generator import TIMEZONE, generate_roster
from tests.benchmarks.cases import Bench
from tests.benchmarks.partner import Partner, partner
from tests.benchmarks.report import Figure, delay_figures

FIRST_PAINT: Final = (
    "",
    "static/board.css",
    "static/commands.js",
    "static/live.js",
    "static/board.js",
    "static/icons.svg",
    "static/favicon.svg",
)
MOMENT: Final = re.compile(rb"at (\d+\.\d{4})")
SETTLE: Final = 1.0  # s until what was begun runs evenly


def board(
    bench: Bench, devices: int = 1000, readers: int = 50, rate: float = 20.0, seconds: float = 15.0
) -> Iterator[Figure]:
    """The same changes without readers and with them; then one more reader, a browser, if there is one."""
    case = f"board, {devices} devices, {readers} readers, {rate:g} changes a second"
    with tempfile.TemporaryDirectory(prefix="sse-benchmark-", dir=bench.folder) as folder:
        root = Path(folder)
        write_roster(root / "config" / "motions.csv", devices)
        with partner("tests.benchmarks.showing", root / "twistd.log", folder=folder) as showing:
            (place,) = showing.said("prepare")
            weight = sum(packed(place["port"], path) for path in FIRST_PAINT)
            showing.ask("change", rate=rate)
            alone = share(showing, lambda: time.sleep(seconds))
            crowd = Crowd(place["port"], readers)
            crowd.read(SETTLE)
            crowd.latencies.clear()
            showing.ask("watch")
            together = share(showing, lambda: crowd.read(seconds))
            delays = showing.ask("delays")
            crowd.close()
            in_browser = browse(place["port"], seconds / 3)
    late = sorted(crowd.latencies)
    yield Figure(case, "processor, with readers", 100 * together, "%", 25)
    yield Figure(case, "processor, the same changes without readers", 100 * alone, "%")
    yield Figure(case, "from change to reader: p50", 1000 * statistics.median(late), "ms")
    yield Figure(case, "from change to reader: longest", 1000 * late[-1], "ms", 300)
    yield Figure(case, "changes told to each reader a second", len(late) / readers / seconds, "")
    if in_browser:
        yield Figure(case, "from change to the page in Chromium: p50", 1000 * statistics.median(in_browser), "ms")
        yield Figure(case, "from change to the page in Chromium: longest", 1000 * max(in_browser), "ms", 300)
    yield Figure(case, "first paint, packed", weight / 1000, "KB", 100)
    yield from delay_figures(case, "reactor", delays["reactor"], has_goal=True)
    yield from delay_figures(case, "reactor, had it had a processor", delays["own"], has_goal=True)


class Crowd:
    """Readers of the page's stream, each with a connection of its own."""

    def __init__(self, port: int, count: int) -> None:
        self.latencies: list[float] = []  # s
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            reader = socket.create_connection(("127.0.0.1", port))
            reader.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            reader.setblocking(False)
            self._selector.register(reader, selectors.EVENT_READ)

    def read(self, seconds: float) -> None:
        """Take all that comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr] # it is a socket
                assert data, "the board hung up"
                now = time.time()
                self.latencies += [now - float(moment) for moment in MOMENT.findall(data)]

    def close(self) -> None:
        """Go."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr] # it is a socket
        self._selector.close()


def share(showing: Partner, wait: object) -> float:
    """Which share of a processor the board's process takes meanwhile."""
    before = showing.ask("usage")
    assert callable(wait)
    wait()
    after = showing.ask("usage")
    return float((after["cpu"] - before["cpu"]) / (after["at"] - before["at"]))


def packed(port: int, path: str) -> int:
    """Bytes of a body as they come to a browser."""
    with urlopen(Request(f"http://127.0.0.1:{port}/{path}", headers={"Accept-Encoding": "gzip"})) as answer:
        return len(answer.read())


def browse(port: int, seconds: float) -> list[float]:
    """How long each change took, in s, until it was in the page of a real browser; [] where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    path = shutil.which("chromium")
    if path is None:
        return []
    watch = """() => {
        window.late = [];
        new MutationObserver((changes) => {
            for (const change of changes)
                for (const node of change.addedNodes) {
                    const moment = /at (\\d+\\.\\d{4})/.exec(node.textContent);
                    if (moment) window.late.push(Date.now() / 1000 - Number(moment[1]));
                }
        }).observe(document.getElementById("board"), { childList: true, subtree: true });
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_timeout(1000 * SETTLE)
        page.evaluate(watch)
        page.wait_for_timeout(1000 * seconds)
        late: list[float] = page.evaluate("window.late")
        browser.close()
    return late


def write_roster(path: Path, devices: int) -> None:
    """Everybody is expected today."""
    today = datetime.datetime.fromtimestamp(time.time() + 60 * TIMEZONE, datetime.UTC).date()
    tomorrow = today + datetime.timedelta(days=1)
    rows = generate_roster(range(1, devices + 1), today, tomorrow, seed=1)
    path.parent.mkdir(parents=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
