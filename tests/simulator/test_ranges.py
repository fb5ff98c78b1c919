"""Which part of a file a Range header asks for."""

from __future__ import annotations

import pytest

from sse_twisted.simulator.ranges import wanted_part


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (b"bytes=0-", slice(0, 100)),
        (b"bytes=10-19", slice(10, 20)),
        (b"bytes=99-", slice(99, 100)),
        (b"bytes=90-500", slice(90, 100)),
        (b"bytes=-10", slice(90, 100)),
        (b"bytes=-500", slice(0, 100)),
    ],
)
def test_one_range_is_a_part(header: bytes, part: slice) -> None:
    assert wanted_part(header, 100) == part


@pytest.mark.parametrize("header", [None, b"", b"bytes=", b"bytes=-", b"lines=1-2", b"bytes=1-2,5-6", b"bytes=9-3"])
def test_an_invalid_range_returns_the_whole(header: bytes | None) -> None:
    assert wanted_part(header, 100) is None


@pytest.mark.parametrize("header", [b"bytes=100-", b"bytes=500-600", b"bytes=-0"])
def test_a_range_outside_the_file_is_an_error(header: bytes) -> None:
    with pytest.raises(ValueError, match="of 100 bytes"):
        wanted_part(header, 100)
