"""What the programs `sse-track` and `sse-results` share: where they do their work, and how they end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from sse_twisted.runtime.executors import WorkError, Workers, local_workers

R = TypeVar("R")

MAX_PROCESSES = 1000


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the work is done; `opened_workers` understands them."""
    where = parser.add_mutually_exclusive_group()
    text = "number of processes (default: one per core)"
    where.add_argument("--jobs", type=_jobs, default=str(os.cpu_count() or 1), metavar="N", help=text)
    text = "do the work on a Dask cluster: the address of its scheduler, such as tcp://HOST:8786 or tls://HOST:8786"
    where.add_argument("--cluster", metavar="ADDRESS", help=text)
    text = "the same, with the file in which the scheduler wrote its address"
    where.add_argument("--scheduler-file", type=Path, metavar="FILE", help=text)


def opened_workers(options: argparse.Namespace, edition: Callable[[], str]) -> AbstractContextManager[Workers]:
    """Return the workers of the options as a context manager; entering it raises WorkError.

    `edition` is a function of a module; all workers must return the same.
    """
    if is_on_cluster(options):
        from sse_twisted.runtime.cluster import cluster_workers  # with asyncio

        return cluster_workers(options.cluster, options.scheduler_file, edition)
    return local_workers(options.jobs)


def is_on_cluster(options: argparse.Namespace) -> bool:
    """Tell whether the work is done on a cluster."""
    return options.cluster is not None or options.scheduler_file is not None


def one_of_each_folder(files: Iterable[Path]) -> Iterator[Path]:
    """Yield the first file of each folder, with an absolute path."""
    known = set()
    for file in files:
        if file.parent not in known:
            known.add(file.parent)
            yield file.absolute()


def with_progress(outcomes: Iterable[R], count: int) -> Iterator[R]:
    """Show progress and tracks a second while outcomes come, on a terminal."""
    if count < 2 or not sys.stderr.isatty():
        return iter(outcomes)
    from tqdm import tqdm  # with asyncio

    return iter(tqdm(outcomes, total=count, unit="track", leave=False))


@contextmanager
def json_list() -> Iterator[Callable[[str], None]]:
    """Print a JSON list element by element: call what this gives with the text of each.

    After an error the lines are whole, and the list has no end, so that no program takes it for all.
    """
    count = 0

    def add(element: str) -> None:
        nonlocal count
        print(",\n" if count else "[\n", element, sep="", end="")
        count += 1

    try:
        yield add
    except WorkError:
        print(end="\n" if count else "")
        raise
    print("\n]" if count else "[]")


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"invalid number of processes {number}: expected 1 to {MAX_PROCESSES}")
    return number


def until_interrupted(program: str, work: Callable[[], int]) -> int:
    """Return the exit status that `work` returns.

    It is 1 if nobody reads the output any more, 130 after Ctrl-C, and 2 with a message after a WorkError, or an
    OSError such as that of a full disk.
    """
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as with `sse-track ... | head`
        _drop_output()
        return 1
    except OSError as error:
        print(f"{program}: the output is not complete: {error.strerror or error}", file=sys.stderr)
        _drop_output()
        return 2
    except WorkError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _drop_output() -> None:
    """Keep Python from writing at its end what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
