"""Measures one track, for the worker: it imports no more than that takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sse_twisted.event_folder.track_file import Mark, marked_bytes
from sse_twisted.tracks.analysis import analyse
from sse_twisted.tracks.formats import MAX_SIZE
from sse_twisted.tracks.report import Report, report_of


def measure(root: Path, local_file: str, sha256: str, mark: Mark | None = None) -> Report | None:
    """Return the report of a track; None if the file is gone, too large, or has another digest. "" is any digest.

    A file that still has the `mark` that it had with its digest has that digest.
    """
    found = marked_bytes(root, local_file, MAX_SIZE + 1)
    if found is None or len(found[0]) > MAX_SIZE:
        return None
    data, now = found
    digest = sha256 if sha256 and now == mark else hashlib.sha256(data).hexdigest()
    if sha256 not in ("", digest):
        return None
    return report_of(analyse(data, local_file), len(data)) | {"sha256": digest}
