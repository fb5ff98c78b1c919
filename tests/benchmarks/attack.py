"""Attack the board of a collector that downloads, and print what collecting and other readers notice of it.

    python -m tests.benchmarks.attack [--case NAME] [--folder FOLDER]

Each case is a run of its own, from the start of the collector to the last verdict, beside one without an attack. The
figures are the ratio of their times, how late the reactor was, and how long another client waits for the board and for
`/healthz`. Collector, devices, attacker and this program are processes of their own: with two cores the figure "had it
had a processor" says more than the other.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import selectors
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.benchmarks.cases import OLD_LOGS, Bench, Delays, _check, wait_for_verdicts
from tests.benchmarks.handing_in import AT_ONCE, MAKERS, Board
from tests.benchmarks.report import Figure, table
from tests.tracks import written
from tests.tracks.voyages import START

DEVICES: Final = range(1001, 1013)
TRACKS: Final = (1_500_000, 1_500_000)  # bytes, of each device
RATE: Final = 250_000.0  # bytes/s of a device
HOST: Final = b"Host: 127.0.0.1\r\n"
ELSEWHERE: Final = "127.0.0.7"  # the address of the client that is not the attacker
PATIENCE: Final = 10.0  # s that it waits for a response

PAGE: Final = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
PAGES: Final = (2_500_000 // len(PAGE) + 1) * PAGE


@contextlib.contextmanager
def attacker(name: str, port: int, event: Path = Path()) -> Iterator[None]:
    """A process that attacks for as long as the block takes."""
    if not name:
        yield
        return
    target, args = (hand_in, (port, event)) if name == HAND_INS else (ATTACKS[name], (port,))
    process = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    process.start()
    yield
    process.terminate()
    process.join()


class Flood:
    """Connections that send what they are given, and connect again when they are closed."""

    def __init__(self, port: int, count: int, *, reads: bool, pause: float = 0.0) -> None:
        self._port = port
        self._reads = reads
        self._pause = pause  # s between two pieces
        self._selector = selectors.DefaultSelector()
        self._count = count
        self._left: dict[socket.socket, Iterator[bytes]] = {}
        self._unsent: dict[socket.socket, bytes] = {}

    def run(self, pieces: Pieces) -> None:
        """Go on for ever; each connection sends the pieces that `pieces` makes for it."""
        while True:
            while len(self._left) < self._count:
                self._connect(pieces())
            began = time.monotonic()
            for key, events in self._selector.select(0.1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                try:
                    self._serve(connection, events)
                except BlockingIOError:
                    continue
                except OSError:
                    self._close(connection)
            time.sleep(max(self._pause - (time.monotonic() - began), 0))

    def _serve(self, connection: socket.socket, events: int) -> None:
        if events & selectors.EVENT_READ and self._reads and not connection.recv(1 << 20):
            raise ConnectionResetError
        if events & selectors.EVENT_WRITE:
            data = self._unsent.pop(connection, b"") or next(self._left[connection], b"")
            if data:
                self._unsent[connection] = data[connection.send(data) :]
            elif self._reads:
                self._selector.modify(connection, selectors.EVENT_READ)
            else:
                self._selector.unregister(connection)

    def _connect(self, pieces: Iterator[bytes]) -> None:
        connection = socket.socket()
        if not self._reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self._port))
        self._left[connection] = pieces
        self._selector.register(connection, selectors.EVENT_WRITE | (selectors.EVENT_READ if self._reads else 0))

    def _close(self, connection: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(connection)
        del self._left[connection]
        self._unsent.pop(connection, None)
        connection.close()


class Pieces:
    """Makes for each connection what it sends."""

    def __init__(self, *pieces: bytes, repeat: bool = False) -> None:
        self._pieces = pieces
        self._repeat = repeat

    def __call__(self) -> Iterator[bytes]:
        return itertools.cycle(self._pieces) if self._repeat else iter(self._pieces)


class Addresses(Pieces):
    """Asks for ever new addresses."""

    def __call__(self) -> Iterator[bytes]:
        for number in itertools.count(1):
            path = (b"/devices/%d", b"/ranking?day=2025-10-%02d", b"/days/2025-10-%02d", b"/days?x=%d")[number % 4]
            yield b"GET " + path % (number % 28 + 1) + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def pipelined(port: int) -> None:
    """Forty connections, 2.5 MB of requests each, and again."""
    Flood(port, 40, reads=True).run(Pieces(PAGES))


def unread(port: int) -> None:
    """Forty connections whose client reads no response."""
    Flood(port, 40, reads=False).run(Pieces(*[PAGE] * 200))


def half_heads(port: int) -> None:
    """Five hundred connections, a header now and then."""
    Flood(port, 500, reads=True, pause=0.5).run(Pieces(b"GET / HTTP/1.1\r\n" + HOST, *[b"X-A: b\r\n"] * 500))


def half_bodies(port: int) -> None:
    """Five hundred connections with half a body, of a length that is allowed."""
    head = b"POST /api/v1/pause HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n"
    Flood(port, 500, reads=True, pause=0.5).run(Pieces(head, *[b"x" * 100] * 500))


def chunks(port: int) -> None:
    """Forty connections, with bodies in chunks of one byte."""
    head = b"POST /api/v1/pause HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    Flood(port, 40, reads=True).run(Pieces(head + b"1\r\nx\r\n" * 50_000))


def heads(port: int) -> None:
    """Two hundred connections, with requests as long as they may be."""
    request = b"GET /?" + b"a=b&" * 2000 + b" HTTP/1.1\r\n" + HOST + b"X-Header: y\r\n" * 90 + b"\r\n"
    Flood(port, 200, reads=True).run(Pieces(request, repeat=True))


def streams(port: int) -> None:
    """Five hundred event streams that nobody reads."""
    Flood(port, 500, reads=False).run(Pieces(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n"))


def records(port: int) -> None:
    """Forty connections that ask for pages which need the disk."""
    Flood(port, 40, reads=True).run(Addresses())


def hand_in(port: int, event: Path) -> None:
    """Files of six formats, three at once, without an end: no attack, but the busiest page."""
    made = itertools.count()
    board = Board(event, port)

    def go_on() -> None:
        makers = itertools.cycle(MAKERS.items())
        for (extension, make), number in zip(makers, made, strict=False):
            board.hand_in(f"file {number}.{extension}", make(written.points(600, rate=1, start=START + 1000 * number)))

    threads = [threading.Thread(target=go_on) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


HAND_INS: Final = "hand-ins"
ATTACKS: Final = {
    "pipelined": pipelined,
    "unread": unread,
    "half-heads": half_heads,
    "half-bodies": half_bodies,
    "chunks": chunks,
    "heads": heads,
    "streams": streams,
    "records": records,
}


class Reader(threading.Thread):
    """Another client, which asks for the board and for `/healthz` again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.waits: dict[str, list[float]] = {"/": [], "/healthz": []}
        self.failures = 0
        self._port = port
        self._over = threading.Event()

    def run(self) -> None:
        """Ask until the end."""
        while not self._over.wait(0.2):
            for path, waits in self.waits.items():
                began = time.monotonic()
                try:
                    self._ask(path)
                    waits.append(time.monotonic() - began)
                except OSError:
                    self.failures += 1

    def end(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()

    def _ask(self, path: str) -> None:
        request = f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n"
        address = ("127.0.0.1", self._port)
        with socket.create_connection(address, PATIENCE, source_address=(ELSEWHERE, 0)) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(1 << 20):
                answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(answer[:100])


def run(bench: Bench, name: str) -> tuple[float, Delays, Reader]:
    """Collect all devices while the attack goes on; give s from start to last verdict, delays and the other client."""
    sizes = dict.fromkeys(DEVICES, TRACKS)
    delays = Delays()
    with (
        bench.devices(sizes, rate=RATE, latency=0.05, old_logs=OLD_LOGS) as (devices, tables),
        bench.collector(f"attack {name}", sizes, tables) as (collector, root),
    ):
        port = collector.ask("serve")["port"]
        devices.ask("arrive", devices=list(sizes))
        reader = Reader(port)
        with attacker(name, port, root):
            reader.start()
            with delays.measured(collector):
                start = collector.ask("start")["at"]
                verdicts = wait_for_verdicts(collector, len(sizes), 300.0)
            reader.end()
        if name == HAND_INS:
            bench.blamed.append(f"{len(list((root / 'hand-in/kept').iterdir()))} files were handed in meanwhile")
        _check(root, sizes, sizes)
    return max(verdict["at"] for verdict in verdicts) - start, delays, reader


def figures(bench: Bench, names: list[str]) -> Iterator[Figure]:
    """Each attack beside a run without one."""
    alone, delays, _ = run(bench, "")
    yield Figure("no attack", "all devices collected after", alone, "s")
    yield Figure("no attack", "reactor late at most, had it had a processor", 1000 * max(delays.own), "ms", 50)
    for name in names:
        seconds, delays, reader = run(bench, name)
        yield Figure(name, "time to collect : without an attack", seconds / alone, "", 1.1)
        yield Figure(name, "reactor late at most", 1000 * max(delays.reactor), "ms")
        yield Figure(name, "reactor late at most, had it had a processor", 1000 * max(delays.own), "ms", 50)
        for path, waits in reader.waits.items():
            yield Figure(name, f"another client waits for {path}: p50", statistics.median(waits or [PATIENCE]), "s")
            yield Figure(name, f"another client waits for {path}: longest", max(waits, default=PATIENCE), "s", 1.0)
        yield Figure(name, "requests of the other client that failed", reader.failures, "", 0)


def main() -> None:
    """Attack and print."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cases = [*ATTACKS, HAND_INS]
    parser.add_argument("--case", choices=[*cases, "all"], default="all")
    parser.add_argument("--folder", type=Path, help="for the temporary event folders")
    parser.add_argument("--blame", action="store_true", help="say what the reactor was doing when it was late")
    options = parser.parse_args()
    bench = Bench(options.folder, options.blame)
    print(table(list(figures(bench, cases if options.case == "all" else [options.case]))))
    print("\n\n".join(bench.blamed), file=sys.stderr)


if __name__ == "__main__":
    main()
