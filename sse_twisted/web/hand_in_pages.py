"""The page on which tracks of other devices are handed in, and on which people say whose they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred

from sse_twisted.control.errors import CommandError, NotFound
from sse_twisted.control.hand_ins import FILED, READING, REFUSED, WAITING, HandInCommands, HandInReport
from sse_twisted.handin.intake import MAX_SIZE, Kept, public
from sse_twisted.runtime.clients import client_of
from sse_twisted.runtime.disk import DiskTrouble
from sse_twisted.runtime.text import one_line
from sse_twisted.web.api import Nothing
from sse_twisted.web.pages import PLOT_POLICY
from sse_twisted.web.pending_commands import TIMED_OUT, PendingCommands
from sse_twisted.web.rendering import Renderer
from sse_twisted.web.request_queue import Lane
from sse_twisted.web.routing import HTML, ParsedRequest, Refusal, Response, Route, Upload, json_response
from sse_twisted.web.security import HEADERS
from sse_twisted.web.uploads import FILES, PAGE, WRONG_TOKEN, FileUpload, FormUpload, Sent

ONE: Final = "/hand-in/{key}"
MAX_SECTIONS: Final = 20  # tracks without an owner that are shown with picture and choice; the others have links
COUNTS: Final = {"count": True, "leave": False, "rule": None}
FORM_HEADERS: Final = {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'"),
    "Referrer-Policy": "same-origin",  # without a referrer, a browser sends a form as from nowhere
}


@frozen(eq=False)
class HandInPages:
    """The routes of the page, of its files and pictures."""

    _hand_ins: HandInCommands
    _renderer: Renderer
    _pending: PendingCommands
    _is_token: Callable[[str], bool]

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", PAGE, self.page),
            Route("POST", PAGE, self.form),
            Route("POST", FILES, self.file, query=("name", "who", "file_id"), returns=HandInReport, needs_token=True),
            Route("POST", "/hand-in/serials", self.serials, takes=Nothing, needs_token=True),
            Route("GET", "/hand-in/{key}.svg", self.picture, lane=Lane.READING),
            Route("GET", ONE, self.one),
            Route("POST", ONE, self.decide),
        )

    async def page(self, request: ParsedRequest) -> Response:
        return self._page()

    async def form(self, request: ParsedRequest) -> Response:
        """Take the files of a form, and show what became of each."""
        upload = getattr(request.raw, "upload", None)
        if not isinstance(upload, FormUpload):
            raise Refusal(415, "unsupported content type; send multipart/form-data")
        who = _who(request, upload.fields.get("who", ""))
        outcome = await self._outlasting("form", self._take_form(upload, who))
        return self._page(outcome or [], is_late=outcome is None)

    async def _take_form(self, upload: FormUpload, who: str) -> list[tuple[Sent, HandInReport | None]]:
        file_id = self._owner(upload, upload.fields.get("file_id", ""))
        sent = await upload.finish()
        return [(each, await self._take(each.kept, who, file_id) if each.kept else None) for each in sent]

    async def file(self, request: ParsedRequest) -> Response:
        """Take one file, and return what became of it; after some seconds that it is being read."""
        upload = getattr(request.raw, "upload", None)
        if not isinstance(upload, FileUpload):
            raise Refusal(400, "send the bytes of a file")
        who = _who(request, request.parameters.get("who", ""))
        file_id = self._owner(upload, request.parameters.get("file_id", ""))

        async def take() -> HandInReport:
            return await self._take(await upload.finish(), who, file_id)

        report = await self._outlasting(one_line(public(request.parameters.get("name", ""))), take())
        if report is None:
            return json_response({"state": READING}, 202)
        return json_response(report)

    def _owner(self, upload: Upload, file_id: str) -> str:
        """Return the File ID that was chosen for an upload, "" without one; raises Refusal."""
        if file_id and not any(person.file_id == file_id for person in self._hand_ins.people()):
            upload.abort()
            raise Refusal(400, f"no File ID {one_line(repr(file_id), 60)} on the roster")
        return file_id

    async def one(self, request: ParsedRequest) -> Response:
        """Serve the page of one hand-in, on which it is decided; it needs no script."""
        return self._page_of(request)

    async def decide(self, request: ParsedRequest) -> Response:
        """Do what the form of that page says: `owner`, or `count`, `leave` or `rule` with a day."""
        fields = {name: _field(request, name) for name in ("token", "who", "file_id", "reason", "do")}
        if not self._is_token(fields["token"]):
            raise Refusal(401, WRONG_TOKEN)
        key, who, (what, _, text) = request.parameters["key"], fields["who"], fields["do"].partition(" ")
        day = _day(text) if what in COUNTS else None
        if what != "owner" and day is None:
            raise Refusal(400, "the form does not say what to do")
        try:
            if day is None:
                if not fields["file_id"] and not self._hand_ins.find(key).file_id:
                    raise CommandError("choose the sailor first")
                said = await self._hand_ins.assign(key, fields["file_id"], who)
            else:
                said = await self._hand_ins.decide(key, day, COUNTS[what], who, fields["reason"])
        except CommandError as error:
            return self._page_of(request, f"Not done: {error}.", 409)
        return self._page_of(request, f"Done: {said}." if said else "Done.")

    def _page_of(self, request: ParsedRequest, said: str = "", status: int = 200) -> Response:
        try:
            entry = self._hand_ins.find(request.parameters["key"])
        except CommandError as error:
            raise Refusal(404, str(error)) from None
        report = self._hand_ins.report(entry)
        values = {
            "report": report,
            "people": self._hand_ins.people(),
            "said": said,
            "is_track": report.state in (WAITING, FILED),
            "is_reading": report.state == READING,
        }
        page = self._renderer.page("hand_in_one.html", **values)
        return Response(page, HTML, status, FORM_HEADERS)

    async def _outlasting(self, what: str, work: Any) -> Any:
        """Return the result of work that goes on when the client has gone; None if it takes long."""
        result = await self._pending.wait("Hand-in", what, Deferred.fromCoroutine(work))
        return None if result is TIMED_OUT else result

    async def _take(self, kept: Kept, who: str, file_id: str = "") -> HandInReport:
        try:
            entry = await self._hand_ins.service.register.take(kept, who)
            entry = await self._hand_ins.service.settled(entry)
            if file_id and not entry.trouble and entry.file_id != file_id:
                await self._hand_ins.assign(entry.sha256, file_id, who)
        except DiskTrouble as error:
            raise Refusal(507, f"the file is kept, but not taken yet: {error}") from None
        except CommandError as error:
            raise Refusal(409, str(error)) from None
        return self._hand_ins.report(self._hand_ins.find(kept.sha256))

    async def serials(self, request: ParsedRequest) -> Response:
        """Return the serial numbers of the devices whose tracks have no owner."""
        return json_response(self._hand_ins.serials())

    async def picture(self, request: ParsedRequest) -> Response:
        """Serve the picture of a hand-in: its speed over time and its path."""
        try:
            svg = await self._hand_ins.picture(request.parameters["key"])
        except CommandError as error:
            raise Refusal(404 if isinstance(error, NotFound) else 503, str(error)) from None
        return Response(svg.encode(), "image/svg+xml", headers={"Content-Security-Policy": PLOT_POLICY})

    def _page(self, outcome: Any = (), *, is_late: bool = False) -> Response:
        reports = self._hand_ins.all()
        values = {
            "waiting": self._hand_ins.waiting(),
            "reading": [report for report in reports if report.state == READING],
            "filed": [report for report in reports if report.state == FILED],
            "refused": [report for report in reports if report.state == REFUSED],
            "people": self._hand_ins.people(),
            "outcome": outcome,
            "is_late": is_late,
            "most": MAX_SIZE,
            "sections": MAX_SECTIONS,
        }
        page = self._renderer.page("hand_in.html", **values)
        return Response(page, HTML, headers=FORM_HEADERS)


def _field(request: ParsedRequest, name: str) -> str:
    """Return a field of a form; "" without it."""
    sent: dict[bytes, list[bytes]] = request.raw.args or {}
    return sent.get(name.encode(), [b""])[-1].decode(errors="replace").strip()


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _who(request: ParsedRequest, name: str) -> str:
    client = client_of(request.raw.getClientAddress())
    name = one_line(" ".join(name.split()), 100)
    return f"{name} (board, {client})" if name else f"board, {client}"
