"""The manual for operators and organisers: chapters in Markdown, which the board serves at /help."""

from __future__ import annotations

from importlib.resources import files

CHAPTERS = (  # in the order of reading
    "day",
    "board",
    "pages",
    "log",
    "findings",
    "trouble",
    "roster",
    "folder",
    "configuration",
    "console",
    "programs",
    "service",
    "moving",
    "tracks",
    "simulator",
)


def chapter(name: str) -> str:
    """Return the Markdown of one of CHAPTERS."""
    return (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
