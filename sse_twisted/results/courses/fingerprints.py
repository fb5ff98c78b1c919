"""What the results of each day were made of when they were written, so that a start finds the days that are stale.

`.sse_twisted/courses.json` maps days to fingerprints. It may be lost: then all days are computed again. Blocks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sse_twisted.results.courses.output import store
from sse_twisted.runtime.bounded_file import read_bounded
from sse_twisted.runtime.text import json_bytes

PATH: Final = ".sse_twisted/courses.json"


def read_fingerprints(root: Path) -> Mapping[str, str]:
    """Return the fingerprints by day; none without a readable file."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        tree = json.loads(read_bounded(root / PATH))
        if isinstance(tree, dict):
            return {day: text for day, text in tree.items() if isinstance(text, str)}
    return {}


def note_fingerprint(root: Path, day: dt.date, fingerprint: str) -> None:
    """Keep the fingerprint of a day. Raises OSError."""
    known = read_fingerprints(root)
    if known.get(str(day)) != fingerprint:
        store(root, PATH, json_bytes({**known, str(day): fingerprint}))
