"""`sse-track`, with `--verify EVENT [COPY...]`: whether an event folder and its copies are whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sse_twisted.copies.source import is_track
from sse_twisted.copies.verify import Verified, Word, is_of_another_event, verify_copy, verify_event
from sse_twisted.event_folder.lock import FolderInUse, check_free
from sse_twisted.runtime.text import one_line, plural

MAX_PATH = 1_000  # characters of a path that are shown


def verify(folders: Sequence[str]) -> int:
    """Print what is not whole in an event folder and its copies, and a summary; return the exit status."""
    root, *copies = map(Path, folders)
    try:
        event = verify_event(root)
    except OSError as error:
        return _complain(root, error.strerror or str(error))
    status = _show(event)
    for copy in copies:
        if is_of_another_event(copy, root):
            status = _complain(copy, "it is a copy of another event")
            continue
        try:
            status |= _show(verify_copy(copy, event))
        except OSError as error:
            status = _complain(copy, error.strerror or str(error))
    return status


def _show(verified: Verified) -> int:
    root, counts = verified.root, verified.counts
    try:
        check_free(root)
    except FolderInUse as error:
        print(f"sse-track: {error}, or verify again: it changes files meanwhile", file=sys.stderr)
    except OSError:  # it cannot be told
        pass
    for finding in verified.findings:
        print(f"{finding.word:<9} {one_line(str(root / finding.path), MAX_PATH)}: {finding.why}")
    figures = ", ".join(f"{counts[word]:,} {word}" for word in Word)
    tracks = sum(is_track(path) for path in verified.digests)
    print(f"{root}: {figures}; {plural(tracks, 'track')}")
    return 1 if verified.findings else 0


def _complain(folder: Path, why: str) -> int:
    print(f"sse-track: {folder}: {why}", file=sys.stderr)
    return 1
