from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sse_twisted.runtime.clients import LOCAL, client_of, is_local, oldest_of_greediest


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.168.0.7", "192.168.0.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:192.168.0.7", "192.168.0.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(host: str, client: str) -> None:
    kind = IPv6Address if ":" in host else IPv4Address
    assert client_of(kind("TCP", host, 1)) == client


def test_clients_of_a_unix_socket_are_one() -> None:
    assert client_of(UNIXAddress(b"/run/web")) == client_of(UNIXAddress(None)) == client_of(None) == LOCAL


@pytest.mark.parametrize(
    ("client", "expected"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), (LOCAL, True)]
)
def test_clients_on_this_machine_are_local(client: str, expected: bool) -> None:
    assert is_local(client) is expected


@pytest.mark.parametrize("client", ["192.168.0.7", "fe80::/64"])
def test_other_clients_are_not_local(client: str) -> None:
    assert not is_local(client)


@pytest.mark.parametrize(("items", "chosen"), [("", None), ("a1", "a1"), ("a1 b1 b2 c1", "b1"), ("a1 b1 b2 a2", "a1")])
def test_the_oldest_of_the_client_with_most_gives_way(items: str, chosen: str | None) -> None:
    assert oldest_of_greediest(items.split(), lambda item: item[0]) == chosen
