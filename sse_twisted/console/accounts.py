"""Access to the console: its own password file, private to its owner; system accounts have no access."""

from __future__ import annotations

import hmac
import math
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, field, frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from sse_twisted.event_folder.files import write_private
from sse_twisted.runtime.bounded_file import owner_problem, read_bounded
from sse_twisted.runtime.clients import LOCAL
from sse_twisted.runtime.seldom import Seldom
from sse_twisted.runtime.text import one_line

HOST_KEY = "ssh_host_ed25519_key"
USER = "sse"
MAX_ACCOUNTS = 1_000_000  # bytes of a file of passwords or keys
MAX_DELAY = 30.0  # s until the reply to a wrong password
FORGET_AFTER = 600.0  # s after a delay, from which on a client begins anew
MAX_WAITING = 20  # connections of a client whose next login for an account is looked at after a delay, in any case
MAX_KNOWN = 1000  # pairs of account and client whose failures are counted


class AccountsError(Exception):
    """A file of passwords or keys cannot be used; the message is one line."""


def read_accounts(path: Path) -> dict[str, str]:
    """Return passwords by user, from lines `user:password` (# begins a comment); raises AccountsError."""
    check_private(path)
    try:
        lines = read_bounded(path, MAX_ACCOUNTS).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    accounts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, password = line.partition(":")
        if not user or not password:
            raise AccountsError(f"{path}: line {number}: expected user:password")
        accounts[user] = password
    if not accounts:
        raise AccountsError(f"{path}: no accounts: expected lines user:password")
    return accounts


def check_private(path: Path, forbidden: int = stat.S_IRWXG | stat.S_IRWXO) -> None:
    """Raise AccountsError for a missing file, one of another user, or one with any of the `forbidden` mode bits."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        problem = owner_problem(path)
    except OSError as error:
        raise AccountsError(f"{path}: {error.strerror}") from None
    if mode & forbidden:
        raise AccountsError(f"{path}: mode {mode:04o} gives access to others than the owner: chmod 600")
    if problem:
        raise AccountsError(f"{path}: not used: {problem}")


def random_account(path: Path) -> dict[str, str]:
    """Write a random password for this run to `path`, mode 0600, and return its account; raises OSError."""
    password = secrets.token_urlsafe(12)
    write_private(path, f"{USER}:{password}\n".encode())
    return {USER: password}


class TooSoon(UnauthorizedLogin):
    """A login during the delay after a wrong one; whether it was right has not been looked at."""


@define
class _Failures:
    """Failed logins of an account from a client."""

    count: int = 0
    until: float = 0.0  # s of the clock; the reply to the last one
    # Connections that were refused, and from when on a login of each is looked at, in s of the clock.
    turns: WeakKeyDictionary[object, float] = field(factory=WeakKeyDictionary)


class LoginBackoff:
    """Delays the reply to a failed login: 1 s, twice as long after each further one, until a login succeeds.

    It counts by account and by client, so that one client cannot lock out another. Hanging up does not end a delay, and
    logins are refused while it lasts. Another user of this computer, who guesses from the same address all the time,
    does not keep the owner out: the next login of a connection that was refused is looked at when its delay is over,
    even if a new delay has begun.
    """

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._failures: dict[tuple[str, str], _Failures] = {}  # by account and client, the latest last
        self._waiting: set[Deferred[None]] = set()
        self._seldom = Seldom(clock)

    def reset(self, account: str, client: str) -> None:
        """Set the delay back to 1 s, after a successful login."""
        self._failures.pop((account, client), None)

    def remaining(self, account: str, client: str, connection: object) -> float:
        """Return how many s a connection has to wait until a login is looked at; with 0, look at this one."""
        known, now = self._failures.get((account, client)), self._clock.seconds()
        if known is None or known.until <= now:
            return 0.0
        turn = known.turns.get(connection, known.until)
        if turn <= now:
            del known.turns[connection]
            return 0.0
        if len(known.turns) < MAX_WAITING:
            known.turns[connection] = turn
        return turn - now

    def refuse(self, what: str, user: bytes, account: str, client: str, connection: object) -> Deferred[None]:
        """Log a wrong password or key, and fail with UnauthorizedLogin after the delay.

        `account` is what is counted: attempts with all unknown names count as one. Of those during the delay of another
        connection only some are logged.
        """
        known, now = self._failures.get((account, client)), self._clock.seconds()
        is_alone = known is None or known.until <= now
        delay = self._count(account, client, connection)
        if is_alone or self._seldom.allows(f"{account} {client}"):
            self._say(what, user, delay)

        def end(_: object) -> None:
            raise UnauthorizedLogin

        return self._later(delay).addBoth(end)

    def _count(self, account: str, client: str, connection: object) -> float:
        """Count a failure and return the delay in s that it begins."""
        failures = self._failures.pop((account, client), _Failures())
        now = self._clock.seconds()
        if failures.until + FORGET_AFTER < now:
            failures.count = 0
        failures.count += 1
        delay = min(2.0 ** min(failures.count - 1, 10), MAX_DELAY)
        failures.until = now + delay
        if len(failures.turns) < MAX_WAITING:
            failures.turns[connection] = failures.until
        self._failures[account, client] = failures
        while len(self._failures) > MAX_KNOWN:
            del self._failures[next(iter(self._failures))]
        return delay

    def _say(self, what: str, user: bytes, delay: float) -> None:
        text = "Console: wrong {what} for {user!r}; reply delayed by {delay:g} s"
        self._log.warn(text, what=what, user=one_line(user.decode(errors="replace"), 40), delay=delay)

    def _later(self, seconds: float) -> Deferred[None]:
        """Fire after a while, or fail when the console closes."""
        waiting: Deferred[None] = deferLater(self._clock, seconds)
        self._waiting.add(waiting)

        def end(result: Any) -> Any:
            self._waiting.discard(waiting)
            return result

        return waiting.addBoth(end)

    def close(self) -> None:
        for waiting in list(self._waiting):
            waiting.cancel()


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Accepts the users of `accounts`; compares passwords in constant time.

    `user:password`, as it stands in the file, counts as the password too: people paste the whole line.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, accounts: Mapping[str, str], backoff: LoginBackoff) -> None:
        self._accounts = {user.encode(): password.encode() for user, password in accounts.items()}
        self._backoff = backoff

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[Any]:
        """Return the user name; fails with UnauthorizedLogin after a delay, or with TooSoon during one.

        The logins of one `credentials.connection` are told from those of others with the same `credentials.client`.
        """
        account = credentials.username.decode() if credentials.username in self._accounts else ""
        client, connection = getattr(credentials, "client", LOCAL), getattr(credentials, "connection", credentials)
        if left := self._backoff.remaining(account, client, connection):
            text = f"Too many wrong passwords from this address: try again in {math.ceil(left)} s"
            return fail(TooSoon(text))
        if self._is_right(credentials, account, client):
            return succeed(credentials.username)
        return self._backoff.refuse("password", credentials.username, account, client, connection)

    def _is_right(self, credentials: IUsernamePassword, account: str, client: str) -> bool:
        """Whether the password is right; then the delay is reset."""
        expected = self._accounts.get(credentials.username, secrets.token_bytes(32))
        given = credentials.password
        whole = b"%s:%s" % (credentials.username, expected)
        is_right = hmac.compare_digest(expected, given) | hmac.compare_digest(whole, given)
        if is_right:
            self._backoff.reset(account, client)
        return is_right


@implementer(IRealm)
@frozen
class ConsoleRealm:
    """Makes a new avatar for each login; `make_avatar` is called with the user name."""

    _make_avatar: Callable[[bytes], Any]

    def requestAvatar(self, avatar_id: Any, mind: object, *interfaces: Any) -> tuple[Any, Any, Any]:
        """Return the one interface that telnet or SSH asks for, the avatar and its logout."""
        return interfaces[0], self._make_avatar(avatar_id), lambda: None
