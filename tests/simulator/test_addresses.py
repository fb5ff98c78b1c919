"""Addresses and ports of loopback."""

from __future__ import annotations

import re
import socket

import pytest

from sse_twisted.simulator.addresses import free_ports, loopback_address, own_addresses


def test_every_device_has_an_address_of_its_own() -> None:
    assert own_addresses("127.1.0.0", 3) == ["127.1.0.1", "127.1.0.2", "127.1.0.3"]
    assert own_addresses("127.1.0.254", 2) == ["127.1.0.255", "127.1.1.0"]


@pytest.mark.parametrize("base", ["10.0.0.0", "192.168.1.1", "127.1.0", "localhost", "::1", "127.255.255.250"])
def test_addresses_are_those_of_loopback_only(base: str) -> None:
    with pytest.raises(ValueError, match=re.escape(base)):
        own_addresses(base, 10)


def test_a_loopback_address_is_read() -> None:
    assert str(loopback_address("127.0.0.1")) == "127.0.0.1"


def test_free_ports_differ_and_can_be_listened_on_together() -> None:
    ports = free_ports("127.0.0.1", 20)
    assert len(set(ports)) == 20
    sockets = [socket.create_server(("127.0.0.1", port)) for port in ports]
    assert not set(ports) & set(free_ports("127.0.0.1", 20))
    for each in sockets:
        each.close()


def test_there_are_not_endless_ports() -> None:
    with pytest.raises(ValueError, match="no 100000 free ports"):
        free_ports("127.255.255.1", 100_000)
