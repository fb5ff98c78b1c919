"""The manual at /help: the chapters of `sse_twisted/manual` on one page, which a browser can search and print."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from markupsafe import Markup
from msgspec import Struct
from twisted.web.http import CACHED

from sse_twisted.manual import CHAPTERS, chapter
from sse_twisted.runtime.disk import Disk
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.routing import HTML, ParsedRequest, Response, Route

if TYPE_CHECKING:
    from markdown_it.token import Token


class Heading(Struct, frozen=True):
    """A chapter (level 1) or a section (level 2), and its anchor."""

    level: int
    title: str
    anchor: str


class Manual(Struct, frozen=True):
    """The chapters as HTML, and their headings in order."""

    html: Markup
    headings: tuple[Heading, ...]


class HelpPage:
    """Serves the manual. It is rendered at the first request, in a thread, and kept."""

    def __init__(self, renderer: Renderer, disk: Disk, today: Callable[[], datetime.date]) -> None:
        self._renderer = renderer
        self._disk = disk
        self._today = today
        self._manual: Manual | None = None

    def routes(self) -> tuple[Route, ...]:
        """Return the one route."""
        return (Route("GET", "/help", self.page),)

    async def page(self, request: ParsedRequest) -> Response:
        """Return the manual, or 304 if the browser has it."""
        if self._manual is None:
            # A disk that hangs keeps the threads, and this page says what to do then: it is worth its 100 ms, once.
            self._manual = render_manual() if self._disk.slow else await self._disk.read(render_manual)
        page = self._renderer.page("help.html", manual=self._manual, today=self._today())
        headers = {"Cache-Control": "no-cache"}
        if request.raw.setETag(b'"%s"' % hashlib.sha256(page).hexdigest()[:16].encode()) is CACHED:
            return Response(b"", HTML, 304, headers)
        return Response(page, HTML, headers=headers)


def render_manual() -> Manual:
    """Render all chapters. Blocks for some 100 ms."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse("\n".join(map(chapter, CHAPTERS)))
    headings = tuple(_prepare(tokens))
    html = markdown.renderer.render(tokens, markdown.options, {})
    return Manual(Markup(html), headings)  # noqa: S704 - the renderer escapes


def _prepare(tokens: list[Token]) -> Iterator[Heading]:
    """Give anchors to headings and to rows of tables that begin with a bold term; yield the headings."""
    anchors: set[str] = set()
    for token, inside, following in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.type == "heading_open":
            level, title = int(token.tag[1:]), _text(inside)
            token.attrSet("id", _anchor(title))
            anchors.add(_anchor(title))
            token.tag = following.tag = f"h{level + 1}"  # below the page's own heading
            yield Heading(level, title, _anchor(title))
        elif token.type == "tr_open" and inside.type == "td_open":
            term = re.search(r"\*\*(.+?)\*\*", following.content)
            if term is not None and (anchor := _anchor(term[1])) and anchor not in anchors:
                inside.attrSet("id", anchor)
                anchors.add(anchor)
        elif token.type == "fence":
            token.attrSet("tabindex", "0")  # a keyboard can scroll what is wider than the screen


def _text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
