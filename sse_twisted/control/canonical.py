"""Text in a form in which the ways to write a name look alike, with the place of each character in the original."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from msgspec import Struct

# Plain text, or what JSON, JSON in JSON, Python and URLs make of a character, or any other character.
_UNIT = (
    r"([^\\%\x80-\U0010ffff]+)|\\+u[dD][89abAB][0-9a-fA-F]{2}\\+u[dD][c-fC-F][0-9a-fA-F]{2}|\\+u[0-9a-fA-F]{4}|\\+x[0-9a-fA-F]{2}"
    r"|\\+[\"/bfnrt]|\\\\|(?:%[0-9a-fA-F]{2})+|(?s:.)"
)
_ENCODED = re.compile(r"[\\%]")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Letters that have no decomposition.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ß": "ss"}
)


class Canonical(Struct, frozen=True):
    """`text` is folded. Its character i is `shown[i]` in the original, where it takes `starts[i]` to `ends[i]`."""

    text: str
    shown: str
    starts: range | list[int]
    ends: range | list[int]


def canonical(original: str) -> Canonical:
    """Fold case, accents, ligatures and the escapes of JSON and URLs."""
    if original.isascii() and not _ENCODED.search(original):
        size = len(original)
        return Canonical(original.lower(), original, range(size), range(1, size + 1))
    text: list[str] = []
    shown: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for unit in re.finditer(_UNIT, original):
        if plain := unit[1]:
            text.append(plain.lower())
            shown.append(plain)
            starts += range(unit.start(), unit.end())
            ends += range(unit.start() + 1, unit.end() + 1)
            continue
        decoded = _decoded(unit[0])
        before = len(text)
        for character in decoded:
            for folded in fold(character):
                text.append(folded)
                shown.append(character)
                starts.append(unit.start())
                ends.append(unit.end())
        if len(text) == before and ends:  # an accent belongs to the letter before
            ends[-1] = unit.end()
    return Canonical("".join(text), "".join(shown), starts, ends)


def fold(text: str) -> str:
    """Return the text without case, accents, ligatures and invisible characters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (each for each in decomposed if unicodedata.category(each) not in ("Mn", "Cf"))
    return "".join(kept).translate(_PLAIN)


def _decoded(unit: str) -> str:
    if len(unit) == 1:
        return unit
    if unit[0] == "%":
        return unquote_to_bytes(unit).decode("utf-8", errors="replace")
    kind = unit.lstrip("\\")
    if kind[:1] == "u":
        halves = b"".join(int(code, 16).to_bytes(2, "big") for code in re.findall("u(....)", unit))
        return halves.decode("utf-16-be", errors="replace")
    if kind[:1] == "x":
        return chr(int(kind[1:3], 16))
    return _SHORT.get(kind, kind or "\\")
