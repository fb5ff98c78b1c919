"""Run in a process of its own: what is set there holds for all of it."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from sse_twisted.runtime import malloc

PROGRAM = """
import sys
from sse_twisted.runtime import malloc
from tests.benchmarks.memory import heap

if "tuned" in sys.argv:
    malloc.keep_large_blocks_apart()
first = bytearray(8_000_000)
del first
blocks = [bytearray(4_000_000) for _ in range(10)]
behind = [bytearray(1_000) for _ in range(1_000)]
del blocks
print(heap()["free"])
"""


def free_after_large_blocks(*tuned: str) -> float:
    """MB of the heap that a process keeps after it has freed 40 MB in large blocks; NaN if it does not tell."""
    command = [sys.executable, "-c", PROGRAM, *tuned]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


AGAIN = """
import math, resource, sys
from sse_twisted.runtime import malloc
from tests.benchmarks.memory import heap

if "tuned" in sys.argv:
    malloc.keep_what_is_free()
small = [bytearray(1_000_000) for _ in range(20)]
del small
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [bytearray(1_000_000) for _ in range(20)]
    del blocks
taken = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(math.nan if math.isnan(heap()["free"]) else taken)
"""


def new_pages_of_arrays(*tuned: str) -> float:
    """Pages that a process takes for blocks of a size that it has freed before; NaN where the heap is not glibc's."""
    command = [sys.executable, "-c", AGAIN, *tuned]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the heap is known on Linux only")
def test_what_is_free_is_used_again_in_a_process_that_ends_soon() -> None:
    taken = new_pages_of_arrays()
    if math.isnan(taken):
        pytest.skip("this C library does not tell what it keeps")
    assert new_pages_of_arrays("tuned") < taken / 10


@pytest.mark.skipif(sys.platform != "linux", reason="the heap is known on Linux only")
def test_large_blocks_are_given_back_although_smaller_ones_follow_them() -> None:
    kept = free_after_large_blocks()
    if math.isnan(kept):
        pytest.skip("this C library does not tell what it keeps")
    assert free_after_large_blocks("tuned") < 5 < kept


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Library:
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            raise AttributeError(name)

    monkeypatch.setattr("ctypes.CDLL", lambda _: Library())
    malloc.keep_large_blocks_apart()
    malloc.keep_what_is_free()
    malloc.give_back()
    assert asked == ["mallopt", "mallopt", "malloc_trim"]
