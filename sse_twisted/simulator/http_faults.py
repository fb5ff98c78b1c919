"""Faults of HTTP responses: error pages, wrong lengths, slow, cut or missing responses."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from attrs import evolve

from sse_twisted.simulator.faults import Fault
from sse_twisted.simulator.responses import SILENT, Body, Ending, Response, make_response

ELSEWHERE: Final = b"http://elsewhere.invalid"
"""Target of "redirect"; names below .invalid never resolve (RFC 2606)."""


def spoil_response(response: Response, fault: Fault) -> Response | None:
    """Return the response with the fault; None if it changes nothing, e.g. a cut after the last byte."""
    change = _CHANGES.get(fault.name)
    return None if change is None else change(response, fault)


def error_page(fault: Fault, target: bytes) -> Response | None:
    """Return the response that the fault puts in place of any page; None for faults that keep the page."""
    page = Body(b"<html><body>simulated</body></html>")
    if fault.name == "404":
        return not_found()
    if fault.name == "500":
        return make_response(500, b"Internal Server Error", page, b"text/html")
    if fault.name == "503":
        retry = (b"Retry-After", b"%d" % fault.pause)
        return make_response(503, b"Service Unavailable", page, b"text/html", retry)
    if fault.name == "redirect":
        return make_response(302, b"Found", page, b"text/html", (b"Location", ELSEWHERE + target))
    return None


def not_found() -> Response:
    """Return the response for an unknown path."""
    return make_response(404, b"Not Found", Body(b"<html><body>not here</body></html>"), b"text/html")


def _end_at(ending: Ending) -> Callable[[Response, Fault], Response | None]:
    def change(response: Response, fault: Fault) -> Response | None:
        if fault.at >= len(response.body) or response.ending in SILENT:
            return None
        absent = fault.pause if ending is Ending.REBOOT else 0.0
        return evolve(response, cut_at=fault.at, ending=ending, absent=absent)

    return change


def _no_response(response: Response, fault: Fault) -> Response:
    return evolve(response, ending=Ending.NO_RESPONSE)


def _reset(response: Response, fault: Fault) -> Response:
    return evolve(response, ending=Ending.RESET)


def _slow(response: Response, fault: Fault) -> Response:
    return evolve(response, latency=response.latency + fault.pause)


def _drip(response: Response, fault: Fault) -> Response:
    return evolve(response, bytes_per_second=1.0 / fault.pause)


def _length_long(response: Response, fault: Fault) -> Response:
    return response.with_header(b"Content-Length", b"%d" % (len(response.body) + fault.at_or(1000)))


def _length_short(response: Response, fault: Fault) -> Response | None:
    promised = len(response.body) - fault.at_or(1)
    return response.with_header(b"Content-Length", b"%d" % promised) if promised >= 0 else None


def _length_missing(response: Response, fault: Fault) -> Response:
    return response.with_header(b"Content-Length")


def _length_twice(response: Response, fault: Fault) -> Response:
    length = len(response.body)
    return response.with_header(b"Content-Length", b"%d" % length, b"%d" % (length + 52))


_CHANGES: Final = MappingProxyType(
    {
        "reset": _reset,
        # The connection is open already, too late for these two: the nearest to them.
        "refused": _reset,
        "never-accepted": _no_response,
        "no-headers": _no_response,
        "slow-headers": _slow,
        "cut": _end_at(Ending.CLOSE_EARLY),
        "abort": _end_at(Ending.ABORT),
        "stall": _end_at(Ending.STALL),
        "reboot": _end_at(Ending.REBOOT),
        "drip": _drip,
        "length-long": _length_long,
        "length-short": _length_short,
        "length-missing": _length_missing,
        "length-twice": _length_twice,
    }
)
