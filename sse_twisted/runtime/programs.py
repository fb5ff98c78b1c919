"""What the programs `sse-track` and `sse-results` share: their processes, and how they end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

MAX_PROCESSES = 1000


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the option `--jobs`, the number of processes."""
    text = "number of processes (default: one per core)"
    parser.add_argument("--jobs", type=_jobs, default=os.cpu_count() or 1, metavar="N", help=text)


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"invalid number of processes {number}: expected 1 to {MAX_PROCESSES}")
    return number


def until_interrupted(work: Callable[[], int]) -> int:
    """Return the exit status that `work` returns: 1 if nobody reads its output any more, 130 after Ctrl-C."""
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as with `sse-track ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
