"""Figures in the words of a person who is in a hurry."""

from __future__ import annotations

import json
from typing import Any


def duration(seconds: float) -> str:
    """As "12 s", "3 min" or "2.5 h"."""
    if seconds < 100:
        return f"{max(seconds, 0.0):.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Of bytes, as "12 KB" or "3.4 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1000:.0f} KB"


def plural(count: int, one: str, many: str = "") -> str:
    """As "1 track" or "1,204 tracks"; `many` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def missing_of(missing: int, wanted: int) -> str:
    """How many tracks are missing of those that are wanted."""
    return f"{missing} of {plural(wanted, 'track')} missing"


def one_line(text: str, longest: int = 120) -> str:
    """Text that a device had a say in, made fit for a log line: printable, on one line, not too long."""
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


class NotUtf8(ValueError):
    """Says in which line, which is the first that can't be read."""

    def __init__(self, line: int, byte: int) -> None:
        super().__init__(f"line {line}: byte 0x{byte:02x} is no UTF-8")
        self.line = line


def text_of(data: bytes) -> str:
    """The text of a file; raises NotUtf8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = error.object  # without the BOM, as error.start is counted
        line = len((text[: error.start] + b"x").splitlines())
        raise NotUtf8(line, text[error.start]) from None


def json_bytes(tree: Any) -> bytes:
    """Encode as indented JSON, as the original server writes it."""
    return json.dumps(tree, indent=2, ensure_ascii=False).encode("utf-8", errors="replace") + b"\n"


def encodable(text: str) -> str:
    """Without halves of surrogate pairs, which no file and no log takes."""
    if text.isascii():
        return text
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
