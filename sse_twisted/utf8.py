"""Text that somebody else has saved: UTF-8, with or without the mark in front of it."""

from __future__ import annotations

import codecs


class NotUtf8(ValueError):
    """Says in which line, which is the first that can't be read."""

    def __init__(self, line: int, byte: int) -> None:
        super().__init__(f"line {line}: byte 0x{byte:02x} is no UTF-8")
        self.line = line


def text_of(data: bytes) -> str:
    """The text of a file; raises NotUtf8."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b"x").splitlines())
        raise NotUtf8(line, data[error.start]) from None
