"""Where the console may listen. Telnet hides nothing and the interpreter is the whole process: on this machine only."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from pathlib import Path

from twisted.internet.endpoints import serverFromString

OFF = "off"
DEFAULT = "tcp:6023:interface=127.0.0.1"
PRIVATE_SOCKET = ":mode=600"


class EndpointError(ValueError):
    """Why there can be no console at an endpoint, in one line."""


def check_endpoint(description: str) -> str:
    """An endpoint that Twisted understands, a socket of a path for its owner only; raises EndpointError."""
    kind, positional, named = _parts(description)
    try:
        serverFromString(None, description)
    except Exception as error:  # noqa: BLE001 - each kind of endpoint has its own ways to refuse
        raise EndpointError(f"{description!r} is no endpoint ({error or type(error).__name__})") from None
    if kind == "unix" and "mode" not in named and len(positional) < 2:
        return f"{description}{PRIVATE_SOCKET}"
    return description


def check_local(description: str) -> str:
    """As `check_endpoint`; raises EndpointError if somebody on another machine could connect."""
    checked = check_endpoint(description)
    kind, positional, named = _parts(description)
    if kind == "unix":
        return checked
    interface = named.get("interface", positional[1] if len(positional) > 1 else "")
    if kind not in ("tcp", "tcp6") or not _is_loopback(interface):
        raise EndpointError(
            f"{description!r} can be reached from elsewhere, and telnet hides neither password nor what is typed into "
            f"an interpreter that may do anything: use {DEFAULT} or unix:PATH, and --manhole-ssh for the network"
        )
    return checked


def check_free(description: str) -> None:
    """Raise EndpointError if something listens there; of other endpoints than TCP and sockets nothing is known."""
    kind, positional, named = _parts(description)
    if kind == "unix":
        path = Path(named.get("address", positional[0] if positional else ""))
        if _answers(path):
            raise EndpointError(f"{path} is in use")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise EndpointError(f"{path.parent}: no socket can be made there")
        return
    if kind != "tcp":
        return
    port = int(named.get("port", positional[0] if positional else "0"))
    interface = named.get("interface", positional[1] if len(positional) > 1 else "")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((interface, port))
        except OSError as error:
            raise EndpointError(f"{description!r}: {error.strerror or error}") from None
        except OverflowError:
            raise EndpointError(f"{description!r}: there is no port {port}") from None


def _parts(description: str) -> tuple[str, list[str], dict[str, str]]:
    """Kind, positional and named arguments, as Twisted takes them apart."""
    kind, *arguments = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", description)]
    positional = [argument for argument in arguments if "=" not in argument]
    named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    return kind.lower(), positional, named


def _is_loopback(interface: str) -> bool:
    try:
        return interface == "localhost" or ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return False


def _answers(path: Path) -> bool:
    """Whether somebody listens at a socket; one that was left behind by a kill is made anew."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise EndpointError(f"{path} is there, and is no socket")
        with socket.socket(socket.AF_UNIX) as trial:
            trial.settimeout(1.0)
            trial.connect(str(path))
    except OSError:
        return False
    return True
