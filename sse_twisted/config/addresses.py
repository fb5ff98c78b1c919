"""Host names, IPv4 addresses and ports, as they are written in settings."""

from __future__ import annotations

import ipaddress
import re


def is_ipv4(text: str) -> bool:
    """Return whether the text is an IPv4 address in dotted decimal form."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Return whether the text is an address or a name for which a name server can be queried."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", text):
        return False
    return all(0 < len(label) < 64 for label in text.split("."))


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """Return the host and the port of `host[:port]`; raises ValueError."""
    host, colon, digits = address.partition(":")
    if re.fullmatch(r"([A-Za-z0-9_-]*\.)*[0-9]+", host) and not is_ipv4(host):  # RFC 1123: no top level is a number
        raise ValueError(f"{address!r} is not a valid IPv4 address")
    port = int(digits) if re.fullmatch(r"[0-9]{1,5}", digits) else 0 if colon else default_port
    if not is_host(host) or not 1 <= port <= 65_535:
        raise ValueError(f"{address!r} is not a valid address: expected host[:port]")
    return host, port
