"""Work in an executor: in order, with a bounded number under way."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from sse_twisted.runtime.executors import WorkError, in_order, local_workers

T = TypeVar("T")


def result(future: Future[T]) -> T:
    return future.result()


def double(number: int) -> int:
    return 2 * number


def end_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def nowhere(number: int) -> Path:
    return Path()


def never(number: int, outcome: int) -> str:
    return ""


@pytest.mark.parametrize("processes", [1, 2])
def test_outcomes_come_in_the_order_of_the_things(processes: int) -> None:
    with local_workers(processes) as workers:
        outcomes = workers.map(double, range(50), file=nowhere, failure=never, batch=3)
        assert list(outcomes) == list(range(0, 100, 2))


def test_a_bounded_number_of_things_is_taken_before_their_outcomes_are() -> None:
    things = count(1)
    with ThreadPoolExecutor(2) as pool:
        outcomes = in_order(pool, double, things, batch=3, ahead=4, outcome=result)
        assert [next(outcomes) for _ in range(300)] == list(range(2, 602, 2))
        assert next(things) <= 300 + 3 * 4 + 1


def test_what_waits_is_cancelled_when_nobody_wants_outcomes_any_more() -> None:
    done: list[int] = []
    may_go_on = threading.Event()

    def work(number: int) -> int:
        if number:
            may_go_on.wait(60)
        done.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        outcomes = in_order(pool, work, count(), batch=1, ahead=8, outcome=result)
        assert next(outcomes) == 0
        del outcomes
        may_go_on.set()
    assert done in ([0], [0, 1])


def test_a_process_that_is_killed_is_a_clear_error() -> None:
    with local_workers(2) as workers, pytest.raises(WorkError, match="a process was killed, perhaps because memory"):
        list(workers.map(end_at_three, range(6), file=nowhere, failure=never))
