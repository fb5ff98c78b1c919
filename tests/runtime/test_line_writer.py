"""Lines that a thread writes, whatever becomes of the file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from attrs import define, field

from sse_twisted.runtime import line_writer
from sse_twisted.runtime.line_writer import LineWriter

LONG = 30.0  # s; a test that waits that long has failed


@define
class Paper:
    """What is written to, which can be full, be slow, or take a few bytes at once."""

    text: bytes = b""
    most: int = 1 << 30
    trouble: Exception | None = None
    ready: Event = field(factory=Event)
    dropped: list[int] = field(factory=list)
    writer: LineWriter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ready.set()
        self.writer = LineWriter(self._write, self.dropped.append)

    def _write(self, data: bytes) -> int:
        self.ready.wait()
        if self.trouble is not None:
            raise self.trouble
        self.text += data[: self.most]
        return min(len(data), self.most)


@pytest.fixture
def paper() -> Iterator[Paper]:
    paper = Paper()
    yield paper
    paper.ready.set()
    paper.writer.close(LONG)


def put(paper: Paper, numbers: range) -> bytes:
    for number in numbers:
        paper.writer.put(b"line %d\n" % number)
    return b"".join(b"line %d\n" % number for number in numbers)


def test_lines_are_written_in_their_order(paper: Paper) -> None:
    lines = put(paper, range(10_000))
    assert paper.writer.flush(LONG)
    assert paper.text == lines


def test_a_line_is_whole_even_if_only_a_part_of_it_is_taken_at_once(paper: Paper) -> None:
    paper.most = 3
    lines = put(paper, range(100))
    assert paper.writer.flush(LONG)
    assert paper.text == lines


@pytest.mark.parametrize(
    "trouble", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), BrokenPipeError(), ValueError("I/O on closed file")]
)
def test_what_could_not_be_written_is_written_later(paper: Paper, trouble: Exception) -> None:
    paper.trouble = trouble
    lines = put(paper, range(10))
    assert not paper.writer.flush(LONG)
    paper.trouble = None
    lines += put(paper, range(10, 20))
    assert paper.writer.flush(LONG)
    assert paper.text == lines


def test_lines_that_are_held_wait(paper: Paper) -> None:
    paper.writer.hold()
    lines = put(paper, range(10))
    assert paper.text == b""
    paper.writer.release()
    assert paper.writer.flush(LONG)
    assert paper.text == lines


def test_too_many_lines_are_dropped_counted_and_told_when_there_is_room(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_writer, "MAX_WAITING", 70)
    paper.ready.clear()
    put(paper, range(10, 100))
    assert paper.dropped == []
    paper.ready.set()
    assert paper.writer.flush(LONG)
    kept = paper.text.count(b"\n")
    assert kept == 8
    put(paper, range(100, 101))
    assert paper.dropped == [90 - kept]
    assert paper.writer.flush(LONG)
    assert paper.text.endswith(b"line 100\n")


def closed_while(prepare: Callable[[Paper], object]) -> bool:
    paper = Paper()
    prepare(paper)
    put(paper, range(3))
    try:
        return paper.writer.close(0.05)
    finally:
        paper.ready.set()


def test_the_end_waits_only_within_its_bound() -> None:
    assert closed_while(lambda paper: paper.ready.set())
    assert not closed_while(lambda paper: paper.ready.clear())
    assert not closed_while(lambda paper: setattr(paper, "trouble", OSError(errno.EIO, "broken")))
