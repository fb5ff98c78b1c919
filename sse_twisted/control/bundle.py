"""The support bundle: a ZIP of all that explains a problem, without tracks, and with pseudonyms for names and secrets.

It only reads, takes no lock, and works beside a running collector.
"""

from __future__ import annotations

import csv
import datetime
import io
import os
import platform
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

import msgspec
from attrs import define, field
from msgspec import Struct

from sse_twisted import __version__
from sse_twisted.config.printout import settings_as_toml
from sse_twisted.config.roster import REQUIRED
from sse_twisted.config.settings import Settings
from sse_twisted.config.spreadsheet import SheetError, read_sheet
from sse_twisted.control.known_names import MAX_FILE, gather, kinds_of, read_text
from sse_twisted.control.pseudonyms import Pseudonyms
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.handin.ledger import FOLDER as HAND_INS
from sse_twisted.runtime.text import encodable, plural, size

MAX_SIZE = 19_000_000  # bytes of the ZIP
MAX_LOG = 15_000_000  # bytes of one log, before compression
MAX_FILES = 100_000  # in the listing
TEXTS = {".csv", ".json", ".toml", ".txt", ".md"}  # suffixes of what may be in a bundle
CHUNK = 1_000_000  # bytes of a log that are taken at once
PIECE = 4096  # characters in which names are replaced at once
UNSAFE = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')  # in the name of a file, on one system or another
PACKAGES = ("twisted", "treq", "numpy", "attrs", "msgspec", "jinja2", "prometheus-client", "cryptography")


class Source(Struct, frozen=True):
    """What a bundle is made of.

    `configuration` is the file of --config. `secret_files` hold passwords and tokens; they are not in the bundle.
    `reports` are texts by their name in the bundle: what a running collector knows beside its files.
    """

    folder: EventFolder
    settings: Settings
    configuration: Path | None = None
    secret_files: tuple[Path, ...] = ()
    reports: Mapping[str, str] = msgspec.field(default_factory=dict)


def write_bundle(target: BinaryIO, source: Source, now: float) -> Iterator[None]:
    """Write the ZIP, in turns of at most about a second; `now` is in s since 1970. Blocks, raises OSError."""
    pseudonyms = Pseudonyms()
    yield from gather(pseudonyms, source.folder, source.secret_files)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        bundle = _Bundle(archive, pseudonyms, datetime.datetime.fromtimestamp(now, datetime.UTC))
        for name, text in (*_facts(source), *source.reports.items()):
            yield from bundle.add_text(name, text)
        root = source.folder.root
        if source.configuration is not None:
            yield from bundle.add_file(f"configuration/{source.configuration.name}", source.configuration)
        for path in _files(source.folder):
            yield from bundle.add_file(str(path.relative_to(root)), path)
        yield from bundle.add_text("files.txt", _listing(root))
        logs = [path for path in source.folder.logs.glob("server.*") if _is_regular(path)]
        logs.sort(key=lambda path: (-path.stat().st_mtime, path.suffix == ".json"))
        for number, path in enumerate(logs):
            yield from bundle.add_log(path, (MAX_SIZE - bundle.written) // (2 if number < len(logs) - 1 else 1))
        bundle.add_readme()


@define
class _Bundle:
    _archive: zipfile.ZipFile
    _pseudonyms: Pseudonyms
    _time: datetime.datetime
    _left_out: list[str] = field(factory=list)
    written: int = 0  # bytes

    def add_text(self, name: str, text: str) -> Iterator[None]:
        """Add a text with its names replaced, unless the bundle would become too large."""
        pieces = []
        for piece in _pieces(text):
            pieces.append(self._pseudonyms.replace(piece))
            if len(pieces) % 200 == 0:
                yield
        data = encodable("".join(pieces)).encode()
        if self.written + len(zlib.compress(data, 6)) > MAX_SIZE:
            self._left_out.append(f"{self._replaced(name)}: no room")
            return
        self._write(name, data)
        yield

    def add_file(self, name: str, path: Path) -> Iterator[None]:
        """Add a text file, unless it is too large or cannot be read."""
        text = read_text(path)
        if text is None:
            self._left_out.append(f"{self._replaced(name)}: not readable, not a file, or larger than {size(MAX_FILE)}")
        elif path.suffix.lower() == ".csv":
            yield from self.add_text(name, self._without_names(text))
        else:
            yield from self.add_text(name, text)

    def add_log(self, path: Path, room: int) -> Iterator[None]:
        """Add the newest lines of a log whose compressed form has at most `room` bytes."""
        kept: list[bytes] = []
        total = 0
        for chunk in _chunks_from_the_end(path):
            pieces = []
            for number, piece in enumerate(_pieces(chunk)):
                pieces.append(self._pseudonyms.replace(piece))
                if number % 100 == 99:
                    yield
            data = encodable("".join(pieces)).encode()
            total += len(zlib.compress(data, 6)) + 100
            if total > room:
                self._left_out.append(f"logs/{self._replaced(path.name)}: older lines")
                break
            kept.append(data)
        else:
            if path.stat().st_size > MAX_LOG:
                self._left_out.append(f"logs/{self._replaced(path.name)}: all but the last {size(MAX_LOG)}")
        self._write(f"logs/{path.name}", b"".join(reversed(kept)))
        yield

    def add_readme(self) -> None:
        counts = self._pseudonyms.counts
        kinds = {
            "person": "name",
            "file_id": "File ID",
            "wifi": "WiFi name",
            "serial": "serial number",
            "secret": "secret",
        }
        replaced = ", ".join(plural(counts.get(kind, 0), name) for kind, name in kinds.items())
        text = README.format(
            version=__version__,
            time=f"{self._time:%Y-%m-%d %H:%M:%S}",
            replaced=replaced,
            left_out="\n".join(f"- {line}" for line in self._left_out) or "- nothing",
        )
        self._write("README.txt", text.encode())

    def _without_names(self, text: str) -> str:
        """Replace all cells of the columns with names, even those that look like a word of the logs."""
        try:
            sheet = read_sheet(text.encode(errors="replace"), REQUIRED)
            rows = list(csv.reader(io.StringIO(sheet.text, newline=""), delimiter=sheet.delimiter))
        except (SheetError, csv.Error):
            return text
        kinds = kinds_of(rows[0])
        output = io.StringIO()
        writer = csv.writer(output, delimiter=sheet.delimiter, lineterminator="\n")
        for number, row in enumerate(rows):
            padded = [*kinds, *[None] * len(row)]
            cells = zip(row, padded, strict=False)
            writer.writerow(
                row if not number else [self._pseudonyms.value(k, c) if k and c.strip() else c for c, k in cells]
            )
        return text[: len(text) - len(sheet.text)] + output.getvalue()

    def _replaced(self, name: str) -> str:
        return encodable(self._pseudonyms.replace(name))

    def _write(self, name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(UNSAFE.sub("_", self._replaced(name)), self._time.timetuple()[:6])
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        self._archive.writestr(info, data)
        self.written += info.compress_size + 2 * len(info.filename.encode()) + 200


def _pieces(text: str) -> Iterator[str]:
    """Split a text into short ones at line ends or, of a long line, at commas."""
    start = 0
    while start < len(text):
        stop = min(start + PIECE, len(text))
        if stop < len(text):
            cut = text.rfind("\n", start, stop) + 1 or max(text.rfind(mark, start, stop) for mark in ",} ") + 1
            stop = cut if cut > start else stop
        yield text[start:stop]
        start = stop


def _chunks_from_the_end(path: Path) -> Iterator[str]:
    """Yield the text of a file in whole lines, the last ones first."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        least, rest = max(end - MAX_LOG, 0), b""
        while end > least:
            start = max(end - CHUNK, least)
            file.seek(start)
            data = file.read(end - start) + rest
            cut = data.find(b"\n") + 1 if start > 0 else 0
            rest, end = (data[:cut], start) if len(data) < 8 * CHUNK else (b"", start)
            yield data[cut:].decode("utf-8", errors="backslashreplace")


def _files(folder: EventFolder) -> Iterator[Path]:
    """Yield the files of an event that are in a bundle, without the logs."""
    for pattern in ("config/*", ".sse_twisted/memory.json*", ".sse_twisted/paused.json*", "motions/*/*.json*"):
        for path in sorted(folder.root.glob(pattern)):
            if not path.is_dir() and not TEXTS.isdisjoint(path.suffixes):
                yield path


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _listing(root: Path) -> str:
    """Return size, time and path of each file of the event, tracks included, but for the names of hand-ins."""
    lines = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if (Path(folder) / each) != root / HAND_INS)
        for name in sorted(files):
            path = Path(folder) / name
            try:
                status = path.lstat()
            except OSError as error:
                lines.append(f"{error.strerror}: {path.relative_to(root)}")
                continue
            moment = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
            mode = stat.filemode(status.st_mode)
            lines.append(f"{mode} {status.st_size:>12} {moment:%Y-%m-%d %H:%M:%S} {path.relative_to(root)}")
            if len(lines) > MAX_FILES:
                return "\n".join((*lines, "and more\n"))
    return "\n".join((*lines, ""))


def _facts(source: Source) -> Iterator[tuple[str, str]]:
    packages = "\n".join(f"{name} {_version_of(name)}" for name in PACKAGES)
    system = (
        f"sse-twisted {__version__}\nPython {platform.python_version()}\n{packages}\n"
        f"{platform.platform()}\nevent folder: {_file_system(source.folder.root)}\n{_room(source.folder.root)}\n"
    )
    yield "versions.txt", system
    yield "configuration/settings.toml", settings_as_toml(source.settings)


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _file_system(root: Path) -> str:
    """Return the kind of file system that holds the folder, and how it is mounted."""
    found = ("", "unknown")
    try:
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, place, kind, options, *_ = line.split(" ")
            place = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), place)
            if root.resolve().is_relative_to(place) and len(place) >= len(found[0]):
                found = (place, f"{kind} ({options})")
    except (OSError, ValueError):
        return found[1]
    return found[1]


def _room(root: Path) -> str:
    try:
        disk = os.statvfs(root)
    except OSError as error:
        return f"disk: {error.strerror}"
    return f"disk: {size(disk.f_bavail * disk.f_frsize)} free of {size(disk.f_blocks * disk.f_frsize)}"


README = """Support bundle of sse_twisted {version}, made on {time} UTC.

It holds:
- versions.txt: versions of the programs, and the file system of the event folder
- configuration/: the configuration file, and the settings in force
- config/, motions/, .sse_twisted/: roster, ledgers, last answers of the devices, saved state
- reports/: what the running collector knows, and what was slow (only if it was made on the board)
- files.txt: all files of the event, with their sizes
- logs/: the logs, as far back as there is room

It holds no tracks and no keys.

Replaced by pseudonyms: {replaced}.
One name has the same pseudonym everywhere. Numbers of devices are as they were. What an operator has typed as a reason
is as it was, but for names of the roster. Look through the bundle before you give it away.

Left out:
{left_out}
"""
