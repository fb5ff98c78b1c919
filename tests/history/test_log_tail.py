from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sse_twisted.history import log_tail
from sse_twisted.history.log_tail import BLOCK_SIZE, MAX_LINE, recent_events

NOON = 1_700_000_000.0  # s


def line(number: int, time: float = NOON, device: int = 601, filling: str = "") -> bytes:
    event = {"log_time": time, "device": f"motion-{device}", "number": number, "filling": filling}
    return json.dumps(event).encode() + b"\n"


def numbers(path: Path, since: float = NOON, end: int | None = None) -> list[int]:
    blocks = list(recent_events(path, path.stat().st_size if end is None else end, since))
    return [event["number"] for block in reversed(blocks) for event in block if "number" in event]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.json"


def test_everything_is_found_once_and_in_order_whatever_the_blocks_cut(path: Path) -> None:
    path.write_bytes(b"".join(line(number, filling="x" * (number * 37 % 1500)) for number in range(1000)))
    assert path.stat().st_size > 5 * BLOCK_SIZE
    assert numbers(path) == list(range(1000))


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_line_may_begin_where_a_block_does(path: Path, more: int) -> None:
    last = line(3)
    first = line(1)
    between = line(2, filling="x" * (BLOCK_SIZE - len(last) - len(line(2)) + more))
    path.write_bytes(first + between + last)
    assert numbers(path) == [1, 2, 3]


def test_what_was_written_since_the_start_is_left_out(path: Path) -> None:
    path.write_bytes(line(1) + line(2))
    assert numbers(path, end=len(line(1))) == [1]
    assert numbers(path, end=0) == []


def test_only_what_is_of_today_is_read(path: Path) -> None:
    yesterday = b"".join(line(number, NOON - 1) for number in range(20_000))
    path.write_bytes(yesterday + line(-1) + line(-2))
    blocks = list(recent_events(path, path.stat().st_size, NOON))
    assert [event["number"] for block in blocks for event in block] == [-1, -2]
    assert len(blocks) <= 2


def test_a_clock_that_was_set_hides_nothing(path: Path) -> None:
    before_it_was_set = [line(number, 5.0) for number in range(10)]
    path.write_bytes(b"".join((line(-1), *before_it_was_set, line(-2))))
    assert numbers(path) == [-1, -2]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"log_time": 17000',
        b"\0" * 3 * BLOCK_SIZE,
        b"x" * (MAX_LINE + 3 * BLOCK_SIZE),
        b'{"motion-": "' + b"x" * (MAX_LINE + BLOCK_SIZE) + b'"}',
        b'"motion-601"',
        b'{"log_time": "noon", "device": "motion-601"}',
        b'{"device": "motion-601"}',
        b'"motion-' + b"[" * 100_000,
        b'{"device": "motion-\xff"}',
    ],
)
def test_what_a_kill_or_a_power_cut_left_is_passed_over(path: Path, torn: bytes) -> None:
    path.write_bytes(line(1) + torn + b"\n" + line(2) + torn)
    assert numbers(path) == [1, 2]


def test_lines_about_no_device_do_not_end_the_search(path: Path) -> None:
    path.write_bytes(line(1) + b"".join(b'{"log_time": %d}\n' % (NOON + 1) for _ in range(20_000)) + line(2))
    assert numbers(path) == [1, 2]


class TestRotation:
    def test_goes_on_in_the_files_before_as_far_as_they_are_of_today(self, path: Path) -> None:
        path.write_bytes(line(4))
        for name, content in (("1", line(2) + line(3)), ("2", line(0, NOON - 9) + line(1)), ("3", line(-1))):
            rotated = path.with_name(f"{path.name}.{name}")
            rotated.write_bytes(content)
            os.utime(rotated, (NOON, NOON + 10 - int(name)))
        os.utime(path.with_name(f"{path.name}.3"), (NOON, NOON - 1))
        path.with_name(f"{path.name}.4.gz").write_bytes(b"\x1f\x8b")
        path.with_name(f"{path.name}.old").write_bytes(line(7))
        assert numbers(path) == [1, 2, 3, 4]

    def test_knows_dates_as_names(self, path: Path) -> None:
        path.write_bytes(b"")
        path.with_name(f"{path.name}-20221017").write_bytes(line(1))
        assert numbers(path) == [1]


def test_no_more_is_read_than_a_day_can_have(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MAX_BYTES", 3 * BLOCK_SIZE)
    path.write_bytes(b"".join(line(number, filling="x" * 1000) for number in range(1000)))
    found = numbers(path)
    assert found == list(range(1000 - len(found), 1000))
    assert 3 * BLOCK_SIZE / 1100 * 0.9 < len(found) < 3 * BLOCK_SIZE / 1000
