"""Who may look, and who may command."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import socket
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from twisted.web.server import Request

from sse_twisted.web.routing import Refusal, Route, header

SHORTEST_TOKEN = 16  # characters
TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header can carry

HEADERS = {
    "Server": "sse_twisted",
    # Nothing but our own files: no inline script or style, no frame around it, no other host.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class TokenError(ValueError):
    """The file with the token can't be used; the message says why."""


def read_token(file: Path) -> str:
    """The token in a file that nobody else can read; raises TokenError."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(1000)
    except OSError as error:
        raise TokenError(f"{file}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenError(f"{file} can be read by others: chmod 600 {file}")
    token = data.decode("ascii", errors="replace").strip()
    if len(token) < SHORTEST_TOKEN or not TOKEN.fullmatch(token):
        raise TokenError(f"{file}: a token is one line of at least {SHORTEST_TOKEN} letters, digits or signs")
    return token


def make_token(file: Path) -> str:
    """A new token in a new file that only we can read; raises OSError."""
    token = secrets.token_urlsafe(24)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{token}\n")
    return token


class Guard:
    """Lets requests through, or raises Refusal. `hosts` gives names of this machine beside its own and its numbers."""

    def __init__(self, token: Callable[[], str], hosts: Callable[[], Iterable[str]]) -> None:
        self._token = token
        self._hosts = hosts
        name = socket.gethostname().lower()
        self._own = {"localhost", name, f"{name}.local", name.partition(".")[0]}

    def __call__(self, request: Request, route: Route | None) -> None:
        """Look at the request before its handler does."""
        host = header(request, "host").lower()
        if len(request.requestHeaders.getRawHeaders(b"host", ())) != 1 or not self._is_ours(host):
            raise Refusal(421, "this is not the name of this machine; see web.hosts in the configuration")
        if route is None or request.method in (b"GET", b"HEAD"):
            return
        if not self._same_origin(request, host):
            raise Refusal(403, "asked by a page of another site")
        if route.commands:
            self._check_token(request)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names us. A page that rebinds its own name to our address can't use numbers."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            urlsplit(f"//{host}").port  # noqa: B018 - raises ValueError
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._own or name in {extra.lower() for extra in self._hosts()}
        return True

    def _same_origin(self, request: Request, host: str) -> bool:
        """Whether no page of another site asks: browsers say who does; other programs send neither header."""
        if (header(request, "sec-fetch-site") or "same-origin") not in ("same-origin", "none"):
            return False
        origin = header(request, "origin")
        try:
            return not origin or urlsplit(origin).netloc.lower() == host
        except ValueError:
            return False

    def _check_token(self, request: Request) -> None:
        scheme, _, given = header(request, "authorization").partition(" ")
        mine = self._token().encode()
        right = hmac.compare_digest(given.strip().encode("latin-1"), mine)
        if scheme.lower() != "bearer" or not right or not mine:
            raise Refusal(401, "commands need the token", WWW_Authenticate='Bearer realm="sse"')
