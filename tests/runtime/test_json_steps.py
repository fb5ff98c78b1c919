from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.runtime import json_steps

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(autouse=True, scope="module")
def everything_is_large() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_steps, "LARGE", 0)
        yield


@given(VALUES, st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8"]))
def test_large_json_is_what_small_json_is(value: Any, encoding: str) -> None:
    assert json_steps.loads(json.dumps(value, ensure_ascii=False).encode(encoding)) == value


def test_the_pairs_of_an_object_can_be_changed() -> None:
    assert json_steps.loads(b'{"a": {"b": 1}}', object_pairs_hook=lambda pairs: pairs) == [("a", [("b", 1)])]


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1} x', b"\xff", b"nul"])
def test_what_is_not_json_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_steps.loads(data)


def test_what_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(RecursionError):
        json_steps.loads(b"[" * 100_000)
