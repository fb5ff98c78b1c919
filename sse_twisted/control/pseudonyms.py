"""Pseudonyms for people, File IDs, WiFi names, serial numbers and secrets: the same one wherever a name occurs.

Names are found however they are written: in other case, without accents, with ligatures, escaped as in JSON or a URL,
apart or joined. A name that is also a word of the logs ("An", "The") is replaced with a capital only, so that the logs
stay readable. Where the place says what a value is (a column, a key of JSON, a track's name) it is always replaced.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from urllib.parse import quote

from attrs import define, field
from msgspec import Struct

from sse_twisted.control.canonical import Canonical, canonical, fold
from sse_twisted.manual import CHAPTERS, chapter

MIN_WORD = 3  # characters; a shorter name is treated like a word of the logs
MIN_SERIAL = 5  # digits; a shorter number is something else elsewhere
MIN_CORE = 6  # characters of base64 that only a secret has
MAX_GAP = 3  # characters between two words of one name
FORMS = {
    "person": "Person{}",
    "file_id": "FID{:03}",
    "wifi": "WiFi{}",
    "serial": "serial{}",
    "host": "host{}",
    "secret": "secret{}",
}
KEYS = {  # of JSON and TOML, whose values are always replaced
    **dict.fromkeys(("sailor", "username", "nickname", "first_name", "family_name"), "person"),
    **dict.fromkeys(("file_id",), "file_id"),
    **dict.fromkeys(("login", "ssid", "essid"), "wifi"),
    **dict.fromkeys(("serial", "serial_number", "serialnumber", "sn", "uid", "uuid", "imei", "chip_id"), "serial"),
    **dict.fromkeys(("mac", "bssid", "mac_address", "macaddress"), "serial"),
    **dict.fromkeys(("password", "passwd", "pass", "psk", "token", "secret", "api_key", "passphrase"), "secret"),
}
JSON_WORDS = "null true false none board code fin level mode nickname rows sail special spot units username wind"
WORD = re.compile(r"[^\W_]+")
PIECES = re.compile(r"[-'\u2019]")  # of a double name
KEYED = re.compile(
    rf"""(?<![\w-])["']?({"|".join(KEYS)})["']?\s*[:=]\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"',;&{{}}\[\]]+)""",
    re.IGNORECASE,
)
CREDENTIALS = re.compile(r"\b(?:bearer|basic)\s+([A-Za-z0-9+/=_.~-]{6,})", re.IGNORECASE)
MAC = re.compile(r"(?<![0-9A-Fa-f:.-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Fa-f:-])")
OWNER = re.compile(r"([^/\\\s\"':,;()\[\]{}=]+)_\d{1,6}_(?:\d{8}_\d{6}|undated_)")
BASE64 = r"[A-Za-z0-9+/_-]*{}[A-Za-z0-9+/_-]*=*"
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class _Name(Struct, frozen=True):
    words: tuple[str, ...]  # folded
    pseudonym: str
    spellings: frozenset[str] | None = None  # if only these count, since it is a word of the logs too


@define(eq=False)
class Pseudonyms:
    """The names to replace, and what stands for them."""

    _by_first_word: dict[str, list[_Name]] = field(factory=dict, init=False)
    _pseudonyms: dict[str, str] = field(factory=dict, init=False)  # by folded name
    _counts: dict[str, int] = field(factory=dict, init=False)  # by kind
    _exact: dict[str, str] = field(factory=dict, init=False)  # what is replaced anywhere, also within words
    _cores: dict[str, str] = field(factory=dict, init=False)  # parts of the base64 form of secrets

    @property
    def counts(self) -> dict[str, int]:
        """How many pseudonyms there are, by kind."""
        return dict(self._counts)

    def add_person(self, name: str) -> None:
        """Replace a name of a person, and each word of it."""
        parts = name.split()
        for part in parts:
            self._add("person", part)
            for piece in PIECES.split(part):
                if piece != part and len(piece) > MIN_WORD:
                    self._add("person", piece)
        if len(parts) > 1:
            replacement = self.value("person", name)
            allowed = frozenset({name} - {name.lower()}) if self._is_common(name) else None
            for words in _spellings(name) if allowed is None else list(_spellings(name))[:1]:
                if len(words) > 1 or words[0] not in vocabulary():
                    self._file(_Name(words, replacement, allowed))

    def add(self, kind: str, name: str) -> None:
        """Replace a File ID, the name of a WiFi or a serial number."""
        self._add(kind, name)

    def add_secret(self, secret: str) -> None:
        """Replace a secret, also in the base64 of basic authentication."""
        secret = secret.strip()
        if not secret:
            return
        pseudonym = self.of("secret", secret)
        if secret.isalnum() and self._is_common(secret):
            self._add("secret", secret)
            return
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, "")}:
            self._exact[form] = pseudonym
        self._add("secret", secret)
        data = secret.encode()
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + data).decode()
            core = encoded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
            if len(core) >= MIN_CORE:
                self._cores[core] = self._cores[core.translate(str.maketrans("+/", "-_"))] = pseudonym

    def of(self, kind: str, name: str) -> str:
        """Return the pseudonym of a name, a new one for a new name."""
        key = fold(name.strip())
        if key not in self._pseudonyms:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._pseudonyms[key] = FORMS[kind].format(number)
        return self._pseudonyms[key]

    def value(self, kind: str, name: str) -> str:
        """Return what stands for a whole value of which the place says what it is."""
        words = name.split() if kind == "person" else [name]
        return " ".join(self.of(kind, word) for word in words if word.strip())

    def replace(self, text: str) -> str:
        """Replace all names in a text, which should be short: a few lines."""
        for secret in sorted(self._exact, key=len, reverse=True):
            if secret in text:
                text = text.replace(secret, self._exact[secret])
        for core, pseudonym in self._cores.items():
            if core in text:
                text = re.sub(BASE64.format(re.escape(core)), pseudonym, text)
        known = canonical(text)
        pieces, end = [], 0
        for start, stop, pseudonym in sorted(self._found(known), key=lambda found: (found[0], -found[1])):
            if start >= end:
                pieces += [text[end:start], pseudonym]
                end = stop
        return "".join((*pieces, text[end:]))

    def _found(self, known: Canonical) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and pseudonym of each name."""
        for start, stop, pseudonym in (*_in_place(self, known), *self._in_words(known)):
            if start < stop:
                yield known.starts[start], known.ends[stop - 1], pseudonym

    def _in_words(self, known: Canonical) -> Iterator[tuple[int, int, str]]:
        words = [(match[0], match.start(), match.end()) for match in WORD.finditer(known.text)]
        number = 0
        while number < len(words):
            for name in self._by_first_word.get(words[number][0], ()):
                if _matches(name, words[number : number + len(name.words)], known.shown):
                    last = number + len(name.words) - 1
                    yield words[number][1], words[last][2], name.pseudonym
                    number = last
                    break
            number += 1

    def _add(self, kind: str, name: str) -> None:
        pseudonym = self.of(kind, name)
        is_common = self._is_common(name)
        plain = name.strip()
        allowed = frozenset({plain, plain.capitalize()} - {plain.lower()}) if is_common else None
        spellings = list(_spellings(name))
        if not spellings and len(plain) > 1 - plain.isascii():  # signs only, such as an emoji
            self._exact |= dict.fromkeys((plain, json.dumps(plain)[1:-1], quote(plain, "")), pseudonym)
            return
        if not is_common and (kind == "wifi" or "\\" in plain or "%" in plain):  # any signs, also those of an escape
            escaped = (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1], quote(plain, ""))
            self._exact |= dict.fromkeys((plain, *escaped), pseudonym)
        if is_common and (not allowed or plain.isdecimal()):
            return  # its place must say what it is
        for words in spellings:
            self._file(_Name(words, pseudonym, allowed))

    def _file(self, name: _Name) -> None:
        names = self._by_first_word.setdefault(name.words[0], [])
        if all(other.words != name.words for other in names):
            names.append(name)
            names.sort(key=lambda each: -len(each.words))

    def _is_common(self, name: str) -> bool:
        """Whether each word of a name may as well be a word of the logs."""
        return all(
            word in vocabulary() or (word.isascii() and len(word) < (MIN_SERIAL if word.isdecimal() else MIN_WORD))
            for word in WORD.findall(fold(name))
        )


@cache
def vocabulary() -> frozenset[str]:
    """Return the words of the logs, which are those of the manual that explains them, and those of JSON files."""
    words = re.findall(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])", " ".join((*map(chapter, CHAPTERS), JSON_WORDS)))
    return frozenset(words)


def _spellings(name: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of a name, also with ae for ä, and also joined."""
    composed = unicodedata.normalize("NFC", name).lower()
    for text in dict.fromkeys((name, composed.translate(UMLAUTS))):
        if words := tuple(WORD.findall(fold(text))):
            yield words
            if len(words) > 1:
                yield ("".join(words),)


def _matches(name: _Name, words: list[tuple[str, int, int]], shown: str) -> bool:
    if tuple(word for word, _, _ in words) != name.words:
        return False
    if any(after[1] - before[2] > MAX_GAP for before, after in pairwise(words)):
        return False
    return name.spellings is None or shown[words[0][1] : words[-1][2]] in name.spellings


def _in_place(pseudonyms: Pseudonyms, known: Canonical) -> Iterator[tuple[int, int, str]]:
    """Yield what is replaced because of its place."""
    shown = known.shown
    for match in KEYED.finditer(shown):
        start, end = match.span(2)
        is_quoted = shown[start] in "\"'"
        if is_quoted:
            start, end = start + 1, end - 1
        value = shown[start:end]
        if value.strip() and (is_quoted or value not in ("null", "None", "true", "false")):
            yield start, end, pseudonyms.value(KEYS[match[1].lower()], value)
    for match in CREDENTIALS.finditer(shown):
        yield *match.span(1), pseudonyms.of("secret", match[1])
    for match in MAC.finditer(shown):
        yield *match.span(), pseudonyms.of("serial", match[0].replace("-", ":"))
    for match in OWNER.finditer(shown):
        start, end = match.span(1)
        start += len(match[1]) - len(match[1].lstrip("."))
        yield start, end, pseudonyms.of("file_id", shown[start:end])
