"""A File ID: what the names of a sailor's tracks begin with, so it must be safe on Linux, macOS and Windows."""

from __future__ import annotations

import unicodedata

MAX_BYTES = (
    80  # in UTF-8; some file systems (eCryptfs) allow names of 143 bytes only, with all that follows the File ID
)
PUNCTUATION = frozenset(" _-.")
# Windows opens a device instead of a file if its name up to the first dot is one of these.
RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}
)


def parse_file_id(text: str) -> str:
    """Return a File ID as it stands in file names, in Unicode's form NFC; raises ValueError.

    Letters, with their accents and vowel signs, and digits of any language are valid.
    """
    file_id = unicodedata.normalize("NFC", "".join(" " if unicodedata.category(c) == "Zs" else c for c in text))
    if why := _objection(file_id):
        raise ValueError(f"invalid File ID {text!r}: {why}")
    return file_id


def _objection(file_id: str) -> str:
    if not file_id:
        return "it is empty"
    if wrong := next((c for c in file_id if c not in PUNCTUATION and not _is_of_a_word(c)), ""):
        return f"{wrong!r} is not allowed; use letters, digits, blanks, '_', '-' and '.'"
    if file_id[0] in ". " or file_id[-1] in ". " or unicodedata.category(file_id[0])[0] == "M":
        return "it must begin with a letter, a digit, '_' or '-', and not end with '.' or a blank"
    if (count := len(file_id.encode())) > MAX_BYTES:
        return f"it has {count} bytes, and at most {MAX_BYTES} are allowed"
    stem, dot, _ = file_id.partition(".")
    if dot and stem.rstrip().upper() in RESERVED:
        return f"Windows reserves file names that begin with '{stem}.'"
    return ""


def _is_of_a_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"


def folded(file_id: str) -> str:
    """Return what file systems that ignore case take a File ID for: equal for two that they can't tell apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", file_id).casefold())


def remark_on(file_id: str) -> str:
    """Return what may be unintended about a valid File ID; "" if nothing is."""
    before, underscore, _ = file_id.partition("_")
    if not underscore:
        return ""
    return f"File ID {file_id!r} has an underscore: the results software reads only {before!r} of it"
