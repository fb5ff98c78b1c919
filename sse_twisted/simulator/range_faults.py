"""Faults of a device that can't resume a transfer: what it sends in place of the part that was requested."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from attrs import evolve

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.responses import Body, Ending, Response, make_response

_PLACE: Final = re.compile(rb"bytes (\d+)-(\d+)/(\d+)")
_HEADER: Final = b"Content-Range"
_BOUNDARY: Final = b"simulated"
_SHORT: Final = 5000  # bytes of a part, unless the fault gives another number


def spoil_part(response: Response, fault: Fault) -> Response | None:
    """Return the response to a request for a part, with the fault; None for any other response or fault."""
    change = _CHANGES.get(fault.name)
    place = dict(response.headers).get(_HEADER)
    if change is None or response.status != 206 or place is None or (match := _PLACE.fullmatch(place)) is None:
        return None
    first, last, total = (int(number) for number in match.groups())
    return change(response, fault, first, last, total)


def _star(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    return response.with_header(_HEADER, b"bytes %d-%d/*" % (first, last))


def _bare(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    return response.with_header(_HEADER)


def _equals(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    return response.with_header(_HEADER, b"bytes=%d-%d/%d" % (first, last, total))


def _wrong_total(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    return response.with_header(_HEADER, b"bytes %d-%d/%d" % (first, last, total + fault.at_or(1000)))


def _shifted(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    place = b"bytes %d-%d/%d" % (first + 1, last, total)
    return _with_body(response, bytes(response.body)[1:]).with_header(_HEADER, place)


def _short(response: Response, fault: Fault, first: int, last: int, total: int) -> Response | None:
    most = fault.at_or(_SHORT)
    if len(response.body) <= most:
        return None
    place = b"bytes %d-%d/%d" % (first, first + most - 1, total)
    return _with_body(response, bytes(response.body)[:most]).with_header(_HEADER, place)


def _multipart(response: Response, fault: Fault, first: int, last: int, total: int) -> Response:
    head = b"--%b\r\nContent-Type: application/octet-stream\r\n" % _BOUNDARY
    head += b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (first, last, total)
    whole = head + bytes(response.body) + b"\r\n--%b--\r\n" % _BOUNDARY
    kind = b"multipart/byteranges; boundary=" + _BOUNDARY
    return _with_body(response, whole).with_header(_HEADER).with_header(b"Content-Type", kind)


def _status(response: Response, fault: Fault, *_: int) -> Response:
    page = Body(b"<html><body>simulated</body></html>")
    refusal = make_response(fault.at_or(400), b"Simulated", page, b"text/html")
    return evolve(refusal, latency=response.latency)


def _reset(response: Response, fault: Fault, *_: int) -> Response:
    return evolve(response, ending=Ending.RESET)


def _silent(response: Response, fault: Fault, *_: int) -> Response:
    return evolve(response, ending=Ending.NO_RESPONSE)


def _with_body(response: Response, body: bytes) -> Response:
    return evolve(response, body=Body(body)).with_header(b"Content-Length", b"%d" % len(body))


_CHANGES: Final[MappingProxyType[str, Callable[[Response, Fault, int, int, int], Response | None]]] = MappingProxyType(
    {
        "range-star": _star,
        "range-bare": _bare,
        "range-equals": _equals,
        "range-total": _wrong_total,
        "range-shifted": _shifted,
        "range-short": _short,
        "range-multipart": _multipart,
        "range-status": _status,
        "range-reset": _reset,
        "range-silent": _silent,
    }
)
