"""Makes the README's pictures of the board and the course, from the demo and a real browser.

    python -m tests.screenshots [FOLDER]

It waits until the demo has something in the columns that matter. It looks different each time; commit the pictures only
if the board has changed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tests.web.browser import chromium

PICTURES: Final = {
    "board-light": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "board-dark": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "dark"},
    "board-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "course": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
}
PATHS: Final = {"course": "course"}  # of the pages that are not the board
WANTED: Final = {"keep-on": 1, "switch-off": 10, "working": 3, "expected": 10, "gone": 5}  # devices in these columns
EVENT: Final = "speed-week-2026"
PATIENCE: Final = 100.0  # s


def main() -> int:
    """Make all of them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "screenshots")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as parent:
        event = f"{parent}/{EVENT}"
        command = [str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "sse"]
        command += ["--demo", "--demo-devices", "100", "--event", event, "--manhole", "off"]
        command += ["--web", "tcp:0:interface=127.0.0.1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
            try:
                return _take(folder, _address(Path(event) / "logs" / "server.log"))
            finally:
                demo.terminate()


def _address(log: Path) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if log.exists() and (found := re.search(r"The board is at (http://\S+?/);", log.read_text())):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError("the demo does not say where its board is")


def _take(folder: Path, address: str) -> int:
    with chromium() as browser:
        pages = {name: browser.new_context(**options).new_page() for name, options in PICTURES.items()}  # type: ignore[arg-type] # as they are
        for name, page in pages.items():
            page.goto(address + PATHS.get(name, ""))
        end = time.monotonic() + PATIENCE
        while not _is_worth_a_picture(address):
            if time.monotonic() > end:
                print("the demo never had something in each column", file=sys.stderr)
                return 1
            time.sleep(0.05)
        for name, page in pages.items():
            page.screenshot(path=folder / f"{name}.png")
    return 0


def _is_worth_a_picture(address: str) -> bool:
    with urlopen(f"{address}api/v1/fleet", timeout=PATIENCE) as answer:  # noqa: S310 - our own
        columns = json.load(answer)["summary"]["columns"]
    return all(columns[column] >= count for column, count in WANTED.items())


if __name__ == "__main__":
    sys.exit(main())
