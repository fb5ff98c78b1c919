from __future__ import annotations

from sse_twisted.runtime.kept import Kept


def made(kept: Kept, *contents: object) -> list[object]:
    """What was made while these contents were asked for; each text has 10 characters."""
    found: list[object] = []

    def make(content: object) -> str:
        found.append(content)
        return f"{content!s:>10}"

    for content in contents:
        assert kept.get(content, lambda content=content: make(content)) == f"{content!s:>10}"  # type: ignore[misc]
    return found


def test_the_same_content_is_made_once() -> None:
    assert made(Kept(100), 1, 2, 1, (1, "a"), (1, "a")) == [1, 2, (1, "a")]


def test_what_was_not_asked_for_the_longest_time_gives_way() -> None:
    assert made(Kept(30), 1, 2, 3, 1, 4, 1, 2) == [1, 2, 3, 4, 2]


def test_a_text_that_is_too_long_is_not_kept() -> None:
    assert made(Kept(5), 1, 1) == [1, 1]
