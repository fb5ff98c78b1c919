"""Do the same work on many things in an executor: processes of this computer, or a cluster of Dask."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD: Final = 16  # batches under way for each process: one large track in front does not stop the others


class WorkError(Exception):
    """The work cannot go on; the message says why and what to do."""


class Workers(Protocol):
    """Where work is done."""

    def map(
        self,
        work: Callable[[T], R],
        things: Iterable[T],
        *,
        file: Callable[[T], Path],
        failure: Callable[[T, R], str],
        batch: int = 1,
    ) -> Iterator[R]:
        """Yield what `work` returns for each thing, in their order, as it comes; raises WorkError.

        However many things there are, only a bounded number is under way. A worker takes a batch of them at a time.
        `file` returns the absolute path of the file that a thing is about. `failure` says what went wrong in an outcome
        that another computer might not have; "" if nothing did.
        """

    def require(self, paths: Iterable[Path]) -> None:
        """Raise WorkError unless each worker sees the same under these absolute paths as this process."""


class Here:
    """One thing after the other in this process."""

    def map(
        self,
        work: Callable[[T], R],
        things: Iterable[T],
        *,
        file: Callable[[T], Path],
        failure: Callable[[T, R], str],
        batch: int = 1,
    ) -> Iterator[R]:
        return map(work, things)

    def require(self, paths: Iterable[Path]) -> None:
        pass


class Processes:
    """Processes of this computer."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool = pool
        self._ahead = AHEAD * count

    def map(
        self,
        work: Callable[[T], R],
        things: Iterable[T],
        *,
        file: Callable[[T], Path],
        failure: Callable[[T, R], str],
        batch: int = 1,
    ) -> Iterator[R]:
        return in_order(self._pool, work, things, batch, self._ahead, _outcome)

    def require(self, paths: Iterable[Path]) -> None:
        pass


@contextmanager
def local_workers(count: int) -> Iterator[Workers]:
    """Start so many processes as they are needed; with one there is this process alone."""
    if count == 1:
        yield Here()
        return
    with ProcessPoolExecutor(count) as pool:
        yield Processes(pool, count)


def in_order(
    executor: Executor,
    work: Callable[[T], R],
    things: Iterable[T],
    batch: int,
    ahead: int,
    outcome: Callable[[Future[list[R]]], list[R]],
) -> Iterator[R]:
    """Yield what `work` returns for each thing, in order, with at most `ahead` batches under way.

    `outcome` waits for a batch, and may raise an error of its own. At an error the batches under way are cancelled.
    """
    rest = iter(things)
    waiting: deque[Future[list[R]]] = deque()
    try:
        while some := list(islice(rest, batch)):
            waiting.append(executor.submit(do_all, work, some))
            if len(waiting) >= ahead:
                yield from outcome(waiting.popleft())
        while waiting:
            yield from outcome(waiting.popleft())
    finally:
        for future in waiting:
            future.cancel()


def do_all(work: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """Do the work of a batch."""
    return [work(thing) for thing in things]


def _outcome(future: Future[list[R]]) -> list[R]:
    try:
        return future.result()
    except BrokenExecutor:
        text = "a process was killed, perhaps because memory ran out: try fewer with --jobs"
        raise WorkError(text) from None
