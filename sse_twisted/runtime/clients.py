"""The clients of a server by their addresses: which connection gives way if there are too many."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

LOCAL = "local"  # the client of a Unix socket
IPV6_NETWORK = 64  # bits; a single machine usually has all addresses of such a network


def client_of(address: Any) -> str:
    """Return what tells clients apart: the IPv4 address, the network of an IPv6 address, or LOCAL."""
    try:
        host = ipaddress.ip_address(str(getattr(address, "host", "")).partition("%")[0])
    except ValueError:
        return LOCAL
    if isinstance(host, ipaddress.IPv4Address):
        return str(host)
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(host) if host.is_loopback else str(ipaddress.ip_network((host, IPV6_NETWORK), strict=False))


def is_local(client: str) -> bool:
    """Return whether a client is on this machine; it may be a proxy, with many clients of its own."""
    return client == LOCAL or ("/" not in client and ipaddress.ip_address(client).is_loopback)


def oldest_of_greediest(items: Iterable[T], client: Callable[[T], str]) -> T | None:
    """Return the first item of the client with most of them; `items` are in order of age, the oldest first."""
    items = list(items)
    counts = Counter(map(client, items))
    return max(items, key=lambda item: counts[client(item)], default=None)  # max returns the first of equals
