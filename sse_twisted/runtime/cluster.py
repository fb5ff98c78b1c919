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
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.metadata import version
from itertools import islice, tee
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from zlib import crc32

from msgspec import Struct

from sse_twisted.runtime.executors import AHEAD, WorkError, in_order
from sse_twisted.runtime.text import listed

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

CLOSE: Final = 3.0  # s for the connection to close
CONNECT: Final = 10.0  # s for the scheduler to answer
REASON: Final = 2.0  # s after which Dask has said at the latest why it cannot connect
LOOK: Final = 5.0  # s of waiting for a batch after which the workers are counted
NO_WORKERS: Final = 60.0  # s without any worker until the work is given up: one may be about to start again
MAX_NAMED: Final = 3  # workers in a message
BEGINNING: Final = 4096  # bytes of a file that are compared before the work begins
TLS: Final = "distributed.comm.tls in the configuration of Dask"
SAME: Final = "Install the same version everywhere"
SAME_FILES: Final = "All workers need the same files under the same paths"


class WorkersEnded(Exception):
    """Each worker that took a batch has ended; the message is the address of the last one."""


class OtherEdition(Exception):
    """A worker that came later is of another version than this process."""


class Seen(Struct, Generic[T], frozen=True):
    """A thing, and what its file was here when it was sent to a worker."""

    thing: T
    path: Path
    here: str


class Done(Struct, Generic[R], frozen=True):
    """The outcome of a worker, and what the file was there."""

    outcome: R
    host: str
    there: str


class Cluster:
    """The workers of a scheduler. `edition` returns the version of all that decides what the work returns."""

    def __init__(self, client: Client, address: str, edition: Callable[[], str]) -> None:
        self._client = client
        self._address = address
        self._edition = edition

    def map(
        self,
        work: Callable[[T], R],
        things: Iterable[T],
        *,
        file: Callable[[T], Path],
        failure: Callable[[T, R], str],
        batch: int = 1,
    ) -> Iterator[R]:
        """Do as Workers. An outcome that has failed, or is of a file that differs there, is computed here again.

        Raises WorkError unless it is the same, or the file has changed here meanwhile.
        """
        sent, again = tee(Seen(thing, file(thing), _state(file(thing))) for thing in things)
        executor: Executor = self._client.get_executor(pure=False)
        there = partial(do_as, self._edition, versions(self._edition), work)
        ahead = AHEAD * max(1, sum(self._ask(self._client.nthreads).values()))
        try:
            for done in in_order(executor, there, sent, batch, ahead, self._outcome):
                seen = next(again)
                failed = failure(seen.thing, done.outcome)
                if failed or done.there != seen.here:
                    yield self._again(work, seen, done, failed)
                else:
                    yield done.outcome
        except WorkersEnded as error:
            files = listed([str(seen.path) for seen in islice(again, batch)], batch)
            text = f"each worker that took one of these files ended, the last one {error}: {files}"
            raise WorkError(f"{text}. See its log, perhaps its memory ran out") from None

    def _again(self, work: Callable[[T], R], seen: Seen[T], done: Done[R], failed: str) -> R:
        outcome = work(seen.thing)
        if outcome == done.outcome or _state(seen.path) != seen.here:
            return outcome
        if done.there != seen.here:
            text = f"{seen.path} is {done.there} on {done.host} and {seen.here} here"
        else:
            text = f"{done.host} has an error that is none here: {failed}"
        raise WorkError(f"{text}. {SAME_FILES}")

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
        mine = versions(self._edition)
        of_workers = self._on_each(partial(versions, self._edition))
        if not of_workers:
            raise WorkError(f"the scheduler {self._address} has no workers: start one with `dask worker`")
        editions = {f"scheduler {self._address}": self._edition_of_scheduler(), **of_workers}
        wrong = {name: _told(there) for name, there in editions.items() if there != mine}
        if wrong:
            raise WorkError(f"{_named(wrong)}; this computer has {mine}. {SAME}")

    def _edition_of_scheduler(self) -> str | Exception:
        """Ask the scheduler, which has to know the functions that it hands on."""
        try:
            for function in (self._edition, versions):
                name = f"{function.__module__}:{function.__name__}"
                self._ask(partial(self._client.run_on_scheduler, resolve_name, name))
        except (ImportError, AttributeError) as error:
            return error
        return str(self._ask(partial(self._client.run_on_scheduler, versions, self._edition)))

    def _on_each(self, function: Callable[[], R]) -> Mapping[str, R | Exception]:
        answers: Mapping[str, R | Exception] = self._ask(lambda: self._client.run(function, on_error="return"))
        return answers

    def _ask(self, question: Callable[[], R]) -> R:
        try:
            return question()
        except (OSError, CancelledError) as error:
            raise self._gone() from error

    def _outcome(self, future: Future[list[Done[R]]]) -> list[Done[R]]:
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
            raise WorkersEnded(error.last_worker.address) from None
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
    if address is None:
        address = _address_in(scheduler_file or Path())
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
        with warnings.catch_warnings():  # of other versions, which check_editions names
            warnings.simplefilter("ignore")
            client = Client(address, timeout=CONNECT, set_as_default=False)
    except Exception as error:  # noqa: BLE001 - Dask raises anything if a stranger answers, or TLS is not set up
        raise WorkError(f"cannot connect to the scheduler {address}: {reason_of(error)}") from None
    try:
        yield client
    finally:
        client.close(timeout=CLOSE)


async def _meet(address: str) -> None:
    """Raise unless a scheduler answers: a client that fails at its start cannot be closed."""
    from distributed import Security
    from distributed.core import rpc

    arguments = Security().get_connection_args("client")
    async with (
        asyncio.timeout(CONNECT + REASON),
        rpc(address, timeout=CONNECT, connection_args=arguments) as scheduler,
    ):
        kind = (await scheduler.identity())["type"]
    if kind != "Scheduler":
        raise ValueError(f"it is a {kind.lower()}")


def reason_of(error: Exception) -> str:
    """Return why a connection failed: of the errors that led to each other, the first that says so."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"what listens there does not answer within {CONNECT:.0f} s, so it is no scheduler of Dask"
    while True:
        if isinstance(error, ConnectionResetError):
            return "what listens there closes the connection: it may want TLS, so try tls:// instead of tcp://"
        if isinstance(error, MemoryError):  # by a length that it never meant
            return "what listens there is no scheduler of Dask"
        if isinstance(error, TypeError) and "ssl_context" in str(error):
            return f"TLS needs certificates: set {TLS}"
        if isinstance(error, FileNotFoundError):
            return f"a certificate or key does not exist: see {TLS}"
        cause = error.__cause__
        if not isinstance(cause, Exception) or (isinstance(cause, TimeoutError) and not str(cause)):
            return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        error = cause


def _address_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "the scheduler has not written it"
        raise WorkError(f"scheduler file {file}: {why}") from None


@cache
def versions(edition: Callable[[], str]) -> str:
    """Return the versions that must be the same everywhere. Other sums of numpy may differ in their last digit."""
    python = ".".join(map(str, sys.version_info[:2]))
    return f"sse_twisted {edition()}, Python {python}, Dask {version('distributed')}, numpy {version('numpy')}"


def do_as(edition: Callable[[], str], expected: str, work: Callable[[T], R], seen: Seen[T]) -> Done[R]:
    """Do the work on a worker; raises OtherEdition."""
    host = socket.gethostname()
    if (mine := versions(edition)) != expected:
        raise OtherEdition(f"{host} has {mine}; this computer has {expected}")
    return Done(work(seen.thing), host, _state(seen.path))


def look(paths: Iterable[Path]) -> list[str]:
    """Return what is under each path, and how files begin, as this computer sees it."""
    return [_look(path) + _beginning(path) for path in paths]


def _beginning(path: Path) -> str:
    with suppress(OSError, ValueError):  # _look tells why
        if path.is_file():
            with path.open("rb") as file:
                return f" whose beginning has the checksum {crc32(file.read(BEGINNING)):08x}"
    return ""


def _state(path: Path) -> str:
    """Return what changes with a file; its time to a second, as some network disks know no less."""
    text = _look(path)
    with suppress(OSError, ValueError, OverflowError):
        text += time.strftime(" of %Y-%m-%d %H:%M:%S UTC", time.gmtime(int(path.stat().st_mtime)))
    return text


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
    return f"no version of sse_twisted that can do this ({edition})" if isinstance(edition, Exception) else str(edition)
