"""A cluster of Dask as an executor. Dask is imported only when a cluster is asked for.

Dask spreads the work, and does that of a worker that ends again. What is checked here is that all workers compute the
same as this process would.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import contextmanager
from functools import partial
from itertools import tee
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final, TypeVar

from sse_twisted.runtime.executors import AHEAD, WorkError, in_order
from sse_twisted.runtime.text import listed

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

CLOSE: Final = 3.0  # s for the connection to close
CONNECT: Final = 10.0  # s for the scheduler to answer
LOOK: Final = 5.0  # s of waiting for a batch after which the workers are counted
NO_WORKERS: Final = 60.0  # s without any worker until the work is given up: one may be about to start again
MAX_NAMED: Final = 3  # workers in a message
SAME: Final = "Install the same version everywhere"
SAME_FILES: Final = "All workers need the same files under the same paths"


class OtherEdition(Exception):
    """A worker that came later is of another version than this process."""


class Cluster:
    """The workers of a scheduler. `edition` returns the version of all that decides what the work returns."""

    def __init__(self, client: Client, address: str, edition: Callable[[], str]) -> None:
        self._client = client
        self._address = address
        self._edition = edition

    def map(
        self, work: Callable[[T], R], things: Iterable[T], *, failure: Callable[[T, R], str], batch: int = 1
    ) -> Iterator[R]:
        """Do as Workers. An outcome that has failed is computed here again; raises WorkError unless it is the same."""
        things, again = tee(things)
        executor: Executor = self._client.get_executor(pure=False)
        there = partial(do_as, self._edition, self._edition(), work)
        ahead = AHEAD * max(1, sum(self._ask(self._client.nthreads).values()))
        for outcome in in_order(executor, there, things, batch, ahead, self._outcome):
            thing = next(again)
            if (what := failure(thing, outcome)) and work(thing) != outcome:
                raise WorkError(f"a worker of {self._address} has an error that is none here: {what}. {SAME_FILES}")
            yield outcome

    def require(self, paths: Iterable[Path]) -> None:
        paths = list(paths)
        here = look(paths)
        wrong = {}
        for worker, there in self._on_each(partial(look, paths)).items():
            if isinstance(there, Exception):
                wrong[worker] = f"cannot look for the files ({there})"
                continue
            differing = [(path, a, b) for path, a, b in zip(paths, here, there, strict=True) if a != b]
            if differing:
                path, a, b = differing[0]
                wrong[worker] = f"{path} is {b} there and {a} here"
        if wrong:
            raise WorkError(f"{_named(wrong)}. {SAME_FILES}")

    def check_editions(self) -> None:
        """Raise WorkError unless there are workers, and scheduler and workers are of the edition of this process."""
        mine = self._edition()
        of_workers = self._on_each(self._edition)
        if not of_workers:
            raise WorkError(f"the scheduler {self._address} has no workers: start one with `dask worker`")
        editions = {f"scheduler {self._address}": self._edition_of_scheduler(), **of_workers}
        wrong = {name: _told(there) for name, there in editions.items() if there != mine}
        if wrong:
            raise WorkError(f"{_named(wrong)}; this computer has sse_twisted {mine}. {SAME}")

    def _edition_of_scheduler(self) -> str | Exception:
        """Ask the scheduler, which has to know the functions that it hands on."""
        name = f"{self._edition.__module__}:{self._edition.__name__}"
        try:
            self._ask(lambda: self._client.run_on_scheduler(resolve_name, name))
        except (ImportError, AttributeError) as error:
            return error
        return self._ask(lambda: str(self._client.run_on_scheduler(self._edition)))

    def _on_each(self, function: Callable[[], R]) -> Mapping[str, R | Exception]:
        answers: Mapping[str, R | Exception] = self._ask(lambda: self._client.run(function, on_error="return"))
        return answers

    def _ask(self, question: Callable[[], R]) -> R:
        try:
            return question()
        except (OSError, CancelledError) as error:
            raise self._gone() from error

    def _outcome(self, future: Future[list[R]]) -> list[R]:
        from distributed import KilledWorker

        waited = 0.0
        while not wait([future], LOOK).done:
            waited = 0.0 if self._ask(self._client.nthreads) else waited + LOOK
            if waited >= NO_WORKERS:
                text = f"the scheduler {self._address} has had no workers for {NO_WORKERS:.0f} s"
                raise WorkError(f"{text}: start workers, and run this again")
        try:
            return future.result()
        except CancelledError:
            raise self._gone() from None
        except KilledWorker as error:
            text = f"some tracks ended each worker that took them, the last one {error.last_worker.address}"
            raise WorkError(f"{text}: see its log, perhaps its memory ran out") from None
        except (OtherEdition, ImportError) as error:
            raise WorkError(f"a worker that came later has another version: {error}. {SAME}") from None

    def _gone(self) -> WorkError:
        return WorkError(f"lost the scheduler {self._address}: start it, and run this again")


@contextmanager
def cluster_workers(address: str | None, scheduler_file: Path | None, edition: Callable[[], str]) -> Iterator[Cluster]:
    """Connect to a scheduler by its address or by the file that it wrote; raises WorkError.

    `edition` is a function of a module, which each worker calls. TLS is set up by Dask's own configuration.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        text = f"a cluster needs Dask, which cannot be imported ({error})"
        raise WorkError(f"{text}: pip install 'sse-twisted[cluster]'") from None
    address = address or _address_in(scheduler_file or Path())
    with _without_logging(), _connected(address) as client:
        cluster = Cluster(client, address, edition)
        cluster.check_editions()
        yield cluster


@contextmanager
def _without_logging() -> Iterator[None]:
    """Keep Dask from logging what a WorkError tells."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        asyncio.run(_meet(address))
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # a TypeError tells of TLS without certificates
        why = str(error) or f"no answer within {CONNECT:.0f} s"
        raise WorkError(f"cannot connect to the scheduler {address}: {why}") from None
    try:
        yield client
    finally:
        client.close(timeout=CLOSE)


async def _meet(address: str) -> None:
    """Raise unless a scheduler answers: a client that fails at its start cannot be closed."""
    from distributed import Security
    from distributed.core import rpc

    arguments = Security().get_connection_args("client")
    async with asyncio.timeout(CONNECT), rpc(address, timeout=CONNECT, connection_args=arguments) as scheduler:
        kind = (await scheduler.identity())["type"]
    if kind != "Scheduler":
        raise ValueError(f"it is a {kind.lower()}")


def _address_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "the scheduler has not written it"
        raise WorkError(f"scheduler file {file}: {why}") from None


def do_as(edition: Callable[[], str], expected: str, work: Callable[[T], R], thing: T) -> R:
    """Do the work on a worker; raises OtherEdition."""
    if (mine := edition()) != expected:
        raise OtherEdition(f"{socket.gethostname()} has sse_twisted {mine}, this computer {expected}")
    return work(thing)


def look(paths: Iterable[Path]) -> list[str]:
    """Return what is under each path, as this computer sees it."""
    return [_look(path) for path in paths]


def _look(path: Path) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return f"missing ({(error.strerror if isinstance(error, OSError) else None) or error})"
    if stat.S_ISDIR(status.st_mode):
        return "a folder" if os.access(path, os.W_OK | os.X_OK) else "a folder that may not be written"
    return f"a file of {status.st_size:,} bytes" if os.access(path, os.R_OK) else "a file that may not be read"


def _named(wrong: Mapping[str, str]) -> str:
    return listed([f"{worker}: {text}" for worker, text in wrong.items()], MAX_NAMED)


def _told(edition: object) -> str:
    return (
        f"no version of sse_twisted that can do this ({edition})"
        if isinstance(edition, Exception)
        else f"sse_twisted {edition}"
    )
