from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from sse_twisted.config.validation_errors import key_and_reason


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Speaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    volume: Literal["low", "high"] = "low"
    names: tuple[str, ...] = ()


class House(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    speaker: Speaker = Speaker()
    cellar: Empty = Empty()


def explained(tree: Any) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(tree, House)
    return key_and_reason(caught.value, House)


@pytest.mark.parametrize(
    ("tree", "key", "reason"),
    [
        ({"speaker": {"volume": "loud"}}, "speaker.volume", "invalid value 'loud'; allowed: low, high"),
        ({"speaker": {"volum": 1}}, "speaker", "Object contains unknown field `volum`; allowed: volume, names"),
        ({"cellar": {"wine": 1}}, "cellar", "Object contains unknown field `wine`; allowed: none"),
        ({"roof": 1}, "", "Object contains unknown field `roof`; allowed: speaker, cellar"),
        ({"speaker": {"names": ["a", 5]}}, "speaker.names[1]", "Expected `str`, got `int`"),
        (5, "", "Expected `object`, got `int`"),
    ],
)
def test_an_error_is_explained_by_its_key_and_what_is_allowed(tree: Any, key: str, reason: str) -> None:
    assert explained(tree) == (key, reason)


def test_control_characters_are_escaped() -> None:
    _, reason = explained({"a\nb\x1b": 1})
    assert reason.isprintable()
    assert r"a\nb\x1b" in reason
