"""Endpoints of the console. Telnet encrypts nothing and the interpreter may do anything: it is limited to loopback."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from pathlib import Path

from msgspec import Struct
from twisted.internet.endpoints import serverFromString

OFF = "off"
DEFAULT = "tcp:6023:interface=127.0.0.1"


class Access(Struct, frozen=True):
    """Endpoints of the console, "" for none, and the files of its accounts."""

    telnet: str = ""
    must_listen: bool = False  # whether the collector ends with an error if telnet cannot listen
    passwords: Path | None = None  # a file of user:password; None: a random password for each run
    ssh: str = ""
    keys: Path | None = None  # authorized_keys; None: that of the event folder


class EndpointError(ValueError):
    """The console cannot listen at an endpoint; the message is one line."""


def check_endpoint(description: str) -> str:
    """Return the endpoint, with mode 600 added for a UNIX socket without one; raises EndpointError if it is invalid."""
    kind, arguments = _parts(description)
    if port := _bare_port(description):
        here = f"tcp:{port}:interface=127.0.0.1"
        text = f"write {here} for this computer only, or tcp:{port} for other computers too"
        raise EndpointError(f"invalid endpoint {description!r}: {text}")
    try:
        serverFromString(None, description)
    except Exception as error:  # noqa: BLE001 - each kind of endpoint raises its own errors
        raise EndpointError(f"invalid endpoint {description!r} ({error or type(error).__name__})") from None
    return f"{description}:mode=600" if kind == "unix" and "mode" not in arguments else description


def check_local(description: str) -> str:
    """Do as `check_endpoint`; raises EndpointError as well for an endpoint that other machines can reach."""
    if port := _bare_port(description):
        raise EndpointError(f"invalid endpoint {description!r}: write tcp:{port}:interface=127.0.0.1")
    checked = check_endpoint(description)
    kind, arguments = _parts(description)
    if kind != "unix" and (kind not in ("tcp", "tcp6") or not _is_loopback(arguments.get("interface", ""))):
        raise EndpointError(
            f"{description!r} can be reached from other machines, and telnet encrypts neither the password nor the "
            f"session: use {DEFAULT} or unix:PATH, and --manhole-ssh for the network"
        )
    return checked


def check_free(description: str) -> None:
    """Raise EndpointError if the address of a TCP or UNIX endpoint is in use or unusable; other kinds pass."""
    kind, arguments = _parts(description)
    if kind == "unix":
        path = Path(arguments.get("address", ""))
        if _is_in_use(path):
            raise EndpointError(f"{path} is in use")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise EndpointError(f"{path.parent}: cannot make a socket in this folder")
    elif kind == "tcp":
        port = int(arguments.get("port", "0"))
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((arguments.get("interface", ""), port))
            except OSError as error:
                raise EndpointError(f"cannot listen on {description!r} ({error.strerror or error})") from None
            except OverflowError:
                raise EndpointError(f"invalid endpoint {description!r}: port {port} is above 65535") from None


def _bare_port(description: str) -> str:
    """Return the port of "8080", ":8080", "0.0.0.0:8080" or "[::1]:8080", which say no kind of endpoint; or else ""."""
    found = re.fullmatch(r"(?:(?:[0-9.]*|\*|localhost|\[[0-9a-fA-F:.]*\]):)?([0-9]+)", description)
    return found[1] if found else ""


def _parts(description: str) -> tuple[str, dict[str, str]]:
    """Return kind and arguments by name, split as Twisted does."""
    kind, *arguments = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", description)]
    names = ("address", "mode") if kind.lower() == "unix" else ("port", "interface")
    positional = [argument for argument in arguments if "=" not in argument]
    named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    return kind.lower(), dict(zip(names, positional, strict=False)) | named


def _is_loopback(interface: str) -> bool:
    try:
        return interface == "localhost" or ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return False


def _is_in_use(path: Path) -> bool:
    """Return whether a process listens at a UNIX socket, which may be stale; raises EndpointError for another file."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise EndpointError(f"{path} exists and is not a socket")
        with socket.socket(socket.AF_UNIX) as trial:
            trial.settimeout(1.0)
            trial.connect(str(path))
    except OSError:
        return False
    return True
