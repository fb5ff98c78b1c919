"""HTTP range requests (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

from sse_twisted.runtime.text import plural

_ONE_RANGE: Final = re.compile(rb"bytes=(\d*)-(\d*)")


def wanted_part(header: bytes | None, length: int) -> slice | None:
    """Return the requested part of `length` bytes, or None for all of them.

    Invalid headers and several ranges return None as well, since a server may ignore them.
    Raises ValueError if the range contains no byte of the file (status 416).
    """
    asked = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if asked is None:
        return None
    first, last = asked.groups()
    if not first:
        return _last_bytes(last, length)
    start = int(first)
    stop = min(int(last) + 1, length) if last else length
    if last and int(last) < start:
        return None
    if start >= length:
        raise ValueError(f"range begins at byte {start} of {plural(length, 'byte')}")
    return slice(start, stop)


def _last_bytes(count: bytes, length: int) -> slice | None:
    if not count:
        return None
    if not int(count) or not length:
        raise ValueError(f"range has the last {plural(int(count), 'byte')} of {plural(length, 'byte')}")
    return slice(max(0, length - int(count)), length)
