"""What the Motion's driver makes of an answer that it has read before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from sse_twisted.devices import answer_json
from sse_twisted.devices.connections import Address
from sse_twisted.devices.driver import Listing, Reply
from sse_twisted.devices.errors import BadAnswer
from sse_twisted.devices.http import DeviceHttp
from sse_twisted.devices.motion import driver
from sse_twisted.devices.motion.driver import KEPT, MAX_KEPT, MotionDriver

HERE = Address("10.0.0.1", 80)


class Answers:
    """A DeviceHttp that has its answers already."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = [*answers]

    async def ask(self, at: Address, path: str, parse: Callable[[bytes], Any], **kinds: Any) -> Any:
        return parse(self._answers.pop(0))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The answers that were parsed."""
    seen: list[bytes] = []
    parse_json = answer_json.parse_json

    def parse(data: bytes, what: str) -> Any:
        seen.append(data)
        return parse_json(data, what)

    monkeypatch.setattr(driver, "parse_json", parse)
    return seen


def listings(motion: MotionDriver, *answers: bytes) -> list[Reply[Listing]]:
    http = cast(DeviceHttp, Answers(*answers))

    async def ask_all() -> list[Reply[Listing]]:
        return [await motion.listing(http, HERE) for _ in answers]

    return asyncio.run(ask_all())


def listing(count: int, size: int = 1536) -> bytes:
    logs = [{"file": f"/logs/{number}.oao", "size": size, "start_date": number} for number in range(count)]
    return json.dumps({"logs": logs}).encode()


def test_the_same_answer_is_parsed_once(parsed: list[bytes]) -> None:
    first, second, third = listings(MotionDriver(), listing(3), listing(3), listing(4))
    assert second is first
    assert len(third.value.entries) == 4
    assert parsed == [listing(3), listing(4)]


def test_an_answer_that_differs_in_one_byte_is_another_one() -> None:
    first, second = listings(MotionDriver(), listing(3, 1536), listing(3, 1588))
    assert [entry.size for entry in first.value.entries] == [1536] * 3
    assert [entry.size for entry in second.value.entries] == [1588] * 3


def test_a_bad_answer_is_bad_each_time() -> None:
    motion = MotionDriver()
    for _ in range(2):
        with pytest.raises(BadAnswer):
            listings(motion, b"{")


def test_long_answers_and_old_ones_fill_no_memory(parsed: list[bytes]) -> None:
    motion, long = MotionDriver(), listing(400)
    assert len(long) > MAX_KEPT
    listings(motion, long, long)
    assert parsed == [long, long]
    listings(motion, *(listing(1, 1000 + number) for number in range(KEPT + 1)))
    parsed.clear()
    listings(motion, listing(1, 1000))
    assert parsed == [listing(1, 1000)]
