"""What becomes of a file that is not the same for a worker, or not any more. Threads stand for workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from sse_twisted.runtime.cluster import Cluster
from sse_twisted.runtime.executors import WorkError
from sse_twisted.tracks.report import edition


class Threads:
    """A client of Dask whose one worker is a thread."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    def get_executor(self, *, pure: bool) -> Executor:
        return self.pool

    def nthreads(self) -> Mapping[str, int]:
        return {"tcp://127.0.0.1:1": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a"
    file.write_text("before")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


def outcome_of(file: Path, there: Callable[[Path], str], here: Callable[[Path], str] = Path.read_text) -> str:
    def work(path: Path) -> str:
        return here(path) if threading.current_thread() is threading.main_thread() else there(path)

    client = Threads()
    with client.pool:
        cluster = Cluster(cast("Any", client), "tcp://127.0.0.1:1", edition)
        (outcome,) = cluster.map(work, [file], file=lambda path: path, failure=lambda path, outcome: "")
    return outcome


def test_the_outcome_of_the_worker_counts_where_the_file_is_the_same(file: Path) -> None:
    assert outcome_of(file, lambda path: "by the worker") == "by the worker"


def test_a_file_that_changes_meanwhile_is_read_again_here(file: Path) -> None:
    def change(path: Path) -> str:
        path.write_text("after")
        return "before"

    assert outcome_of(file, change) == "after"


def test_a_file_of_another_time_is_an_error_if_it_makes_a_difference(file: Path) -> None:
    def touch(path: Path) -> str:
        os.utime(path, (1_600_000_000, 1_600_000_000))
        return "other"

    def restore(path: Path) -> str:
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return path.read_text()

    with pytest.raises(WorkError, match=r"is a file of 6 bytes of 2020-09-13 12:26:40 UTC on .* and a file of 6 bytes"):
        outcome_of(file, touch, restore)


def test_a_file_of_another_time_with_the_same_outcome_is_none(file: Path) -> None:
    def touch(path: Path) -> str:
        os.utime(path, (1_600_000_000, 1_600_000_000))
        return path.read_text()

    assert outcome_of(file, touch) == "before"
