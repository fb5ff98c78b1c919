"""The part of a file that a request asks for with `Range` (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

from sse_twisted.runtime.text import plural

_ONE_RANGE: Final = re.compile(rb"bytes=(\d*)-(\d*)")


def wanted_part(header: bytes | None, length: int) -> slice | None:
    """Return the part of `length` bytes that the header asks for, or None for all of them.

    None as well for a header that makes no sense or asks for several parts, which a server may ignore.
    Raises ValueError if no byte of the file is in the range (status 416).
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
        raise ValueError(f"no byte from {start} on in {plural(length, 'byte')}")
    return slice(start, stop)


def _last_bytes(count: bytes, length: int) -> slice | None:
    if not count:
        return None
    if not int(count) or not length:
        raise ValueError(f"no last {plural(int(count), 'byte')} in {plural(length, 'byte')}")
    return slice(max(0, length - int(count)), length)
