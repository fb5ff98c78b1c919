"""The worker really runs in a process of its own here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sse_twisted.tracks.fit import worker
from sse_twisted.tracks.fit.reading import read
from sse_twisted.tracks.fit.worker import NOT_READ, read_in_worker
from tests.tracks.written import fit, points

DATA = fit(points(30, rate=1))


def test_a_file_is_read_there_as_it_is_here() -> None:
    assert read_in_worker(DATA) == read(DATA)
    assert read_in_worker(DATA[:-9]) == read(DATA[:-9])


def test_a_worker_that_takes_too_long_says_so() -> None:
    found = read_in_worker(DATA, max_seconds=-1.0)
    assert found.problem == "not read within -1 s of CPU time"


def test_a_worker_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "__name__", "this")  # Python's `this` reads nothing and prints no columns
    assert read_in_worker(DATA).problem == NOT_READ
    monkeypatch.setattr(worker, "GRACE", 0.0)
    assert read_in_worker(DATA, max_seconds=0.001).problem == NOT_READ


def test_a_worker_that_fails_costs_no_more_than_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "__name__", "no.such.module")
    assert read_in_worker(DATA).problem == NOT_READ
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert read_in_worker(DATA).problem == NOT_READ


def test_the_memory_of_the_worker_is_bounded() -> None:
    code = (
        "import resource, sys; sys.argv = ['worker', '1']; from sse_twisted.tracks.fit import worker;"
        "worker.main(); print(resource.getrlimit(resource.RLIMIT_AS)[0], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, timeout=60, check=True)
    if sys.platform == "linux":
        assert int(done.stderr) == worker.MAX_MEMORY
