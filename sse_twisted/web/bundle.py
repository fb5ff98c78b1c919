"""The support bundle of a running collector, to be downloaded with the token."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from sse_twisted.control.bundle import Source, write_bundle
from sse_twisted.runtime.disk import Disk
from sse_twisted.web.api import Nothing
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.routing import HTML, ParsedRequest, Refusal, Response, Route

BLOCK_SIZE = 65_536  # bytes
MAX_WAITING = 1  # bundles that are made at the same time


@frozen(eq=False)
class BundleDownload:
    """Makes a bundle in short turns of a thread and sends it. `source` is called for each."""

    _renderer: Renderer
    _disk: Disk
    _source: Callable[[], Source]
    _now: Callable[[], float]
    _running: set[object] = field(factory=set, init=False)

    def routes(self) -> tuple[Route, ...]:
        """Return the page with the button, and the download itself."""
        return (
            Route("GET", "/support", self.page),
            Route("POST", "/bundle.zip", self.download, takes=Nothing, needs_token=True),
        )

    async def page(self, request: ParsedRequest) -> Response:
        """Serve the page with the button."""
        return Response(self._renderer.page("support.html"), HTML)

    async def download(self, request: ParsedRequest) -> None:
        """Send a new bundle; raise Refusal while another one is made, or if the disk fails."""
        if len(self._running) >= MAX_WAITING:
            raise Refusal(503, "a support bundle is being made already; try again in a minute", {"Retry-After": "60"})
        self._running.add(request.raw)
        try:
            file = await self._make()
        except OSError as error:
            raise Refusal(500, f"cannot make the support bundle: {error.strerror or error}") from None
        finally:
            self._running.discard(request.raw)
        raw = request.raw
        stamp = datetime.datetime.fromtimestamp(self._now(), datetime.UTC).strftime("%Y%m%d-%H%M%S")
        raw.setHeader("Content-Type", "application/zip")
        raw.setHeader("Content-Length", str(file.seek(0, 2)))
        raw.setHeader("Content-Disposition", f'attachment; filename="sse-bundle-{stamp}.zip"')
        file.seek(0)
        sending: Any = _Sending(raw, file)
        raw.registerProducer(sending, True)
        sending.resumeProducing()

    async def _make(self) -> IO[bytes]:
        file = await self._disk.read(tempfile.TemporaryFile)
        try:
            turns = write_bundle(file, self._source(), self._now())
            while await self._disk.read(_next, turns):
                pass
        except BaseException:
            file.close()
            raise
        return file


@implementer(IPushProducer)
@define
class _Sending:
    """Sends a file as fast as the client takes it. twisted.web.static has the like, but warns as it is imported."""

    _request: Request
    _file: IO[bytes]
    _is_paused: bool = False

    def resumeProducing(self) -> None:
        """Send until the connection has enough, and finish at the end of the file."""
        self._is_paused = False
        while not self._is_paused and not self._file.closed:
            if data := self._file.read(BLOCK_SIZE):
                self._request.write(data)
            else:
                self._file.close()
                self._request.unregisterProducer()
                self._request.finish()

    def pauseProducing(self) -> None:
        self._is_paused = True

    def stopProducing(self) -> None:
        """Close the file: the client has disconnected."""
        self._file.close()


def _next(turns: Iterator[None]) -> bool:
    """Do one turn, in a thread; return whether there may be another."""
    return next(turns, turns) is None
