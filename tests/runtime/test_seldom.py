from __future__ import annotations

from twisted.internet.task import Clock

from sse_twisted.runtime.seldom import INTERVAL, MAX_SUBJECTS, Seldom


def test_a_remark_is_made_once_within_the_interval() -> None:
    clock = Clock()
    seldom = Seldom(clock)
    assert seldom.allows("slow")
    clock.advance(INTERVAL - 1)
    assert not seldom.allows("slow")
    assert seldom.allows("garbage")
    clock.advance(1)
    assert seldom.allows("slow")
    assert not seldom.allows("slow")


def test_few_subjects_are_remembered() -> None:
    seldom = Seldom(Clock())
    for number in range(MAX_SUBJECTS * 3):
        assert seldom.allows(f"client {number}")
    assert len(seldom._made_at) == MAX_SUBJECTS
