"""Who may use the console: passwords of our own, in files that nobody else can read. Never those of the system."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from sse_twisted.runtime.text import one_line

USER = "sse"
LONGEST_DELAY = 30.0  # s until the answer to a wrong password


class AccountsError(Exception):
    """Why a file of passwords or keys can't be used, in one line."""


def read_accounts(path: Path) -> dict[str, str]:
    """Passwords by user, of lines `user:password`; raises AccountsError."""
    check_private(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsError(f"{path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    accounts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        if not user or not colon or not password:
            raise AccountsError(f"{path}: line {number} is not of the form user:password")
        accounts[user] = password
    if not accounts:
        raise AccountsError(f"{path}: there is no line of the form user:password")
    return accounts


def check_private(path: Path, forbidden: int = stat.S_IRWXG | stat.S_IRWXO) -> None:
    """Raise AccountsError if there is no such file, or if others than its owner may do what is forbidden."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise AccountsError(f"{path}: {error.strerror}") from None
    if mode & forbidden:
        raise AccountsError(f"{path}: its mode is {mode:04o}, and only its owner may have to do with it: chmod 600")


def write_private(path: Path, data: bytes) -> None:
    """A new file that only its owner can read, in a folder that is made if need be; raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        file.write(data)


def random_account(path: Path) -> dict[str, str]:
    """A password for this run, written where only the collector's own user can read it; raises OSError."""
    password = secrets.token_urlsafe(12)
    write_private(path, f"{USER}:{password}\n".encode())
    return {USER: password}


class LoginBackoff:
    """Answers to wrong passwords and keys, each later than the one before, until somebody gets in."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._failures = 0
        self._waiting: set[Deferred[None]] = set()

    def welcome(self) -> None:
        """Somebody got in."""
        self._failures = 0

    def refuse(self, what: str, user: bytes) -> Deferred[None]:
        """Log it, and fail with UnauthorizedLogin after a while."""
        self._failures += 1
        delay = min(2.0 ** (self._failures - 1), LONGEST_DELAY)
        name = one_line(user.decode(errors="replace"), 40)
        text = "The console refuses {what} of {user!r}; the answer takes {delay:g} s"
        self._log.warn(text, what=what, user=name, delay=delay)
        waiting: Deferred[None] = deferLater(self._clock, delay)
        self._waiting.add(waiting)

        def fail(_: object) -> None:
            self._waiting.discard(waiting)
            raise UnauthorizedLogin

        return waiting.addBoth(fail)

    def close(self) -> None:
        """Answer everybody who waits."""
        for waiting in list(self._waiting):
            waiting.cancel()


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Compares passwords in a time that tells nothing."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, accounts: Mapping[str, str], patience: LoginBackoff) -> None:
        self._accounts = {user.encode(): password.encode() for user, password in accounts.items()}
        self._patience = patience

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[Any]:
        """The user, or UnauthorizedLogin after a while."""
        user, password = credentials.username, credentials.password
        expected = self._accounts.get(user, secrets.token_bytes(32))
        if hmac.compare_digest(expected, password):
            self._patience.welcome()
            return succeed(user)
        return self._patience.refuse("the password", user).addCallback(lambda _: user)
