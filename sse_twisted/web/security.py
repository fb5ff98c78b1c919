"""Access to the web server: host names, origins and the token for commands."""

from __future__ import annotations

import hmac
import re
import secrets
import socket
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.web.server import Request

from sse_twisted.event_folder.files import write_private
from sse_twisted.runtime.bounded_file import owner_problem, read_bounded
from sse_twisted.web.routing import Refusal, Route, header

MIN_TOKEN = 16  # characters
TOKEN = re.compile(r"[\x21-\x7e]+")  # printable ASCII, which a header can carry

WITH_TOKEN = {"WWW-Authenticate": 'Bearer realm="sse"'}
HEADERS = {
    "Server": "sse_twisted",
    # Allow our own files only: no inline script or style, no frames, no other host.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DEFAULT_ENDPOINT = "tcp:8080:interface=127.0.0.1"


class TokenError(ValueError):
    """A token file that cannot be used; the message says why."""


def read_token(file: Path) -> str:
    """Read the token from a file that only its owner may access; raise TokenError otherwise."""
    try:
        mode, problem = file.stat().st_mode, owner_problem(file)
        data = read_bounded(file, 1000)
    except OSError as error:
        raise TokenError(f"{file}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenError(f"other users can access {file}: run chmod 600 {file}")
    if problem:
        raise TokenError(f"{file}: not used: {problem}")
    token = data.decode("ascii", errors="replace").strip()
    if len(token) < MIN_TOKEN or not TOKEN.fullmatch(token):
        text = f"expected one line of at least {MIN_TOKEN} printable ASCII characters without spaces"
        raise TokenError(f"{file}: invalid token: {text}")
    return token


def make_token(file: Path) -> str:
    """Create a random token in a new file of mode 0600; raise OSError if the file cannot be written."""
    token = secrets.token_urlsafe(24)
    write_private(file, f"{token}\n".encode())
    return token


class Guard:
    """Checks the host, the origin and, for commands, the token of each request."""

    def __init__(self, token: Callable[[], str], hosts: Callable[[], Iterable[str]]) -> None:
        """`hosts` returns additional host names; this machine's own name and IP addresses are always allowed."""
        self._token = token
        self._hosts = hosts
        name = socket.gethostname().lower()
        self._own = {"localhost", name, f"{name}.local", name.partition(".")[0]}

    def __call__(self, request: Request, route: Route | None) -> None:
        """Raise Refusal unless the request may reach its handler."""
        host = header(request, "host").lower()
        if len(request.requestHeaders.getRawHeaders(b"host", ())) != 1 or not self._is_ours(host):
            raise Refusal(421, "unknown host name; add it to web.hosts in the configuration")
        if route is None or request.method in (b"GET", b"HEAD"):
            return
        if not self._same_origin(request, host):
            raise Refusal(403, "cross-site request refused")
        if route.needs_token:
            self._check_token(request)

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host header names this machine. DNS rebinding needs a name, so IP addresses are safe."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            urlsplit(f"//{host}").port  # noqa: B018 - raises ValueError
        except ValueError:
            return False
        is_address = isIPAddress(name) or isIPv6Address(name)
        return is_address or name in self._own or name in {extra.lower() for extra in self._hosts()}

    def _same_origin(self, request: Request, host: str) -> bool:
        """Return whether no page of another site sent the request; only browsers send the two headers."""
        if (header(request, "sec-fetch-site") or "same-origin") not in ("same-origin", "none"):
            return False
        origin = header(request, "origin")
        try:
            return not origin or urlsplit(origin).netloc.lower() == host
        except ValueError:
            return False

    def has_token(self, request: Request) -> bool:
        """Whether a request has the token in its header."""
        scheme, _, sent = header(request, "authorization").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(sent.strip())

    def is_token(self, text: str) -> bool:
        """Whether a text is the token."""
        token = self._token().encode()
        return hmac.compare_digest(text.encode("utf-8", errors="replace"), token) and bool(token)

    def _check_token(self, request: Request) -> None:
        if not self.has_token(request):
            raise Refusal(401, "a command needs the token", WITH_TOKEN)
