"""Coroutines that run beside each other, for services that start them and must end them."""

from __future__ import annotations

from collections.abc import Coroutine, Hashable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure


class Tasks:
    """Running coroutines, at most one current for each key.

    Their failures are logged, except for cancellations.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._running: dict[Deferred[None], Hashable] = {}  # also those that were replaced and have not ended
        self._current: dict[Hashable, Deferred[None]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._current

    def start(
        self, key: Hashable, coroutine: Coroutine[Deferred[Any], Any, None], failed: str, **fields: Any
    ) -> Deferred[None]:
        """Run `coroutine` until it first waits; cancel the current task of `key`, which it replaces.

        The returned Deferred fires with None at the end of the task, even if it fails or is cancelled. `failed` is the
        log message of a failure, with `fields`.
        """
        self.cancel(key)
        task = Deferred.fromCoroutine(coroutine)
        self._running[task] = key
        self._current[key] = task
        return task.addErrback(self._report, failed, fields).addBoth(self._forget, task)

    def cancel(self, key: Hashable) -> None:
        """Cancel the current task of `key`, if there is one. It stays current until it has ended."""
        if (task := self._current.get(key)) is not None:
            task.cancel()

    def stop(self) -> Deferred[None]:
        """Cancel all tasks; the returned Deferred fires when the last one has ended.

        The newest is cancelled first. A task that holds a lock would otherwise pass it to one that is cancelled next.
        """
        tasks = list(self._running)
        for task in reversed(tasks):
            task.cancel()
        return DeferredList(tasks).addCallback(lambda _: None)

    def _report(self, failure: Failure, failed: str, fields: dict[str, Any]) -> None:
        if not failure.check(CancelledError):
            self._log.failure(failed, failure, **fields)

    def _forget(self, _: None, task: Deferred[None]) -> None:
        key = self._running.pop(task)
        if self._current.get(key) is task:
            del self._current[key]
