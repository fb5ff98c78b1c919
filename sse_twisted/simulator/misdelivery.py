"""Faults of delivery: what goes wrong with an answer between its status line and its last byte."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from attrs import evolve

from sse_twisted.simulator.answers import Answer, Body, Ending, make_answer
from sse_twisted.simulator.faults import Fault

ELSEWHERE: Final = b"http://elsewhere.invalid"
"""The host to which "redirect" leads; no resolver knows a name below .invalid (RFC 2606)."""


def misdeliver(answer: Answer, fault: Fault) -> Answer | None:
    """Return the answer with the fault in it; None where it makes no difference, e.g. a cut after the last byte."""
    change = _CHANGES.get(fault.name)
    return None if change is None else change(answer, fault)


def replacement(fault: Fault, target: bytes) -> Answer | None:
    """Return the answer that the fault gives in place of any page; None for faults that leave the page alone."""
    page = Body(b"<html><body>simulated</body></html>")
    if fault.name == "404":
        return not_found()
    if fault.name == "500":
        return make_answer(500, b"Internal Server Error", page, b"text/html")
    if fault.name == "503":
        retry = (b"Retry-After", b"%d" % fault.pause)
        return make_answer(503, b"Service Unavailable", page, b"text/html", retry)
    if fault.name == "redirect":
        return make_answer(302, b"LoadedState", page, b"text/html", (b"Location", ELSEWHERE + target))
    return None


def not_found() -> Answer:
    """Return the answer to a path that the device does not have."""
    return make_answer(404, b"Not LoadedState", Body(b"<html><body>not here</body></html>"), b"text/html")


def _end_at(ending: Ending) -> Callable[[Answer, Fault], Answer | None]:
    def change(answer: Answer, fault: Fault) -> Answer | None:
        if fault.at >= len(answer.body):
            return None
        absent = fault.pause if ending is Ending.REBOOT else 0.0
        return evolve(answer, cut_at=fault.at, ending=ending, absent=absent)

    return change


def _say_nothing(answer: Answer, fault: Fault) -> Answer:
    return evolve(answer, ending=Ending.NO_ANSWER)


def _reset(answer: Answer, fault: Fault) -> Answer:
    return evolve(answer, ending=Ending.RESET)


def _hesitate(answer: Answer, fault: Fault) -> Answer:
    return evolve(answer, latency=answer.latency + fault.pause)


def _drip(answer: Answer, fault: Fault) -> Answer:
    return evolve(answer, bytes_per_second=1.0 / fault.pause)


def _promise_more(answer: Answer, fault: Fault) -> Answer:
    return answer.with_header(b"Content-Length", b"%d" % (len(answer.body) + fault.at_or(1000)))


def _promise_less(answer: Answer, fault: Fault) -> Answer | None:
    promised = len(answer.body) - fault.at_or(1)
    return answer.with_header(b"Content-Length", b"%d" % promised) if promised >= 0 else None


def _promise_nothing(answer: Answer, fault: Fault) -> Answer:
    return answer.with_header(b"Content-Length")


def _promise_twice(answer: Answer, fault: Fault) -> Answer:
    length = len(answer.body)
    return answer.with_header(b"Content-Length", b"%d" % length, b"%d" % (length + 52))


_CHANGES: Final = MappingProxyType(
    {
        "reset": _reset,
        # Too late for these on a connection that is open: the nearest to them.
        "refused": _reset,
        "never-accepted": _say_nothing,
        "no-headers": _say_nothing,
        "slow-headers": _hesitate,
        "cut": _end_at(Ending.CLOSE_EARLY),
        "abort": _end_at(Ending.ABORT),
        "stall": _end_at(Ending.STALL),
        "reboot": _end_at(Ending.REBOOT),
        "drip": _drip,
        "length-long": _promise_more,
        "length-short": _promise_less,
        "length-missing": _promise_nothing,
        "length-twice": _promise_twice,
    }
)
