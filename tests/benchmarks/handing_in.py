"""How long 24 files of six formats and more take that are handed in at once: python -m tests.benchmarks.handing_in

A collector of its own runs as it does at an event. The files have arbitrary names; real ones are taken where they are.
What collecting notices of them is measured by `tests.benchmarks.attack --case hand-ins`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sse_twisted.tracks.formats import format_named
from tests.tracks import written

REAL = Path(__file__).parents[3] / "shared/data/formats"
FILES = 24
AT_ONCE = 3  # as the page does
PATIENCE = 60.0  # s
MAKERS = {
    "ubx": written.ubx,
    "sbn": written.sbn,
    "sbp": written.sbp,
    "gpy": written.gpy,
    "fit": written.fit,
    "gpx": written.gpx,
}
ROSTER = """Motion ID,Start Date,End Date,File ID,First Name,Family Name,Backup
601,2007-01-01,2026-12-31,ADA601ANC,Ada,Anchor,"932000000, Speedsurfing20220411"
602,2007-01-01,2026-12-31,BRY602BOW,Bryn,Bowline,Head_L
603,2007-01-01,2026-12-31,CLE603COV,Cleo,Cove,168000000
604,2007-01-01,2026-12-31,DAN604DEE,Dan,Deep,garmin-fenix6x
"""


def files() -> dict[str, bytes]:
    """Return the smallest real files, and made ones of each format, by name: 24 in all."""
    real = [path for path in REAL.rglob("*") if path.is_file() and format_named(path.name)] if REAL.is_dir() else []
    chosen = {path.name: path.read_bytes() for path in sorted(real, key=lambda path: path.stat().st_size)[: FILES - 6]}
    points = written.points(3000, rate=1)
    names = ("Ada Anchor", "bowline", "whatever", "DAN604DEE_1", "cove cleo", "Activity 17")
    rounds = 0
    while len(chosen) < FILES:
        for (extension, make), name in zip(MAKERS.items(), names, strict=True):
            if len(chosen) < FILES:
                chosen[f"{name} {rounds}.{extension}"] = make(points[rounds:])
        rounds += 1
    return chosen


class Board:
    """The board of a collector, asked by its API."""

    def __init__(self, event: Path, port: int) -> None:
        self.port = port
        self.token = (event / ".sse_twisted/web-token").read_text().strip()

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Send a request with the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.token}"})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data)

    def hand_in(self, name: str, data: bytes) -> tuple[int, Any]:
        """Send a file."""
        return self.ask("POST", f"/hand-in/files?name={quote(name)}", data)

    def states(self) -> Counter[str]:
        """Count the hand-ins by state."""
        return Counter(report["state"] for report in self.ask("GET", "/api/v1/hand-ins")[1])


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def main() -> int:
    """Hand in the files, and print what became of them and when."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--keep", action="store_true", help="leave the collector running until Enter is pressed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        event, port = Path(folder), free_port()
        (event / "config").mkdir()
        (event / "config/motions.csv").write_text(ROSTER)
        command = [sys.executable, "-m", "twisted", "sse", "--event", folder, "--manhole", "off"]
        collector = subprocess.Popen(
            [*command, "--web", f"tcp:{port}:interface=127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return _run(event, port, options.keep)
        finally:
            collector.terminate()
            collector.wait(30)


def _run(event: Path, port: int, keep: bool) -> int:
    began = time.monotonic()
    while not (event / "hand-in/kept").is_dir() or not (event / ".sse_twisted/web-token").exists():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit("the collector did not start")
        time.sleep(0.1)
    time.sleep(2)
    board, sent = Board(event, port), files()
    print(f"{len(sent)} files, {sum(map(len, sent.values())) / 1e6:.1f} MB, at {board.port}, token {board.token}")
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(sent, pool.map(lambda each: board.hand_in(*each), sent.items()), strict=True))
    while (states := board.states())["being read"] or sum(states.values()) < len(answers):
        time.sleep(0.1)
    seconds = time.monotonic() - began
    for report in board.ask("GET", "/api/v1/hand-ins")[1]:
        tracks = " ".join(day["track"] or str(day["day"]) for day in report["days"])
        print(f"{report['name']:<50} {report['state']:<15} {report['file_id']:<10} {tracks} {report['why']}")
    stats = board.ask("GET", "/api/v1/stats")[1]
    delay = stats["longest_reactor_delay"]
    print(f"all settled after {seconds:.1f} s: {dict(states)}; longest reactor delay {delay:.3f} s")
    if keep:
        input("Enter ends the collector: ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
