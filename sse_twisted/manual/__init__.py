"""The manual for operators and organisers: chapters in Markdown, which the board serves at /help.

A line `include: NAME` in a chapter stands for the file NAME beside it.
"""

from __future__ import annotations

import re
from importlib.resources import files

CHAPTERS = (  # in the order of reading
    "day",
    "board",
    "pages",
    "log",
    "courses",
    "findings",
    "trouble",
    "roster",
    "folder",
    "copies",
    "configuration",
    "console",
    "programs",
    "service",
    "moving",
    "tracks",
    "formats",
    "handin",
    "archive",
    "simulator",
)


def chapter(name: str) -> str:
    """Return the Markdown of one of CHAPTERS, with the files that it includes."""
    return re.sub(r"^include: (\S+)\n", lambda included: _text(included[1]), _text(f"{name}.md"), flags=re.MULTILINE)


def _text(file: str) -> str:
    return (files(__name__) / file).read_text(encoding="utf-8")
