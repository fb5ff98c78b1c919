from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_twisted.config.addresses import split_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("motion-601", ("motion-601", 80)),
        ("motion-601.lan:8080", ("motion-601.lan", 8080)),
        ("10.0.0.1", ("10.0.0.1", 80)),
        ("a:1", ("a", 1)),
        ("a:65535", ("a", 65_535)),
        ("x" * 63, ("x" * 63, 80)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_port(address: str, expected: tuple[str, int]) -> None:
    assert split_address(address, 80) == expected


NO_PORT = ("a:", "a:0", "a:65536", "a:100000", "a:-1", "a:\uff18\uff10", "a:80:80", ":80", "::1", "[::1]")
NO_HOST = ("", "a b", "a/b", "a@b", "-a", "a-", ".a", "a.", "a\n", "a\0", "a?b", "a#b", "é", "http://a", "a" * 254)


@pytest.mark.parametrize("address", [*NO_PORT, *NO_HOST])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid address: expected host\[:port\]"):
        split_address(address, 80)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "motion-601." + "x" * 64])
def test_a_host_that_no_name_server_can_be_asked_for_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="is not a valid address"):
        split_address(host, 80)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        host, port = split_address(text, 80)
    except ValueError:
        return
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
    assert 1 <= port <= 65_535
