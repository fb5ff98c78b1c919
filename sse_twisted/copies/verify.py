"""Compare each file of an event folder with its ledgers, and its copies with their manifests and with it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from sse_twisted.copies.manifest import MAX_SIZE, PATH, Manifest
from sse_twisted.copies.source import CONFIGURATION, Kind, Source, is_track, kind_of
from sse_twisted.event_folder.files import BLOCK_SIZE
from sse_twisted.event_folder.folder import EventFolder
from sse_twisted.event_folder.ledger import Status, local_file_of
from sse_twisted.handin.ledger import Ledger
from sse_twisted.runtime.bounded_file import open_regular, read_bounded


class Word(StrEnum):
    """What a file is found to be."""

    WHOLE = "whole"
    DIFFERENT = "different"
    MISSING = "missing"
    MORE = "more"


class Finding(Struct, frozen=True):
    """A file that is not whole."""

    path: str
    word: Word
    why: str


class Verified(Struct, frozen=True):
    """A folder: the SHA-256 of each of its files by path, "" if it cannot be read, and what is wrong."""

    root: Path
    digests: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> Counter[Word]:
        """The files by what they are."""
        counts = Counter(finding.word for finding in self.findings)
        counts[Word.WHOLE] = len(self.digests.keys() - {finding.path for finding in self.findings})
        return counts


def verify_event(root: Path) -> Verified:
    """Compare an event folder with its ledgers, and its tracks with the manifest of the copy that it was. Blocks.

    Raises OSError if it is no folder that can be read.
    """
    digests = _digests(root)
    findings = [
        *(Finding(path, Word.DIFFERENT, "it cannot be read") for path, digest in digests.items() if not digest),
        *_against_ledgers(EventFolder(root), digests),
        *_against_manifest(root, digests, only_tracks=True),
    ]
    return Verified(root, digests, _first_of_each(findings))


def verify_copy(root: Path, event: Verified) -> Verified:
    """Compare a copy with its ledgers, its manifest and its event folder. Blocks; raises OSError."""
    digests = _digests(root)
    findings = [
        *_against_manifest(root, digests, only_tracks=False),
        *_against_event(root, digests, event),
        *_against_ledgers(EventFolder(root), digests),
    ]
    return Verified(root, digests, _first_of_each(findings))


def is_of_another_event(copy: Path, event: Path) -> bool:
    """Whether both folders have a name of their event, and not the same one."""
    names = {EventFolder(copy).event_id(), EventFolder(event).event_id()} - {""}
    return len(names) > 1


def _first_of_each(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return one finding for each path, by path."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.path, finding)
    return tuple(first[path] for path in sorted(first))


def _digests(root: Path) -> dict[str, str]:
    os.scandir(root).close()  # raises OSError
    paths = sorted(Source(EventFolder(root)).find())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(paths, pool.map(lambda path: _digest(root / path), paths), strict=True))


def _digest(path: Path, length: int | None = None) -> str:
    """Return the SHA-256 of a file or of its first bytes, "" if it cannot be read."""
    digest = hashlib.sha256()
    with suppress(OSError), open_regular(path) as file:
        left = os.fstat(file.fileno()).st_size if length is None else length
        while left and (block := file.read(min(BLOCK_SIZE, left))):
            digest.update(block)
            left -= len(block)
        return digest.hexdigest()
    return ""


def _against_ledgers(folder: EventFolder, digests: Mapping[str, str]) -> Iterator[Finding]:
    known = set()
    for path, digest, is_stored, ledger in _recorded(folder):
        known.add(path)
        if path not in digests:
            yield Finding(path, Word.MISSING, f"it is in the ledger of {ledger}")
        elif digest not in ("", digests[path]) or not is_stored:
            yield Finding(path, Word.DIFFERENT, f"not as in the ledger of {ledger}")
    for path in digests:
        if is_track(path) and path not in known:
            yield Finding(path, Word.MORE, "it is in no ledger")


def _recorded(folder: EventFolder) -> Iterator[tuple[str, str, bool, str]]:
    """Yield path and SHA-256 of each file in a ledger, whether it is stored, and whose ledger it is.

    An entry of the original has no SHA-256: it is "".
    """
    for identifier, entries in folder.all_entries().items():
        for name, entry in entries.items():
            path = local_file_of(name, entry)
            if path is not None and entry.get("status") == Status.COMPLETED:
                digest, is_stored = str(entry.get("sha256") or ""), folder.is_stored(identifier, name, entry)
                yield path, digest, is_stored, folder.drivers.name(identifier)
    with suppress(OSError):  # nothing was handed in
        for hand_in in Ledger.read(folder.root).entries.values():
            for path in (hand_in.received.kept, *hand_in.filed.values()):
                yield path, hand_in.sha256, True, "the hand-ins"


def _against_manifest(root: Path, digests: Mapping[str, str], *, only_tracks: bool) -> Iterator[Finding]:
    """Compare with the manifest.

    If a collector has gone on with the folder, other files have changed since, and tracks may have other names.
    """
    elsewhere = set(digests.values()) if only_tracks else set()
    for path, entry in _manifest(root).entries.items():
        if only_tracks and (kind_of(path) is not Kind.TRACK or entry.sha256 in elsewhere):
            continue
        if path not in digests:
            yield Finding(path, Word.MISSING, "it is in the manifest")
        elif digests[path] != entry.sha256:
            yield Finding(path, Word.DIFFERENT, "not as in the manifest")


def _against_event(root: Path, digests: Mapping[str, str], event: Verified) -> Iterator[Finding]:
    for path, digest in event.digests.items():
        if path not in digests:
            yield Finding(path, Word.MISSING, "the event folder has it")
        elif digests[path] != digest and not (kind_of(path) is Kind.LOG and _is_beginning(root, event.root, path)):
            yield Finding(path, Word.DIFFERENT, "not as in the event folder")
    kept = {path for path, entry in _manifest(root).entries.items() if entry.aside}
    for path in digests.keys() - event.digests.keys() - kept:
        if not path.startswith(f"{CONFIGURATION}/"):
            yield Finding(path, Word.MORE, "the event folder does not have it")


def _is_beginning(root: Path, event: Path, path: str) -> bool:
    """Whether a log of a copy is the beginning of that of the event folder, where it goes on."""
    length = (root / path).stat().st_size
    return _digest(root / path) == _digest(event / path, length)


def _manifest(root: Path) -> Manifest:
    try:
        return Manifest.parse(read_bounded(root / PATH, MAX_SIZE))
    except OSError:  # it never was a copy
        return Manifest()
