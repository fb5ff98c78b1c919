"""Parse the JSON of a device's answer, within bounds and in many short steps.

Python's decoder in C holds the interpreter lock from the first byte to the last: 8 MB of empty lists would block the
reactor for seconds, even from a thread. Here each value is a step of its own, and what no device would send ends the
parsing early. A faster decoder such as msgspec's also holds the lock, and reports neither duplicate keys nor where a
value ends. A short answer is within most bounds by its length: the decoder in C takes it, at a fifth of the time.
"""

from __future__ import annotations

import codecs
import json
import json.decoder
import json.scanner
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn, cast

import msgspec

from sse_twisted.devices.errors import BadAnswer, WebPage
from sse_twisted.runtime.text import encodable, json_bytes, one_line

MAX_DEPTH = 16  # levels; the devices use 5
MAX_ENTRIES = 20_000  # values of one list; the longest listing seen has 213
MAX_KEYS = 1_000  # of one object; the devices use 23
MAX_VALUES = 250_000  # in all; to free them in one go takes 30 ms. A log has 19: the longest listing, 4,000
MAX_TEXT = 4_096  # characters; a longer text is cut
SHORT = 80 * 1024  # bytes, as the longest listing seen; they take the decoder in C 2 ms at most
LONG_TEXT = re.compile(f'"[^"]{{{MAX_TEXT + 1}}}')  # where there is no backslash
STEP = 64 * 1024  # bytes or characters that are looked at in one go
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
TOO_DEEP = "is nested too deeply"
FILLING = "\0 \t\r\n"  # what may stand before and after a value

Scan = Callable[[str, int], tuple[Any, int]]


class _TooMuch(Exception):
    """The answer exceeds a bound; the message says which."""


class _ShortDecoder(json.JSONDecoder):
    """The decoder in C for an answer of at most SHORT bytes, with the bounds that its length leaves open."""

    def __init__(self, text: str) -> None:
        is_plain = text.isascii() and "\\" not in text and not LONG_TEXT.search(text)
        hook = _few_plain_keys if is_plain else _few_keys
        super().__init__(strict=False, object_pairs_hook=hook, parse_constant=_no_constant, parse_float=_finite)

    def raw_decode(self, text: str, at: int = 0) -> tuple[Any, int]:
        try:
            tree, end = super().raw_decode(text, at)
        except RecursionError:
            raise _TooMuch(TOO_DEEP) from None
        _check_lists(tree)
        return tree, end


class _BoundedDecoder(json.JSONDecoder):
    """The pure Python decoder of the standard library, with bounds on what it decodes; for one answer."""

    def __init__(self) -> None:
        super().__init__(
            strict=False, object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
        self._depth = 0
        self._values = 0
        self.parse_array = self._array
        self.parse_object = self._object
        self.scan_once = cast(Any, json.scanner).py_make_scanner(self)

    def _array(self, at: tuple[str, int], scan: Scan) -> Any:
        return self._inner(lambda counted: cast(Any, json.decoder).JSONArray(at, counted), scan, MAX_ENTRIES, "entries")

    def _object(self, at: tuple[str, int], strict: bool, scan: Scan, *rest: Any) -> Any:
        decode = cast(Any, json.decoder).JSONObject
        return self._inner(lambda counted: decode(at, strict, counted, *rest), scan, MAX_KEYS, "keys in one object")

    def _inner(self, decode: Callable[[Scan], Any], scan: Scan, most: int, what: str) -> Any:
        """Decode a list or an object of at most `most` values."""
        if self._depth >= MAX_DEPTH:
            raise _TooMuch(TOO_DEEP)
        count = 0

        def counted(text: str, at: int) -> tuple[Any, int]:
            nonlocal count
            count += 1
            self._values += 1
            if count > most:
                raise _TooMuch(f"has more than {most:,} {what}")
            if self._values > MAX_VALUES:
                raise _TooMuch(f"has more than {MAX_VALUES:,} values")
            return scan(text, at)

        self._depth += 1
        try:
            return decode(counted)
        finally:
            self._depth -= 1


def parse_json(data: bytes, what: str) -> Any:
    """Parse the JSON of an answer; raises BadAnswer, or WebPage for HTML.

    What follows the value is ignored, such as the rest of the device's buffer. It must not begin like another value: a
    listing that is closed too early would be read as a shorter one.

    Duplicate keys are an error: a second, empty "logs" would hide a day's tracks. Invalid UTF-8, as in names that users
    type, is replaced and must not hide them either.
    """
    try:
        text = _text_of(data)
        decoder = _ShortDecoder(text) if len(data) <= SHORT else _BoundedDecoder()
        tree, end = decoder.raw_decode(text, _after_filling(text, 0, FILLING))
        rest = _after_filling(text, end, f"{FILLING},")
        if text.startswith(("{", "["), rest):
            raise ValueError("another value follows the first one")
    except _TooMuch as error:
        raise BadAnswer(f"{what} {error}") from None
    except ValueError as error:
        if data[:STEP].lstrip().startswith(b"<"):
            raise WebPage(f"{what} is a web page, not JSON") from None
        raise BadAnswer(f"{what} is not valid JSON: {one_line(str(error))}") from None
    return tree


def stored_json(tree: Any) -> bytes:
    """Encode what an answer held, as `json_bytes` does, but without holding the interpreter lock for 30 ms."""
    try:
        return msgspec.json.format(msgspec.json.encode(tree), indent=2) + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, among the entries of a list
        return json_bytes(tree)


def _text_of(data: bytes) -> str:
    mark, encoding = next(((mark, encoding) for mark, encoding in MARKS if data.startswith(mark)), (b"", "utf-8"))
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    pieces = [decoder.decode(data[at : at + STEP]) for at in range(len(mark), len(data), STEP)]
    return "".join((*pieces, decoder.decode(b"", final=True)))


def _after_filling(text: str, at: int, filling: str) -> int:
    """Return where the text goes on, from `at`, after characters of `filling`."""
    while at < len(text):
        piece = text[at : at + STEP]
        if rest := piece.lstrip(filling):
            return at + len(piece) - len(rest)
        at += STEP
    return len(text)


def _check_lists(tree: Any) -> None:
    """Raise _TooMuch if a list is too long, or if lists and objects are nested too deeply in each other."""
    level = [tree]
    for _ in range(MAX_DEPTH + 1):
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return
        if any(len(value) > MAX_ENTRIES for value in level if isinstance(value, list)):
            raise _TooMuch(f"has more than {MAX_ENTRIES:,} entries")
        level = [inner for value in level for inner in (value.values() if isinstance(value, dict) else value)]
    raise _TooMuch(TOO_DEEP)


def _few_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise _TooMuch(f"has more than {MAX_KEYS:,} keys in one object")
    return _without_duplicates(pairs)


def _few_plain_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Do the same where all texts are short, and can be encoded."""
    result = dict(pairs)
    return result if len(pairs) == len(result) <= MAX_KEYS else _few_keys(pairs)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        name = _bounded(key)
        if name in result:
            raise ValueError(f"duplicate key {one_line(name, 40)!r}")
        result[name] = _bounded(value) if isinstance(value, str) else value
    return result


def _bounded(text: str) -> str:
    return encodable(text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{one_line(text, 40)} is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
