"""What can go wrong between the collector and a device; each error is one line for the operator."""

from __future__ import annotations

from twisted.internet import error as network
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from twisted.web.http import PotentialDataLoss

from sse_twisted.runtime.text import one_line


class DeviceError(Exception):
    """Base class: one request to one device failed."""


class Unreachable(DeviceError):
    """There is no connection, or no byte of a response."""


class Silent(Unreachable):
    """The device accepts connections but does not respond."""


class Refused(DeviceError):
    """The status of the response is not a success; `retry_after` in s, 0 if the device names none."""

    def __init__(self, message: str, status: int, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Interrupted(DeviceError):
    """The response is incomplete."""


class BadAnswer(DeviceError):
    """The response is invalid."""


class TooLong(BadAnswer):
    """The response has more bytes than it may have."""


class WebPage(BadAnswer):
    """The response is HTML where JSON is expected: of a router, or of the login page of a WiFi."""


class BadRange(BadAnswer):
    """The response to a request for a part of a track is not that part."""


class WrongDevice(DeviceError):
    """Another device than the expected one responds at this address."""

    def __init__(self, message: str, identifier: int) -> None:
        super().__init__(message)
        self.identifier = identifier


def connection_error(error: Exception) -> DeviceError:
    """Translate an error raised before the headers of a response; raises any error that is not about the network."""
    translated = _translated(error)
    error.__traceback__ = None  # its frames refer to it, and would wait with it for the garbage collector
    return translated


def _translated(error: Exception) -> DeviceError:
    if isinstance(error, network.ConnectionRefusedError):
        return Unreachable("connection refused")
    if isinstance(error, network.NoRouteError):
        return Unreachable("no route to host")
    if isinstance(error, network.TCPTimedOutError | network.TimeoutError):
        return Unreachable("connection timed out")
    if isinstance(error, network.ConnectError):
        return Unreachable(f"no connection ({error.osError or type(error).__name__})")
    if isinstance(error, ResponseFailed):
        for reason in (failure.value for failure in error.reasons):
            if not isinstance(reason, network.ConnectionClosed | PotentialDataLoss):
                return BadAnswer(f"invalid HTTP response ({one_line(str(reason)) or type(reason).__name__})")
    elif not isinstance(error, network.ConnectionClosed | RequestTransmissionFailed):
        raise error
    return Silent("connection closed without a response")
