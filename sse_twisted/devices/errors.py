"""What can go wrong between us and a device; each says in one line what happened, for the operator."""

from __future__ import annotations

from twisted.internet import error as network
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from twisted.web.http import PotentialDataLoss

from sse_twisted.runtime.text import one_line


class DeviceError(Exception):
    """Base of all of these: a matter of one device and one request, never of the collector."""


class Unreachable(DeviceError):
    """Nobody took the request: no connection, or no word of an answer."""


class Silent(Unreachable):
    """Somebody took the connection, and gave no word of an answer."""


class Refused(DeviceError):
    """The device answered with a status that is no success; `retry_after` in s, 0 where it names none."""

    def __init__(self, message: str, status: int, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Interrupted(DeviceError):
    """The answer began and did not come to its end."""


class BadAnswer(DeviceError):
    """The answer came whole and can't be used."""


class WrongDevice(DeviceError):
    """Another device than the expected one answers at this address."""

    def __init__(self, message: str, identifier: int) -> None:
        super().__init__(message)
        self.identifier = identifier


def connection_error(error: Exception) -> DeviceError:
    """Our word for what a request failed with before its answer began; raises what is no matter of the network."""
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, network.ConnectionRefusedError):
        return Unreachable("connection refused")
    if isinstance(error, network.NoRouteError):
        return Unreachable("no route to it")
    if isinstance(error, network.TCPTimedOutError | network.TimeoutError):
        return Unreachable("does not accept the connection")
    if isinstance(error, network.ConnectError):
        return Unreachable(f"no connection ({error.osError or type(error).__name__})")
    if isinstance(error, ResponseFailed):
        return _broken_answer(error)
    if isinstance(error, network.ConnectionClosed | RequestTransmissionFailed):
        return Silent("connection closed before an answer")
    raise error


def _broken_answer(error: ResponseFailed) -> DeviceError:
    reasons = [reason.value for reason in error.reasons]
    if all(isinstance(reason, network.ConnectionClosed | PotentialDataLoss) for reason in reasons):
        return Silent("connection closed before an answer")
    strange = next(r for r in reasons if not isinstance(r, network.ConnectionClosed | PotentialDataLoss))
    return BadAnswer(f"no proper HTTP answer ({one_line(str(strange)) or type(strange).__name__})")
