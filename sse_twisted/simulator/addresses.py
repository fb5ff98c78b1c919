"""Loopback addresses and free ports for simulated devices."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv4Network
from typing import Final

LOOPBACK: Final = IPv4Network("127.0.0.0/8")

_FIRST_PORT: Final = 18_000
_LAST_PORT: Final = 32_000
"""Below the ephemeral ports: an outgoing connection could take the port of an absent device."""


def own_addresses(base: str, count: int) -> list[str]:
    """Return the `count` loopback addresses after `base`, e.g. 127.1.0.1 ... for 127.1.0.0.

    Linux listens on all of 127.0.0.0/8; other systems need aliases for all but 127.0.0.1.
    Raises ValueError for a base outside of the loopback network, or too near to its end.
    """
    first = loopback_address(base)
    if first + count >= LOOPBACK.broadcast_address:
        raise ValueError(f"no {count} loopback addresses after {base}")
    return [str(first + number) for number in range(1, count + 1)]


def loopback_address(text: str) -> IPv4Address:
    """Parse an IPv4 address; raises ValueError unless it is a loopback address: other machines must not connect."""
    address = IPv4Address(text)
    if address not in LOOPBACK:
        raise ValueError(f"{text} is not a loopback address (127.x.y.z)")
    return address


def free_ports(interface: str, count: int) -> list[int]:
    """Return `count` ports that are free now; raises ValueError if there are fewer."""
    span = _LAST_PORT - _FIRST_PORT
    start = os.getpid() * 131 % span
    found: list[int] = []
    for step in range(span):
        if len(found) == count:
            return found
        port = _FIRST_PORT + (start + step) % span
        if _is_free(interface, port):
            found.append(port)
    raise ValueError(f"no {count} free ports on {interface}")


def try_tcp(interface: str, port: int) -> None:
    """Listen for a moment; raises OSError if that is not possible."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind((interface, port))
        tried.listen(0)


def try_udp(interface: str, port: int) -> None:
    """Take a UDP port for a moment; raises OSError if that is not possible."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.bind((interface, port))


def _is_free(interface: str, port: int) -> bool:
    try:
        try_tcp(interface, port)
    except OSError:
        return False
    return True
