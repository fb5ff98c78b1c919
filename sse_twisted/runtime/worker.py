"""Functions that compute for long run in a process of low priority, so that they keep the reactor waiting for nothing.

The process is started when it is needed, and ends when it has had nothing to do for a while. If it dies, whatever it
was doing is tried once more in a new one.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sse_twisted.runtime.one_thread import ENVIRONMENT
from sse_twisted.runtime.worker_process import HEAD

T = TypeVar("T")
Runner = Callable[..., Awaitable[Any]]  # runs a function with its arguments somewhere, and awaits its result

IDLE_TIME = 20.0  # s without anything to do until the process ends
MAX_TIME = 300.0  # s for one call; the largest track takes 10
TRIES = 2  # of a call in whose course the process died


class WorkerError(Exception):
    """A function in the worker has failed, or its process died repeatedly; the message says what happened."""


@define(eq=False)
class _Call:
    message: bytes
    done: Deferred[Any] = field(factory=Deferred)
    tries: int = 0


class Worker(Service):
    """One process, and the calls that wait for it, one after the other."""

    def __init__(self, reactor: Any, log: Logger) -> None:
        self._reactor = reactor
        self._log = log
        self._calls: deque[_Call] = deque()
        self._is_busy = False  # whether the first call is under way
        self._process: _Process | None = None
        self._timer: IDelayedCall | None = None

    def run(self, function: Callable[..., T], *args: Any) -> Deferred[T]:
        """Call a function of a module in the process; arguments and result are pickled.

        The Deferred fails with WorkerError if the function does. A call that is cancelled is left to itself.
        """
        done: Deferred[T] = Deferred()
        if not self.running:
            done.errback(Failure(CancelledError()))
            return done
        self._calls.append(_Call(pickle.dumps((function, args)), done))
        self._next()
        return done

    def stopService(self) -> None:
        """End the process at once: whatever it was doing is done at the next start."""
        super().stopService()
        self._set_timer(None)
        calls, self._calls = self._calls, deque()
        if self._process is not None:
            self._process.kill()
        for call in calls:
            if not call.done.called:
                call.done.errback(Failure(CancelledError()))

    def _next(self) -> None:
        """Send the first call if none is under way, or wait for one."""
        if self._is_busy:
            return
        if not self._calls:
            self._set_timer(IDLE_TIME)
            return
        if self._process is None:
            self._process = _Process(self._answered, self._ended)
            command = [sys.executable, "-P", "-m", "sse_twisted.runtime.worker_process"]
            environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            pipes = {0: "w", 1: "r", 2: 2}
            self._reactor.spawnProcess(self._process, sys.executable, command, environment, childFDs=pipes)
        self._is_busy = True
        self._calls[0].tries += 1
        self._process.send(self._calls[0].message)
        self._set_timer(MAX_TIME)

    def _answered(self, message: bytes) -> None:
        if not self._calls:
            return
        call = self._calls.popleft()
        self._is_busy = False
        is_fine, result = pickle.loads(message)  # noqa: S301 - from our own process
        self._fire(call, result if is_fine else Failure(WorkerError(result)))
        self._next()

    def _ended(self, process: _Process, reason: str) -> None:
        """The process is gone: of itself, because it was told to, or for no reason that it could tell."""
        if self._process is not process:
            return
        self._process, self._is_busy = None, False
        self._set_timer(None)
        if not self.running or not self._calls:
            return
        if self._calls[0].tries >= TRIES:
            self._fire(self._calls.popleft(), Failure(WorkerError(f"the worker process ended twice ({reason})")))
        else:
            self._log.warn("The worker process ended ({reason}): starting another one", reason=reason)
        self._next()

    def _fire(self, call: _Call, result: object) -> None:
        if not call.done.called:
            call.done.callback(result)

    def _set_timer(self, seconds: float | None) -> None:
        """End the process after some time: with nothing to do, or over one call."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if seconds is not None and self._process is not None:
            self._timer = self._reactor.callLater(seconds, self._process.kill)


class _Process(ProcessProtocol):
    """The process as its pipes: messages with their length in front."""

    def __init__(self, answered: Callable[[bytes], None], ended: Callable[[_Process, str], None]) -> None:
        self._answered = answered
        self._ended = ended
        self._received = bytearray()

    def send(self, message: bytes) -> None:
        assert self.transport is not None  # noqa: S101 - it was spawned
        self.transport.write(len(message).to_bytes(HEAD, "big") + message)

    def kill(self) -> None:
        """End it without waiting for it."""
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - of ProcessProtocol
        self._received += data
        while len(self._received) >= HEAD:
            end = HEAD + int.from_bytes(self._received[:HEAD], "big")
            if len(self._received) < end:
                return
            message, self._received = bytes(self._received[HEAD:end]), self._received[end:]
            self._answered(message)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - of ProcessProtocol
        self._ended(self, reason.getErrorMessage())
